// One line of a key's history, read strictly out of its bytes. It must never take a line for
// something that the enclave could not have written: what does not parse is told, not skipped.

import {
  isHeight,
  isRound,
  type Position,
  type TendermintStep,
} from "../../enclave/core/chains/tendermint/position.ts";
import { ACTS } from "../../enclave/state/record-codec.ts";
import { isArray, parseCbor } from "../../shared/bytes/cbor.ts";
import { OPERATION_KINDS } from "../../shared/operation.ts";

/** Whose rules say what may not be signed together. A key's receipts are of one. */
export type ReceiptFamily = "ethereum" | "tendermint";

export type ParsedReceipt = {
  readonly seq: number;
  /** The head before this receipt. */
  readonly previous: Uint8Array;
  readonly kind: string;
  /** Told by the kind; null for an act, which all chains have. */
  readonly family: ReceiptFamily | null;
  /** Of what was signed; none for an act of the operators. */
  readonly heights: readonly bigint[];
  readonly signingRoot: Uint8Array | null;
  readonly timeMs: number;
};

const VERSION = 1;
const HASH_BYTES = 32;
const ITEM_COUNT = 7;
const HEIGHT_COUNT_MAX = 2;
/** The heights that an order lowers a record to. */
const ORDER_HEIGHT_COUNT_MAX = 3;
const ACT_NAMES: ReadonlySet<string> = new Set(ACTS);
const ETHEREUM_KINDS: ReadonlySet<string> = new Set(OPERATION_KINDS);
/** As `enclave/service/privval.ts` writes them. */
const STEPS: ReadonlyMap<string, TendermintStep> = new Map([
  ["PROPOSAL", "proposal"],
  ["PREVOTE", "prevote"],
  ["PRECOMMIT", "precommit"],
]);

/** Undefined when it is none. */
export function parseReceipt(bytes: Uint8Array): ParsedReceipt | undefined {
  const parsed = parseCbor(bytes);
  if (!parsed.ok || !isArray(parsed.value) || parsed.value.length !== ITEM_COUNT) return undefined;
  const [version, seq, previous, kind, heights, signingRoot, timeMs] = parsed.value;
  if (version !== VERSION || !isCount(seq) || seq < 1 || !isCount(timeMs)) return undefined;
  if (!(previous instanceof Uint8Array) || previous.length !== HASH_BYTES) return undefined;
  if (typeof kind !== "string") return undefined;
  const family = familyOf(kind);
  if (family === undefined) return undefined;
  if (signingRoot !== null && !(signingRoot instanceof Uint8Array)) return undefined;
  if (signingRoot !== null && signingRoot.length !== HASH_BYTES) return undefined;
  const countMax = kind === "override" ? ORDER_HEIGHT_COUNT_MAX : HEIGHT_COUNT_MAX;
  if (!isArray(heights) || heights.length > countMax) return undefined;
  const numbers = heights.map((height) =>
    typeof height === "bigint" || isCount(height) ? BigInt(height) : -1n,
  );
  if (numbers.some((height) => height < 0n)) return undefined;
  // An order's digest and heights are no signature's.
  if (kind === "override") {
    return signingRoot === null
      ? undefined
      : { seq, previous, kind, family, heights: [], signingRoot: null, timeMs };
  }
  // A signature has its heights and its root; any other act of the operators has none.
  const isAct = ACT_NAMES.has(kind);
  if ((signingRoot === null) !== isAct || (numbers.length === 0) !== isAct) return undefined;
  const receipt = { seq, previous, kind, family, heights: numbers, signingRoot, timeMs };
  return family === "tendermint" && placeOf(receipt) === undefined ? undefined : receipt;
}

/** Where in a Tendermint chain's consensus it was signed; undefined for anything else. */
export function placeOf({
  kind,
  heights,
}: Pick<ParsedReceipt, "kind" | "heights">): Position | undefined {
  const step = STEPS.get(kind);
  const [height, round] = heights;
  if (step === undefined || height === undefined || round === undefined) return undefined;
  const number = Number(round);
  return isHeight(height) && isRound(number) ? { height, round: number, step } : undefined;
}

function familyOf(kind: string): ReceiptFamily | null | undefined {
  if (ACT_NAMES.has(kind)) return null;
  if (STEPS.has(kind)) return "tendermint";
  return ETHEREUM_KINDS.has(kind) ? "ethereum" : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
