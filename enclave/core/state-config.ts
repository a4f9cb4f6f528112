// The part of the manifest that says where state lies, which keys are retired, who may lower a
// floor, and from which earlier measurement state may be taken over. It must never have a default
// that allows more than the file says.

import { compareBytes, isZeroBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { KEY_COUNT_MAX, OPERATOR_COUNT_MAX, PREDECESSOR_COUNT_MAX } from "../../shared/limits.ts";
import { isTableId, parseTableArn, type TableArn } from "../../shared/table-arn.ts";
import {
  JsonMismatch,
  type JsonObject,
  member,
  readArray,
  readChoice,
  readExactObject,
  readHex,
  readInteger,
  readObject,
  readText,
} from "./json.ts";
import { type KeyLengths, readPublicKey } from "./public-key.ts";

/** Where records lie. */
export type StateConfig =
  /** In the parent's store, which can be rolled back: every load has a boot floor. */
  | { readonly kind: "parent" }
  | {
      readonly kind: "dynamodb";
      readonly table: TableArn;
      readonly tableId: string;
      /** A boot floor all the same, against whoever may write to the table. */
      readonly hasBootFloor: boolean;
    };

export type StateKind = StateConfig["kind"];

/** Whether a key that is loaded gets a floor from trusted time (docs/safety.md). */
export function hasBootFloor(state: StateConfig): boolean {
  switch (state.kind) {
    case "parent":
      return true;
    case "dynamodb":
      return state.hasBootFloor;
  }
}

/** Who may have a floor lowered: as many signatures as `threshold` of these Ed25519 keys. */
export type OverrideConfig = {
  readonly threshold: number;
  readonly operators: readonly Uint8Array[];
};

/** An enclave that may hand its state over: exact registers by index. */
export type Predecessor = ReadonlyMap<number, Uint8Array>;

const STATE_FIELDS: Readonly<Record<StateKind, readonly string[]>> = {
  parent: ["kind"],
  dynamodb: ["kind", "tableArn", "tableId", "bootFloor"],
};
const PREDECESSOR_REGISTERS = { pcr0: 0, pcr1: 1, pcr2: 2, pcr16: 16 } as const;
const PCR_BYTES = 48;
const OPERATOR_BYTES = 32;

export function readStateConfig(value: unknown): StateConfig {
  const object = readObject(value, "state");
  const kind = readChoice(member(object, "kind"), "state.kind", ["parent", "dynamodb"]);
  const state = readExactObject(object, "state", STATE_FIELDS[kind]);
  switch (kind) {
    case "parent":
      return { kind };
    case "dynamodb":
      return readTable(state);
  }
}

function readTable(state: JsonObject): StateConfig {
  const table = parseTableArn(readText(member(state, "tableArn"), "state.tableArn", 512));
  if (!table.ok) throw new JsonMismatch("state.tableArn");
  const tableId = readText(member(state, "tableId"), "state.tableId", 36);
  if (!isTableId(tableId)) throw new JsonMismatch("state.tableId");
  // No default: whoever writes the file decides whether AWS's word on freshness is enough.
  const bootFloor = readChoice(member(state, "bootFloor"), "state.bootFloor", ["on", "off"]);
  return { kind: "dynamodb", table: table.value, tableId, hasBootFloor: bootFloor === "on" };
}

/** By hex, the keys that never sign again, whatever a record says. */
export function readRetired(value: unknown, lengths: KeyLengths): ReadonlySet<string> {
  if (value === undefined) return new Set();
  const keys = readArray(value, "retired", KEY_COUNT_MAX).map((key, index) =>
    readPublicKey(key, `retired[${index}]`, lengths),
  );
  const retired = new Set(keys.map(encodeHex));
  if (retired.size !== keys.length) throw new JsonMismatch("retired");
  return retired;
}

/** Null: no floor is ever lowered. */
export function readOverride(value: unknown): OverrideConfig | null {
  if (value === undefined) return null;
  const override = readExactObject(value, "override", ["threshold", "operators"]);
  const listed = readArray(member(override, "operators"), "override.operators", OPERATOR_COUNT_MAX);
  const operators = listed.map((operator, index) =>
    readHex(operator, `override.operators[${index}]`, OPERATOR_BYTES),
  );
  // One operator listed twice would count as two.
  const isDistinct = new Set(operators.map(encodeHex)).size === operators.length;
  if (!isDistinct || operators.length === 0) throw new JsonMismatch("override.operators");
  const threshold = member(override, "threshold");
  return {
    operators: operators.toSorted(compareBytes),
    threshold: readInteger(threshold, "override.threshold", 1, operators.length),
  };
}

export function readPredecessors(value: unknown): readonly Predecessor[] {
  if (value === undefined) return [];
  return readArray(value, "predecessors", PREDECESSOR_COUNT_MAX).map((predecessor, index) =>
    readPredecessor(predecessor, `predecessors[${index}]`),
  );
}

function readPredecessor(value: unknown, at: string): Predecessor {
  const names = Object.keys(PREDECESSOR_REGISTERS);
  const predecessor = readExactObject(value, at, names);
  const registers = Object.entries(PREDECESSOR_REGISTERS).map(([name, index]) => {
    const pcr = readHex(member(predecessor, name), `${at}.${name}`, PCR_BYTES);
    // Zeros are an enclave in debug mode, whose memory its parent can write.
    if (isZeroBytes(pcr)) throw new JsonMismatch(`${at}.${name}`);
    return [index, pcr] as const;
  });
  return new Map(registers);
}
