// `redoubt seal --keystores`: EIP-2335 keystores, opened several at once and kept in a partial file
// until their bundle is there. It must never leave a password or an opened secret behind.

import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { wipe } from "../../enclave/keys/secret.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  jobCountFor,
  type KeystoreFile,
  type KeystoreOutcome,
  openKeystores,
  readKeystoreFolder,
} from "./keystore-folder.ts";
import { type PartialCost, PartialFile } from "./partial-file.ts";
import { Progress } from "./progress.ts";
import { type KeyOutcome, type KeySealPorts, type SealReport, sealKeys } from "./seal-keys.ts";
import type { KeystoreSealOptions } from "./seal-options.ts";

export type KeystoreSealPorts = KeySealPorts & { readonly partialCost: PartialCost };

/** The error is a wrong usage: nothing was begun. */
export async function sealKeystores(
  options: KeystoreSealOptions,
  ports: KeystoreSealPorts,
): Promise<Result<SealReport, string>> {
  if (!(await isFolder(options.keystoresDir))) return err(`${options.keystoresDir} is no folder`);
  const folder = await readKeystoreFolder(options.keystoresDir, options.passwords);
  const files: KeystoreFile[] = [];
  for (const { file } of folder) if (file.ok) files.push(file.value);
  const partial = new PartialFile(`${options.out}.partial`, ports.partialCost);
  const progress = new Progress(ports.stderr, "opening keystores", files.length, ports.nowMs);
  let resumedCount = 0;
  const memoryBytes = process.availableMemory();
  const opened = await openKeystores(files, {
    jobCount: options.jobCount ?? jobCountFor(files, availableParallelism(), memoryBytes),
    partial,
    signal: ports.signal,
    nowMs: ports.nowMs,
    onDone: (_, isResumed) => {
      if (isResumed) resumedCount += 1;
      progress.advance(1, isResumed);
    },
  });
  progress.end();
  for (const { password } of files) wipe(password);
  const onSealed = () => partial.remove();
  try {
    const outcomes = mergeOutcomes(folder, opened);
    const origin = { noun: "keystores", resumedCount, onSealed } as const;
    return ok(await sealKeys(outcomes, origin, options, ports));
  } finally {
    await partial.close();
    for (const { outcome } of opened) if (outcome.ok) wipe(outcome.value.secret);
  }
}

function mergeOutcomes(
  folder: Awaited<ReturnType<typeof readKeystoreFolder>>,
  opened: readonly KeystoreOutcome[],
): readonly KeyOutcome[] {
  const openedByName = new Map(opened.map(({ name, outcome }) => [name, outcome]));
  return folder.map(({ name, file }) => {
    const outcome = openedByName.get(name) ?? (file.ok ? err("interrupted" as const) : file);
    if (!outcome.ok) return { name, outcome };
    return { name, outcome: ok({ scheme: "bls12381-pop" as const, ...outcome.value }) };
  });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
