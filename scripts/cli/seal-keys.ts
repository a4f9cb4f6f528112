// What `redoubt seal` does with keys once they are opened, wherever they come from: a bundle of
// each so many, into files and into Secrets Manager, and the report of it. It must never leave half
// a bundle, never seal fewer keys than it was given unless told to, and never print a secret.

import { access } from "node:fs/promises";
import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type NewFile, writeFilesAtomically } from "./atomic-file.ts";
import { type GenerateDataKey, sealBundle } from "./bundle-sealer.ts";
import type { FileFault } from "./keystore-folder.ts";
import type { OpenedKey } from "./opened-key.ts";
import { bundleNameOf, type KeySealOptions } from "./seal-options.ts";
import { printStored } from "./seal-send.ts";
import { type SecretPorts, type StoredBundle, storeBundles } from "./secret-writer.ts";
import { validatorAddressOf } from "./validator-address.ts";
import type { KeyFileFault } from "./validator-key-files.ts";

export type KeySealPorts = SecretPorts & {
  readonly stdout: { write(text: string): unknown };
  /** Asked only when there is something to seal. */
  readonly connect: () => Promise<GenerateDataKey>;
};

type Fault = FileFault | KeyFileFault;

export type KeyOutcome = {
  readonly name: string;
  readonly outcome: Result<OpenedKey, Fault>;
};

/** Files of these lie beside keys, and are no keys. */
const IGNORED: readonly Fault[] = ["not a keystore", "not a validator key"];

type FileReport = {
  readonly file: string;
  readonly status: "sealed" | "failed" | "ignored";
  readonly reason?: Fault;
  readonly publicKey?: string;
  /** Of keys that are not Ethereum's: as their chain writes it. */
  readonly address?: string;
  readonly scheme?: string;
};

export type SealReport = {
  /** The files are there; `error` may still say why not all of them are in Secrets Manager. */
  readonly isSealed: boolean;
  readonly error: string | null;
  readonly bundles: readonly { file: string; id: string; keyCount: number }[];
  readonly secrets: readonly StoredBundle[];
  readonly resumedCount: number;
  /** The files that keys were read from, of whatever kind. */
  readonly keystores: readonly FileReport[];
};

type SealedFiles = {
  readonly bundles: SealReport["bundles"];
  readonly files: readonly NewFile[];
};

/** Where keys come from, to people, and what is to be done when they are in their bundle. */
export type KeyOrigin = {
  readonly noun: "keystores" | "key files";
  readonly resumedCount: number;
  readonly onSealed: (() => Promise<void>) | null;
};

/** The caller owns the secrets of `opened`. */
export async function sealKeys(
  opened: readonly KeyOutcome[],
  origin: KeyOrigin,
  options: KeySealOptions,
  ports: KeySealPorts,
): Promise<SealReport> {
  const outcomes = refuseDuplicates(opened);
  const keystores = outcomes.map(fileReportOf);
  const { resumedCount } = origin;
  const refused = refusalOf(keystores, origin, options, ports);
  const sealed = refused === null ? await sealIntoFiles(outcomes, options, ports) : err(refused);
  if (!sealed.ok) {
    const { error } = sealed;
    return { isSealed: false, error, bundles: [], secrets: [], resumedCount, keystores };
  }
  await origin.onSealed?.();
  const { stored, error } = await store(sealed.value.files, options, ports);
  const { bundles } = sealed.value;
  return { isSealed: true, error, bundles, secrets: stored, resumedCount, keystores };
}

function refusalOf(
  reports: readonly FileReport[],
  { noun }: KeyOrigin,
  options: KeySealOptions,
  ports: KeySealPorts,
): string | null {
  if (ports.signal.aborted) return "interrupted; run again to go on from here";
  const failedCount = reports.filter((report) => report.status === "failed").length;
  if (failedCount > 0 && !options.isSkippingFailed) {
    return `${failedCount} ${noun} failed, nothing is sealed (see --skip-failed)`;
  }
  return reports.some(({ status }) => status === "sealed") ? null : "there is no key to seal";
}

/** The first file of a key, in their order, has it; the others are failures. */
function refuseDuplicates(outcomes: readonly KeyOutcome[]): readonly KeyOutcome[] {
  const firstByKey = new Map<string, string>();
  return outcomes.map((entry) => {
    if (!entry.outcome.ok) return entry;
    // Under whatever scheme: an enclave loads no public key twice.
    const key = encodeHex(entry.outcome.value.publicKey);
    const first = firstByKey.get(key);
    if (first === undefined) {
      firstByKey.set(key, entry.name);
      return entry;
    }
    return { name: entry.name, outcome: err(`duplicate of ${first}` as const) };
  });
}

function fileReportOf({ name, outcome }: KeyOutcome): FileReport {
  if (!outcome.ok) {
    const status = IGNORED.includes(outcome.error) ? "ignored" : "failed";
    return { file: name, status, reason: outcome.error };
  }
  const { scheme, publicKey } = outcome.value;
  const report = {
    file: name,
    status: "sealed" as const,
    publicKey: encodePrefixedHex(publicKey),
  };
  if (scheme === "bls12381-pop") return report;
  const address = encodeHex(validatorAddressOf(scheme, publicKey)).toUpperCase();
  return { ...report, scheme, address };
}

async function sealIntoFiles(
  outcomes: readonly KeyOutcome[],
  options: KeySealOptions,
  ports: KeySealPorts,
): Promise<Result<SealedFiles, string>> {
  const keys = outcomes.flatMap(({ outcome }) => (outcome.ok ? [outcome.value] : []));
  const generate = await ports.connect();
  const groups: (readonly OpenedKey[])[] = [];
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
async function store(files: readonly NewFile[], options: KeySealOptions, ports: KeySealPorts) {
  if (options.secrets === null) return { stored: [], error: null };
  const named = files.map(({ path, bytes }) => ({ name: bundleNameOf(path), bytes }));
  const { stored, error } = await storeBundles(named, options.secrets, ports);
  if (error === null) return { stored, error };
  const left = files.slice(stored.length).map(({ path }) => path);
  return { stored, error: `${error}; sealed, but not sent (see --send): ${left.join(", ")}` };
}

function fileNameOf(out: string, index: number, count: number): string {
  if (count === 1) return out;
  return `${out.slice(0, -".bundle".length)}-${String(index + 1).padStart(3, "0")}.bundle`;
}

export async function isPresent(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

export function printReport(
  report: SealReport,
  noun: KeyOrigin["noun"],
  ports: Pick<KeySealPorts, "stdout" | "stderr">,
): void {
  const counts = { sealed: 0, failed: 0, ignored: 0 };
  for (const { file, status, reason, address, scheme } of report.keystores) {
    counts[status] += 1;
    if (reason !== undefined) ports.stderr.write(`${status}  ${file}: ${reason}\n`);
    // Whoever seals compares it with what the chain says: some files state no public key.
    if (address !== undefined) ports.stdout.write(`${file}: ${scheme ?? ""}, address ${address}\n`);
  }
  const resumed = report.resumedCount === 0 ? "" : ` (${report.resumedCount} from an earlier run)`;
  ports.stdout.write(
    `${noun}: ${counts.sealed} opened${resumed}, ${counts.failed} failed, ` +
      `${counts.ignored} ignored\n`,
  );
  for (const { file, id, keyCount } of report.bundles) {
    ports.stdout.write(`sealed ${file}: ${keyCount} keys, bundle ${id}\n`);
  }
  printStored(report.secrets, ports.stdout);
  if (report.error !== null) ports.stderr.write(`redoubt seal: ${report.error}\n`);
}
