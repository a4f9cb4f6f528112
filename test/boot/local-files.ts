// What the guest's signer needs and what is simpler to make on the host, where the clock is right
// and the machine fast: certificates, the KMS key with its policy, the manifest, a sealed bundle.
// The same folder lies at `/local` in the guest. Nothing is kept from one run to the next.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { command as sealCommand } from "../../scripts/cli/seal.ts";
import { layoutOf, makeFolders } from "../../scripts/local/layout.ts";
import { parseStartOptions } from "../../scripts/local/options.ts";
import { argumentsOf } from "../../scripts/local/program.ts";
import { prepareIdentities, prepareKeystores, prepareManifest } from "../../scripts/local/setup.ts";
import { startKms } from "../../scripts/local/stack.ts";
import { BootError } from "./kernel.ts";

const KEY_COUNT = 2;

export async function prepareLocalFiles(folder: string): Promise<void> {
  const options = parseStartOptions(["--dir", folder, "--keys", String(KEY_COUNT)]);
  if (options === null) throw new BootError("no options");
  rmSync(folder, { recursive: true, force: true });
  const layout = layoutOf(folder);
  makeFolders(layout);
  prepareIdentities(layout);
  const manifest = prepareManifest(layout, options);
  const keystores = await prepareKeystores(layout, options);
  if (keystores === null) throw new BootError("a new folder holds keys");
  // It makes its own certificate, which the guest's KMS finds and keeps.
  const kms = await startKms(layout);
  try {
    const exitCode = await sealCommand.run([
      ...argumentsOf({
        keystores: keystores.folder,
        "password-file": keystores.passwordFile,
        "kms-key": manifest.kmsKeyArn,
        out: join(layout.bundleFolder, "keys.bundle"),
        "kms-endpoint": `https://127.0.0.1:${kms.port}`,
        "kms-ca": layout.caCertificate,
        credentials: layout.sealingCredentials,
      }),
    ]);
    if (exitCode !== 0) throw new BootError("`redoubt seal` failed");
  } finally {
    await kms.program.stop();
  }
}
