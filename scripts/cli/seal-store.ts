// `redoubt seal --store-credentials`: the credentials of the state store's own IAM user into a
// bundle of their own purpose. It must never print them, and never seal temporary ones: the enclave
// could not renew them.

import { readBoundedFile } from "../../parent/platform/bounded-reader.ts";
import {
  isStoreCredentials,
  type SealedStoreCredentials,
} from "../../shared/bundle/store-credentials.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { CREDENTIAL_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { writeFilesAtomically } from "./atomic-file.ts";
import { type GenerateDataKey, sealStoreCredentials } from "./bundle-sealer.ts";
import type { ExitCode } from "./command.ts";
import { bundleNameOf, type StoreSealOptions } from "./seal-options.ts";
import { printStored } from "./seal-send.ts";
import { type SecretPorts, type StoredBundle, storeBundles } from "./secret-writer.ts";

type StoreSealPorts = SecretPorts & {
  readonly stdout: { write(text: string): unknown };
  /** Asked only when there is something to seal. */
  readonly connect: () => Promise<GenerateDataKey>;
};

type StoreSealReport = {
  readonly isSealed: boolean;
  readonly error: string | null;
  readonly bundles: readonly { file: string; id: string; purpose: "redoubt/store" }[];
  readonly secrets: readonly StoredBundle[];
};

export async function runStoreSeal(
  options: StoreSealOptions,
  isJson: boolean,
  ports: StoreSealPorts,
): Promise<ExitCode> {
  const report = await sealIntoFile(options, ports);
  if (isJson) ports.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    for (const { file, id } of report.bundles) {
      ports.stdout.write(`sealed ${file}: credentials of the state store, bundle ${id}\n`);
    }
    printStored(report.secrets, ports.stdout);
    if (report.error !== null) ports.stderr.write(`redoubt seal: ${report.error}\n`);
  }
  return report.error === null ? 0 : 1;
}

async function sealIntoFile(
  options: StoreSealOptions,
  ports: StoreSealPorts,
): Promise<StoreSealReport> {
  const { out, keyArn } = options;
  const credentials = await readStoreCredentials(options.credentialsFile);
  if (!credentials.ok) return failure(credentials.error);
  const generate = await ports.connect();
  if (ports.signal.aborted) return failure("interrupted; nothing is sealed");
  const sealed = await sealStoreCredentials(
    credentials.value,
    keyArn.text,
    ports.nowMs(),
    generate,
  );
  if (!sealed.ok) return failure(sealed.error);
  const { id, bytes } = sealed.value;
  try {
    await writeFilesAtomically([{ path: out, bytes }]);
  } catch (error) {
    return failure(`can't write the bundle: ${error instanceof Error ? error.message : "unknown"}`);
  }
  const bundles = [{ file: out, id: encodeHex(id), purpose: "redoubt/store" } as const];
  if (options.secrets === null) return { isSealed: true, error: null, bundles, secrets: [] };
  const named = [{ name: bundleNameOf(out), bytes }];
  const { stored, error } = await storeBundles(named, options.secrets, ports);
  const left = error === null ? null : `${error}; sealed, but not sent (see --send): ${out}`;
  return { isSealed: true, error: left, bundles, secrets: stored };
}

function failure(error: string): StoreSealReport {
  return { isSealed: false, error, bundles: [], secrets: [] };
}

/** Exactly `{"accessKeyId": …, "secretAccessKey": …}`: a session token has no place. */
async function readStoreCredentials(file: string): Promise<Result<SealedStoreCredentials, string>> {
  const unreadable = err(`${file} is not {"accessKeyId": ..., "secretAccessKey": ...} of IAM`);
  const bytes = await readBoundedFile(file, CREDENTIAL_BYTES_MAX);
  if (!bytes.ok) return unreadable;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes.value));
    if (typeof value !== "object" || value === null) return unreadable;
    const { accessKeyId, secretAccessKey, ...others }: Readonly<Record<string, unknown>> = {
      ...value,
    };
    if (typeof accessKeyId !== "string" || typeof secretAccessKey !== "string") return unreadable;
    const credentials = { accessKeyId, secretAccessKey };
    const isSound = Object.keys(others).length === 0 && isStoreCredentials(credentials);
    return isSound ? ok(credentials) : unreadable;
  } catch {
    // What JSON.parse says of a text may hold a part of it.
    return unreadable;
  }
}
