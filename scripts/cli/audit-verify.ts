// Replays logs: every line of every file, the files together, since enclaves that share a table
// write to the logs of several parents. Memory holds one state for each key, not the log. It must
// never call a log whole that it has not read to its end.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Finding, type FindingCode, KeyReplay } from "./audit-key.ts";
import { LINE_LENGTH_MAX, type LogHead, type LogReceipt, parseLine } from "./audit-log.ts";
import { SignedPairs } from "./audit-pairs.ts";
import { SignedPlaces } from "./audit-places.ts";
import { parseReceipt } from "./audit-receipt.ts";

export type KeyFinding = Finding & { readonly scope: string; readonly key: string };

export type AuditReport = {
  readonly keyCount: number;
  readonly headCount: number;
  readonly receiptCount: number;
  /** The first thousand. */
  readonly findings: readonly KeyFinding[];
  readonly findingCount: number;
  readonly byCode: ReadonlyMap<FindingCode, number>;
  /** Keys whose record nobody stated: whether the log is whole for them is not known. */
  readonly unheadedCount: number;
};

/** A file that is none of ours: where, and why. */
export class BadLog extends Error {
  override readonly name = "BadLog";
}

const FINDING_COUNT_MAX = 1000;
/** Lines that wait for an earlier version of their key, over all keys. */
const WAITING_COUNT_MAX = 500_000;
const WAITING_CHECK = 4096;

/** By family, because a forged history may mix them: then neither hides the other. */
type Suspect = { readonly ethereum: SignedPairs; readonly tendermint: SignedPlaces };
type Replays = Map<string, { readonly replay: KeyReplay; readonly owner: LogHead | LogReceipt }>;

export async function verifyLogs(
  paths: readonly string[],
  isPartial: boolean,
): Promise<AuditReport> {
  const replays: Replays = new Map();
  const headed = new Set<string>();
  let headCount = 0;
  let lineCount = 0;
  const add = (line: LogHead | LogReceipt): void => {
    const name = nameOf(line);
    const known = replays.get(name);
    const replay = known?.replay ?? new KeyReplay({ scope: line.scope, publicKey: line.key });
    if (known === undefined) replays.set(name, { replay, owner: line });
    lineCount += 1;
    if (line.kind === "receipt") replay.add(line);
    else {
      headed.add(name);
      headCount += 1;
      replay.expect(line);
    }
    if (lineCount % WAITING_CHECK === 0) boundWaiting(replays, isPartial);
  };
  for await (const line of linesTogether(paths)) add(line);
  for (const { replay } of replays.values()) replay.end(isPartial);
  await judgePairs(paths, replays);
  return reportOf(replays, headed, headCount);
}

/** Of each file one line in turn, so that what belongs together comes together. */
async function* linesTogether(paths: readonly string[]): AsyncGenerator<LogHead | LogReceipt> {
  let readers = paths.map((path) => readLog(path));
  while (readers.length > 0) {
    const ended = new Set<AsyncGenerator<LogHead | LogReceipt>>();
    for (const reader of readers) {
      const next = await reader.next();
      if (next.done === true) ended.add(reader);
      else yield next.value;
    }
    readers = readers.filter((reader) => !ended.has(reader));
  }
}

async function* readLog(path: string): AsyncGenerator<LogHead | LogReceipt> {
  const stream = createReadStream(path, { encoding: "utf8" });
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  let headCount = 0;
  let count = 0;
  let hasEnd = false;
  for await (const text of lines) {
    number += 1;
    const line = text.length > LINE_LENGTH_MAX ? undefined : parseLine(text);
    const isFirst = number === 1;
    const isPlaced = line !== undefined && (line.kind === "start") === isFirst && !hasEnd;
    if (!isPlaced) throw new BadLog(`${path}: line ${number} is not what an export writes there`);
    if (line.kind === "end") {
      hasEnd = true;
      const isWhole = line.count === count && line.headCount === headCount;
      if (!isWhole) throw new BadLog(`${path}: lines are missing`);
    } else if (line.kind === "head") {
      headCount += 1;
      yield line;
    } else if (line.kind === "receipt") {
      count += 1;
      yield line;
    }
  }
  if (!hasEnd) throw new BadLog(`${path}: the file has no end`);
}

function boundWaiting(replays: Replays, isPartial: boolean): void {
  let count = 0;
  for (const { replay } of replays.values()) count += replay.waitingCount;
  if (count <= WAITING_COUNT_MAX) return;
  for (const { replay } of replays.values()) replay.skipGaps(isPartial);
}

/** Once more through the files, for keys whose heights did not always rise, or that forked. */
async function judgePairs(paths: readonly string[], replays: Replays): Promise<void> {
  const suspects = new Map<string, Suspect>();
  for (const [name, { replay }] of replays) {
    if (!replay.isSuspect) continue;
    suspects.set(name, { ethereum: new SignedPairs(), tendermint: new SignedPlaces() });
  }
  if (suspects.size === 0) return;
  for await (const line of linesTogether(paths)) {
    const suspect = line.kind === "receipt" ? suspects.get(nameOf(line)) : undefined;
    if (suspect === undefined || line.kind !== "receipt") continue;
    const signed = parseReceipt(line.receipt)?.signed ?? [];
    for (const each of signed) suspect[each.family].add(each);
  }
  for (const [name, { ethereum, tendermint }] of suspects) {
    replays.get(name)?.replay.findings.push(...ethereum.end(), ...tendermint.end());
  }
}

function reportOf(replays: Replays, headed: ReadonlySet<string>, headCount: number): AuditReport {
  const byCode = new Map<FindingCode, number>();
  const findings: KeyFinding[] = [];
  let receiptCount = 0;
  let findingCount = 0;
  for (const { replay, owner } of replays.values()) {
    receiptCount += replay.count;
    for (const finding of replay.findings) {
      findingCount += 1;
      byCode.set(finding.code, (byCode.get(finding.code) ?? 0) + 1);
      if (findings.length >= FINDING_COUNT_MAX) continue;
      const scope = encodePrefixedHex(owner.scope);
      findings.push({ ...finding, scope, key: encodePrefixedHex(owner.key) });
    }
  }
  const unheadedCount = replays.size - headed.size;
  const keyCount = replays.size;
  return { keyCount, headCount, receiptCount, findings, findingCount, byCode, unheadedCount };
}

function nameOf({ scope, key }: LogHead | LogReceipt): string {
  return `${encodePrefixedHex(scope)}${encodePrefixedHex(key)}`;
}
