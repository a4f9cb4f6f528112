// `redoubt seal --validator-keys` and `--tmkms-…`: the keys of CometBFT's validators, which lie in
// the clear in their files. It must never leave an opened secret behind.

import { wipe } from "../../enclave/keys/secret.ts";
import { type KeySealPorts, type SealReport, sealKeys } from "./seal-keys.ts";
import type { ValidatorSealOptions } from "./seal-options.ts";
import { openKeySources } from "./validator-key-files.ts";

export async function sealValidatorKeys(
  options: ValidatorSealOptions,
  ports: KeySealPorts,
): Promise<SealReport> {
  const opened = await openKeySources(options.sources);
  try {
    const origin = { noun: "key files", resumedCount: 0, onSealed: null } as const;
    return await sealKeys(opened, origin, options, ports);
  } finally {
    for (const { outcome } of opened) if (outcome.ok) wipe(outcome.value.secret);
  }
}
