// One line of a key's history, read strictly out of its bytes. It must never take a line for
// something that the enclave could not have written: what does not parse is told, not skipped.

import {
  isHeight,
  isRound,
  type Position,
  type TendermintStep,
} from "../../enclave/core/chains/tendermint/position.ts";
import { ACTS, type Act } from "../../enclave/state/record-codec.ts";
import { type CborValue, isArray, parseCbor } from "../../shared/bytes/cbor.ts";
import { RECEIPT_SIGNED_COUNT_MAX } from "../../shared/limits.ts";
import { OPERATION_KINDS } from "../../shared/operation.ts";

/** Whose rules say what may not be signed together. A key's receipts are of one. */
export type ReceiptFamily = "ethereum" | "tendermint";

/** Something that was signed. */
export type SignedLine = {
  /** Of the receipt that states it. */
  readonly seq: number;
  readonly kind: string;
  readonly family: ReceiptFamily;
  readonly heights: readonly bigint[];
  readonly signingRoot: Uint8Array;
};

export type ParsedReceipt = {
  readonly seq: number;
  /** The head before this receipt. */
  readonly previous: Uint8Array;
  readonly kind: string;
  /** Told by the kind; null for an act that all chains have. */
  readonly family: ReceiptFamily | null;
  /** Itself, of a signature; of what was signed from memory each one; none for any other act. */
  readonly signed: readonly SignedLine[];
};

const HASH_BYTES = 32;
const LINE_ITEM_COUNT = 4;
const HEIGHT_COUNT_MAX = 2;
/** The heights that an order lowers a record to. */
const ORDER_HEIGHT_COUNT_MAX = 3;
/** With these a signer writes what it has signed from memory, on a Tendermint chain only. */
const HELD_ACTS: ReadonlySet<string> = new Set<Act>(["reserve", "giveback"]);
const ACT_NAMES: ReadonlySet<string> = new Set(ACTS.filter((act) => !HELD_ACTS.has(act)));
const ETHEREUM_KINDS: ReadonlySet<string> = new Set(OPERATION_KINDS);
/** As `enclave/service/privval.ts` writes them. */
const STEPS: ReadonlyMap<string, TendermintStep> = new Map([
  ["PROPOSAL", "proposal"],
  ["PREVOTE", "prevote"],
  ["PRECOMMIT", "precommit"],
]);

type Items = readonly (CborValue | undefined)[];
type Chained = { readonly seq: number; readonly previous: Uint8Array };

/** How many items a receipt of each layout has, and what follows its version, seq and head. */
const LAYOUTS: ReadonlyMap<
  CborValue | undefined,
  {
    readonly count: number;
    readonly parse: (chained: Chained, items: Items) => ParsedReceipt | undefined;
  }
> = new Map([
  [1, { count: 7, parse: parseSingle }],
  [2, { count: 6, parse: parseHeld }],
]);

/** Undefined when it is none. */
export function parseReceipt(bytes: Uint8Array): ParsedReceipt | undefined {
  const parsed = parseCbor(bytes);
  if (!parsed.ok || !isArray(parsed.value)) return undefined;
  const [version, seq, previous, ...items] = parsed.value;
  const layout = LAYOUTS.get(version);
  if (parsed.value.length !== layout?.count || !isCount(seq) || seq < 1) return undefined;
  return isHash(previous) ? layout.parse({ seq, previous }, items) : undefined;
}

/** `kind, heights, signing root, time`. */
function parseSingle(chained: Chained, items: Items): ParsedReceipt | undefined {
  const [kind, heights, root, timeMs] = items;
  if (typeof kind !== "string" || !isCount(timeMs)) return undefined;
  if (!ACT_NAMES.has(kind)) {
    const line = parseLine(chained.seq, items);
    return line === undefined
      ? undefined
      : { ...chained, kind, family: line.family, signed: [line] };
  }
  const isOrder = kind === "override";
  const numbers = parseHeights(heights, isOrder ? ORDER_HEIGHT_COUNT_MAX : 0);
  // An order's digest and heights are no signature's; any other act of the operators has none.
  if (numbers === undefined || (isOrder ? !isHash(root) : root !== null)) return undefined;
  return { ...chained, kind, family: null, signed: [] };
}

/** `kind, lines, time`. */
function parseHeld(chained: Chained, [kind, lines, timeMs]: Items): ParsedReceipt | undefined {
  if (typeof kind !== "string" || !HELD_ACTS.has(kind) || !isCount(timeMs)) return undefined;
  if (!isArray(lines) || lines.length > RECEIPT_SIGNED_COUNT_MAX) return undefined;
  const signed: SignedLine[] = [];
  for (const items of lines) {
    if (!isArray(items) || items.length !== LINE_ITEM_COUNT) return undefined;
    const line = parseLine(chained.seq, items);
    if (line?.family !== "tendermint") return undefined;
    signed.push(line);
  }
  return { ...chained, kind, family: "tendermint", signed };
}

/** A signature has its heights and its root: `kind, heights, signing root, time`. */
function parseLine(seq: number, [kind, heights, root, timeMs]: Items): SignedLine | undefined {
  if (typeof kind !== "string" || !isHash(root) || !isCount(timeMs)) return undefined;
  const family = familyOf(kind);
  const numbers = parseHeights(heights, HEIGHT_COUNT_MAX);
  if (family === undefined || numbers === undefined || numbers.length === 0) return undefined;
  const line = { seq, kind, family, heights: numbers, signingRoot: root };
  return family === "tendermint" && placeOf(line) === undefined ? undefined : line;
}

function parseHeights(
  heights: CborValue | undefined,
  countMax: number,
): readonly bigint[] | undefined {
  if (!isArray(heights) || heights.length > countMax) return undefined;
  const numbers = heights.map((height) =>
    typeof height === "bigint" || isCount(height) ? BigInt(height) : -1n,
  );
  return numbers.some((height) => height < 0n) ? undefined : numbers;
}

/** Where in a Tendermint chain's consensus it was signed; undefined for anything else. */
export function placeOf({
  kind,
  heights,
}: Pick<SignedLine, "kind" | "heights">): Position | undefined {
  const step = STEPS.get(kind);
  const [height, round] = heights;
  if (step === undefined || height === undefined || round === undefined) return undefined;
  const number = Number(round);
  return isHeight(height) && isRound(number) ? { height, round: number, step } : undefined;
}

function familyOf(kind: string): ReceiptFamily | undefined {
  if (STEPS.has(kind)) return "tendermint";
  return ETHEREUM_KINDS.has(kind) ? "ethereum" : undefined;
}

function isHash(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length === HASH_BYTES;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
