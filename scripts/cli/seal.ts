// `redoubt seal`: keystores in, sealed bundles out. It must never leave half a bundle, never seal
// fewer keys than it was given unless told to, and never print a secret or a password.

import { access, readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { wipe } from "../../enclave/keys/secret.ts";
import { parseBundle } from "../../shared/bundle/format.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { BUNDLE_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type NewFile, writeFilesAtomically } from "./atomic-file.ts";
import { type GenerateDataKey, sealBundle } from "./bundle-sealer.ts";
import type { Command, ExitCode } from "./command.ts";
import {
  type FileFault,
  jobCountFor,
  type KeystoreFile,
  type KeystoreOutcome,
  openKeystores,
  readKeystoreFolder,
} from "./keystore-folder.ts";
import { PARTIAL_COST, type PartialCost, PartialFile } from "./partial-file.ts";
import { Progress } from "./progress.ts";
import {
  bundleNameOf,
  parseSealArgs,
  SEAL_USAGE,
  type SealOptions,
  type StoreSealOptions,
} from "./seal-options.ts";
import { printStored, runSend } from "./seal-send.ts";
import { runStoreSeal } from "./seal-store.ts";
import { type SecretPorts, type StoredBundle, storeBundles } from "./secret-writer.ts";

/** What tests replace. */
export type SealPorts = SecretPorts & {
  readonly stdout: { write(text: string): unknown };
  /** Null: KMS over the network. */
  readonly generateDataKey: GenerateDataKey | null;
  readonly partialCost: PartialCost;
};

type SealedFiles = {
  readonly bundles: SealReport["bundles"];
  readonly files: readonly NewFile[];
};

type FileReport = {
  readonly file: string;
  readonly status: "sealed" | "failed" | "ignored";
  readonly reason?: FileFault;
  readonly publicKey?: string;
};

type SealReport = {
  /** The files are there; `error` may still say why not all of them are in Secrets Manager. */
  readonly isSealed: boolean;
  readonly error: string | null;
  readonly bundles: readonly { file: string; id: string; keyCount: number }[];
  readonly secrets: readonly StoredBundle[];
  readonly resumedCount: number;
  readonly keystores: readonly FileReport[];
};

export const command: Command = {
  name: "seal",
  summary: "seal EIP-2335 keystores into a bundle that only an attested enclave opens",
  usage: SEAL_USAGE,
  run: async (args) => {
    // Key derivation runs on libuv's threads, 4 unless this is set before the first one starts.
    process.env["UV_THREADPOOL_SIZE"] ??= String(availableParallelism());
    const abort = new AbortController();
    const onSignal = (): void => abort.abort();
    // Not once: a terminal and the launcher above us both deliver one Ctrl-C.
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
    try {
      return await runSeal(args, {
        stdout: process.stdout,
        stderr: process.stderr,
        signal: abort.signal,
        nowMs: () => Date.now(),
        generateDataKey: null,
        secrets: null,
        partialCost: PARTIAL_COST,
      });
    } finally {
      process.removeListener("SIGINT", onSignal).removeListener("SIGTERM", onSignal);
    }
  },
};

export async function runSeal(args: readonly string[], ports: SealPorts): Promise<ExitCode> {
  const request = await parseSealArgs(args);
  if (!request.ok) {
    ports.stderr.write(`redoubt seal: ${request.error}; see --help\n`);
    return 2;
  }
  if (request.value.kind === "help") {
    ports.stdout.write(SEAL_USAGE);
    return 0;
  }
  if (request.value.kind === "show") {
    return showBundle(request.value.file, request.value.isJson, ports);
  }
  if (request.value.kind === "send") {
    return runSend(request.value.options, request.value.isJson, ports);
  }
  if (request.value.kind === "store") return sealStore(request.value, ports);
  const { options, isJson } = request.value;
  const outcome = await seal(options, ports);
  if (!outcome.ok) {
    ports.stderr.write(`redoubt seal: ${outcome.error}\n`);
    return 2;
  }
  if (isJson) ports.stdout.write(`${JSON.stringify(outcome.value)}\n`);
  else printReport(outcome.value, ports);
  return outcome.value.error === null ? 0 : 1;
}

async function sealStore(
  { options, isJson }: { readonly options: StoreSealOptions; readonly isJson: boolean },
  ports: SealPorts,
): Promise<ExitCode> {
  if (await isPresent(options.out)) {
    ports.stderr.write(`redoubt seal: ${options.out} exists; it is not overwritten\n`);
    return 2;
  }
  const connect = async () => ports.generateDataKey ?? (await connectToKms(options));
  return runStoreSeal(options, isJson, { ...ports, connect });
}

/** The error is a wrong usage: nothing was begun. */
async function seal(options: SealOptions, ports: SealPorts): Promise<Result<SealReport, string>> {
  if (await isPresent(options.out)) return err(`${options.out} exists; it is not overwritten`);
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
  const outcomes = refuseDuplicates(mergeOutcomes(folder, opened));
  const keystores = outcomes.map(fileReportOf);
  try {
    const sealed = await sealOutcomes(outcomes, keystores, options, ports);
    if (!sealed.ok) {
      const { error } = sealed;
      return ok({ isSealed: false, error, bundles: [], secrets: [], resumedCount, keystores });
    }
    await partial.remove();
    const { stored, error } = await store(sealed.value.files, options, ports);
    const { bundles } = sealed.value;
    return ok({ isSealed: true, error, bundles, secrets: stored, resumedCount, keystores });
  } finally {
    await partial.close();
    for (const { outcome } of opened) if (outcome.ok) wipe(outcome.value.secret);
  }
}

function mergeOutcomes(
  folder: Awaited<ReturnType<typeof readKeystoreFolder>>,
  opened: readonly KeystoreOutcome[],
): readonly KeystoreOutcome[] {
  const openedByName = new Map(opened.map((entry) => [entry.name, entry]));
  return folder.map(
    ({ name, file }) =>
      openedByName.get(name) ?? { name, outcome: file.ok ? err("interrupted") : file },
  );
}

/** The first file of a key, by name, has it; the others are failures. */
function refuseDuplicates(outcomes: readonly KeystoreOutcome[]): readonly KeystoreOutcome[] {
  const firstByKey = new Map<string, string>();
  return outcomes.map((entry) => {
    if (!entry.outcome.ok) return entry;
    const key = encodeHex(entry.outcome.value.publicKey);
    const first = firstByKey.get(key);
    if (first === undefined) {
      firstByKey.set(key, entry.name);
      return entry;
    }
    return { name: entry.name, outcome: err(`duplicate of ${first}` as const) };
  });
}

function fileReportOf({ name, outcome }: KeystoreOutcome): FileReport {
  if (outcome.ok) {
    const publicKey = encodePrefixedHex(outcome.value.publicKey);
    return { file: name, status: "sealed", publicKey };
  }
  const status = outcome.error === "not a keystore" ? "ignored" : "failed";
  return { file: name, status, reason: outcome.error };
}

async function sealOutcomes(
  outcomes: readonly KeystoreOutcome[],
  reports: readonly FileReport[],
  options: SealOptions,
  ports: SealPorts,
): Promise<Result<SealedFiles, string>> {
  if (ports.signal.aborted) return err("interrupted; run again to go on from here");
  const failedCount = reports.filter((report) => report.status === "failed").length;
  if (failedCount > 0 && !options.isSkippingFailed) {
    return err(`${failedCount} keystores failed, nothing is sealed (see --skip-failed)`);
  }
  const keys: BundleKey[] = [];
  for (const { outcome } of outcomes) {
    if (outcome.ok) keys.push({ scheme: "bls12381-pop", ...outcome.value });
  }
  if (keys.length === 0) return err("there is no key to seal");
  const generate = ports.generateDataKey ?? (await connectToKms(options));
  const groups: BundleKey[][] = [];
  for (let at = 0; at < keys.length; at += options.keysPerBundle) {
    groups.push(keys.slice(at, at + options.keysPerBundle));
  }
  const files: NewFile[] = [];
  const bundles = [];
  for (const [index, group] of groups.entries()) {
    const file = fileNameOf(options.out, index, groups.length);
    if (await isPresent(file)) return err(`${file} exists; it is not overwritten`);
    const sealed = await sealBundle(group, options.keyArn.text, ports.nowMs(), generate);
    if (!sealed.ok) return sealed;
    files.push({ path: file, bytes: sealed.value.bytes });
    bundles.push({ file, id: encodeHex(sealed.value.id), keyCount: group.length });
  }
  try {
    await writeFilesAtomically(files);
  } catch (error) {
    return err(`can't write the bundle: ${error instanceof Error ? error.message : "unknown"}`);
  }
  return ok({ bundles, files });
}

/** The files are there before: what fails here is done again with `--send`. */
async function store(files: readonly NewFile[], options: SealOptions, ports: SealPorts) {
  if (options.secrets === null) return { stored: [], error: null };
  const named = files.map(({ path, bytes }) => ({ name: bundleNameOf(path), bytes }));
  const { stored, error } = await storeBundles(named, options.secrets, ports);
  if (error === null) return { stored, error };
  const left = files.slice(stored.length).map(({ path }) => path);
  return { stored, error: `${error}; sealed, but not sent (see --send): ${left.join(", ")}` };
}

/** The AWS SDK is loaded here and not above: it takes longer than most commands do. */
async function connectToKms(
  options: Pick<SealOptions, "keyArn" | "aws">,
): Promise<GenerateDataKey> {
  const { createDataKeyGenerator } = await import("./data-key.ts");
  return createDataKeyGenerator(options.keyArn, options.aws);
}

function fileNameOf(out: string, index: number, count: number): string {
  if (count === 1) return out;
  return `${out.slice(0, -".bundle".length)}-${String(index + 1).padStart(3, "0")}.bundle`;
}

function printReport(report: SealReport, ports: SealPorts): void {
  const counts = { sealed: 0, failed: 0, ignored: 0 };
  for (const { file, status, reason } of report.keystores) {
    counts[status] += 1;
    if (reason !== undefined) ports.stderr.write(`${status}  ${file}: ${reason}\n`);
  }
  const resumed = report.resumedCount === 0 ? "" : ` (${report.resumedCount} from an earlier run)`;
  ports.stdout.write(
    `keystores: ${counts.sealed} opened${resumed}, ${counts.failed} failed, ` +
      `${counts.ignored} ignored\n`,
  );
  for (const { file, id, keyCount } of report.bundles) {
    ports.stdout.write(`sealed ${file}: ${keyCount} keys, bundle ${id}\n`);
  }
  printStored(report.secrets, ports.stdout);
  if (report.error !== null) ports.stderr.write(`redoubt seal: ${report.error}\n`);
}

async function showBundle(file: string, isJson: boolean, ports: SealPorts): Promise<ExitCode> {
  if (!(await isPresent(file)) || (await stat(file)).size > BUNDLE_BYTES_MAX) {
    ports.stderr.write(`redoubt seal: ${file} is missing or too large\n`);
    return 1;
  }
  const bundle = parseBundle(await readFile(file));
  if (!bundle.ok) {
    ports.stderr.write(`redoubt seal: ${file} is not a bundle\n`);
    return 1;
  }
  const { id, purpose, keyArn, keyCount, createdMs, wrappedKey } = bundle.value.header;
  const shown = {
    bundle: encodeHex(id),
    purpose,
    kmsKey: keyArn,
    keyCount,
    created: new Date(createdMs).toISOString(),
    wrappedKeyBytes: wrappedKey.length,
  };
  if (isJson) ports.stdout.write(`${JSON.stringify(shown)}\n`);
  else {
    for (const [name, value] of Object.entries(shown)) {
      ports.stdout.write(`${name.padEnd(16)}${value}\n`);
    }
  }
  return 0;
}

async function isPresent(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
