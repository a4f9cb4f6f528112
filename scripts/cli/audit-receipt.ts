// One line of a key's history, read strictly out of its bytes. It must never take a line for
// something that the enclave could not have written: what does not parse is told, not skipped.

import { ACTS } from "../../enclave/state/record-codec.ts";
import { isArray, parseCbor } from "../../shared/bytes/cbor.ts";
import { OPERATION_KINDS } from "../../shared/operation.ts";

export type ParsedReceipt = {
  readonly seq: number;
  /** The head before this receipt. */
  readonly previous: Uint8Array;
  readonly kind: string;
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
const KINDS: ReadonlySet<string> = new Set([...ACTS, ...OPERATION_KINDS]);
const ACT_NAMES: ReadonlySet<string> = new Set(ACTS);

/** Undefined when it is none. */
export function parseReceipt(bytes: Uint8Array): ParsedReceipt | undefined {
  const parsed = parseCbor(bytes);
  if (!parsed.ok || !isArray(parsed.value) || parsed.value.length !== ITEM_COUNT) return undefined;
  const [version, seq, previous, kind, heights, signingRoot, timeMs] = parsed.value;
  if (version !== VERSION || !isCount(seq) || seq < 1 || !isCount(timeMs)) return undefined;
  if (!(previous instanceof Uint8Array) || previous.length !== HASH_BYTES) return undefined;
  if (typeof kind !== "string" || !KINDS.has(kind)) return undefined;
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
      : { seq, previous, kind, heights: [], signingRoot: null, timeMs };
  }
  // A signature has its heights and its root; any other act of the operators has none.
  const isAct = ACT_NAMES.has(kind);
  if ((signingRoot === null) !== isAct || (numbers.length === 0) !== isAct) return undefined;
  return { seq, previous, kind, heights: numbers, signingRoot, timeMs };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
