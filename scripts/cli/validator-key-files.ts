// The files that validator keys are in: which there are, and opening them all. Nothing here stops
// at the first fault, and no file is dropped silently: each is opened, failed or ignored, by name.
// It must never leave a file's bytes behind in memory.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { wipe } from "../../enclave/keys/secret.ts";
import { readBoundedFile, TOO_LARGE } from "../../parent/platform/bounded-reader.ts";
import { err, type Result } from "../../shared/result.ts";
import type { OpenedMessageKey } from "./opened-key.ts";
import {
  parseTmkmsKey,
  TMKMS_KEY_BYTES_MAX,
  type TmkmsKeyFault,
  type TmkmsScheme,
} from "./tmkms-key.ts";
import {
  parseValidatorKey,
  VALIDATOR_KEY_BYTES_MAX,
  type ValidatorKeyFault,
} from "./validator-key.ts";

/** What the operator says is there; a folder stands for the `*.json` in it. */
export type KeySource =
  | { readonly kind: "json"; readonly path: string }
  | { readonly kind: "tmkms"; readonly path: string; readonly scheme: TmkmsScheme };

export type KeyFileFault = ValidatorKeyFault | TmkmsKeyFault | "unreadable" | "too large";

export type KeyFileOutcome = {
  readonly name: string;
  readonly outcome: Result<OpenedMessageKey, KeyFileFault>;
};

/** In the order of the sources, files of a folder by name. The caller owns the secrets. */
export async function openKeySources(
  sources: readonly KeySource[],
): Promise<readonly KeyFileOutcome[]> {
  const outcomes: KeyFileOutcome[] = [];
  for (const source of sources) {
    if (source.kind === "json") outcomes.push(...(await openJson(source.path)));
    else {
      const outcome = await openFile(source.path, TMKMS_KEY_BYTES_MAX, (bytes) =>
        parseTmkmsKey(bytes, source.scheme),
      );
      outcomes.push({ name: source.path, outcome });
    }
  }
  return outcomes;
}

async function openJson(path: string): Promise<readonly KeyFileOutcome[]> {
  const names = await listJson(path);
  if (names === null) {
    const outcome = await openFile(path, VALIDATOR_KEY_BYTES_MAX, parseValidatorKey);
    // Whoever names a file means a key: it is not ignored, as one in a folder is.
    const isOther = !outcome.ok && outcome.error === "not a validator key";
    return [{ name: path, outcome: isOther ? err("malformed validator key") : outcome }];
  }
  const outcomes: KeyFileOutcome[] = [];
  for (const name of names) {
    const file = join(path, name);
    const outcome = await openFile(file, VALIDATOR_KEY_BYTES_MAX, parseValidatorKey);
    // A genesis file lies in the same folder and may have any size.
    const isLarge = !outcome.ok && outcome.error === "too large";
    outcomes.push({ name: file, outcome: isLarge ? err("not a validator key") : outcome });
  }
  return outcomes;
}

/** Null for what is no folder. */
async function listJson(path: string): Promise<readonly string[] | null> {
  try {
    return (await readdir(path)).filter((name) => name.endsWith(".json")).sort();
  } catch {
    return null;
  }
}

async function openFile(
  path: string,
  bytesMax: number,
  parse: (bytes: Uint8Array) => Result<OpenedMessageKey, KeyFileFault>,
): Promise<Result<OpenedMessageKey, KeyFileFault>> {
  const bytes = await readBoundedFile(path, bytesMax);
  if (!bytes.ok) return err(bytes.error === TOO_LARGE ? "too large" : "unreadable");
  try {
    return parse(bytes.value);
  } finally {
    wipe(bytes.value);
  }
}
