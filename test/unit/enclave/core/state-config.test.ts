// The manifest's words on state: the store, retired keys, who may lower a floor, predecessors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isRetiredKey, parseManifest } from "../../../../enclave/core/manifest.ts";
import { hasBootFloor } from "../../../../enclave/core/state-config.ts";
import { encodePrefixedHex } from "../../../../shared/bytes/hex.ts";
import { OPERATOR_COUNT_MAX, PREDECESSOR_COUNT_MAX } from "../../../../shared/limits.ts";
import { type Json, withValue } from "../../../fakes/ethereum-request.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const utf8 = new TextEncoder();
const TABLE = {
  kind: "dynamodb",
  tableArn: "arn:aws:dynamodb:eu-central-1:111122223333:table/redoubt-state",
  tableId: "1234abcd-12ab-34cd-56ef-1234567890ab",
  bootFloor: "off",
};
const KEY = `0x${"aa".repeat(48)}`;
const PCR = `0x${"bb".repeat(48)}`;
const PREDECESSOR = { pcr0: PCR, pcr1: PCR, pcr2: PCR, pcr16: PCR };
const MANIFEST: Json = {
  redoubt: 1,
  kms: { keyArn: KEY_ARN },
  state: TABLE,
  retired: [KEY],
  override: { threshold: 2, operators: [operator(2), operator(1)] },
  predecessors: [PREDECESSOR],
  ethereum: { network: "hoodi" },
  groups: [{ name: "all", keys: "others" }],
};

function operator(fill: number): string {
  return encodePrefixedHex(new Uint8Array(32).fill(fill));
}

function operators(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => operator(index + 1));
}

function parse(manifest: unknown) {
  return parseManifest(utf8.encode(JSON.stringify(manifest)));
}

function read(manifest: unknown) {
  const parsed = parse(manifest);
  assert(parsed.ok, JSON.stringify(manifest));
  return parsed.value;
}

const set = (value: unknown, ...path: readonly (string | number)[]): Json =>
  withValue(MANIFEST, path.map(String), value);

test("all of it is read as it stands, operators in one order", () => {
  const { state, retired, override, predecessors } = read(MANIFEST);
  assert(state.kind === "dynamodb");
  assert.deepEqual(
    [state.table.text, state.table.region, state.table.name, state.tableId],
    [TABLE.tableArn, "eu-central-1", "redoubt-state", TABLE.tableId],
  );
  assert.equal(hasBootFloor(state), false);
  assert.equal(retired.size, 1);
  assert.ok(isRetiredKey(read(MANIFEST), new Uint8Array(48).fill(0xaa)));
  assert.ok(!isRetiredKey(read(MANIFEST), new Uint8Array(48).fill(0xab)));
  assert.equal(override?.threshold, 2);
  assert.deepEqual(override.operators.map(encodePrefixedHex), [operator(1), operator(2)]);
  assert.deepEqual([...(predecessors[0]?.keys() ?? [])], [0, 1, 2, 16]);
});

test("what is not said allows nothing: no orders, no predecessors, and a boot floor", () => {
  const { retired, override, predecessors, ...rest } = MANIFEST;
  assert.equal([retired, override, predecessors].length, 3);
  const least = read({ ...rest, state: { kind: "parent" } });
  assert.deepEqual([least.retired.size, least.override, least.predecessors.length], [0, null, 0]);
  assert.equal(hasBootFloor(least.state), true);
  assert.equal(hasBootFloor(read(set("on", "state", "bootFloor")).state), true);
});

test("at their limits lists are taken, one over they are not", () => {
  const some = operators(OPERATOR_COUNT_MAX);
  const full = { threshold: OPERATOR_COUNT_MAX, operators: some };
  assert.equal(read(set(full, "override")).override?.operators.length, OPERATOR_COUNT_MAX);
  const many = Array.from({ length: PREDECESSOR_COUNT_MAX }, () => PREDECESSOR);
  assert.equal(read(set(many, "predecessors")).predecessors.length, PREDECESSOR_COUNT_MAX);
  const rows: readonly (readonly [Json, string])[] = [
    [
      set({ threshold: 1, operators: operators(OPERATOR_COUNT_MAX + 1) }, "override"),
      "override.operators",
    ],
    [set({ threshold: 3, operators: operators(2) }, "override"), "override.threshold"],
    [set({ threshold: 0, operators: operators(2) }, "override"), "override.threshold"],
    [set([...many, PREDECESSOR], "predecessors"), "predecessors"],
  ];
  for (const [manifest, flaw] of rows) assert.equal(flawOf(manifest), flaw);
});

function flawOf(manifest: unknown): unknown {
  const parsed = parse(manifest);
  return parsed.ok ? null : parsed.error.detail?.[0];
}

test("each field refuses what is missing, unknown or not in its one form", () => {
  const rows: readonly (readonly [Json, string])[] = [
    [set(undefined, "state", "tableArn"), "state.tableArn"],
    [set(`${TABLE.tableArn}/index/i`, "state", "tableArn"), "state.tableArn"],
    [set(TABLE.tableArn.replace("dynamodb", "s3"), "state", "tableArn"), "state.tableArn"],
    [set(TABLE.tableId.toUpperCase(), "state", "tableId"), "state.tableId"],
    [set("", "state", "tableId"), "state.tableId"],
    [set(undefined, "state", "bootFloor"), "state.bootFloor"],
    [set(false, "state", "bootFloor"), "state.bootFloor"],
    [set("x", "state", "endpoint"), "state.endpoint"],
    [set({ kind: "parent", bootFloor: "off" }, "state"), "state.bootFloor"],
    [set("KEY", "retired"), "retired"],
    [set([KEY, KEY], "retired"), "retired"],
    [set([KEY, KEY.toUpperCase().replace("0X", "0x")], "retired"), "retired"],
    [set([`${KEY}00`], "retired"), "retired[0]"],
    // Lengths of keys of another family.
    [set([KEY.slice(0, 2 + 2 * 32)], "retired"), "retired[0]"],
    [set([`${KEY}${KEY.slice(2)}`], "retired"), "retired[0]"],
    [set(null, "override"), "override"],
    [set({ threshold: 1 }, "override"), "override.operators"],
    [set({ threshold: 1, operators: [] }, "override"), "override.operators"],
    [
      set({ threshold: 1, operators: [operator(1), operator(1)] }, "override"),
      "override.operators",
    ],
    [set({ threshold: 1, operators: [KEY] }, "override"), "override.operators[0]"],
    [set({ operators: operators(2) }, "override"), "override.threshold"],
    [set({ threshold: "1", operators: operators(2) }, "override"), "override.threshold"],
    [set({ threshold: 1, operators: operators(2), until: 1 }, "override"), "override.until"],
    [set(PREDECESSOR, "predecessors"), "predecessors"],
    [set([{ ...PREDECESSOR, pcr16: undefined }], "predecessors"), "predecessors[0].pcr16"],
    [set([{ ...PREDECESSOR, pcr8: PCR }], "predecessors"), "predecessors[0].pcr8"],
    [set([{ ...PREDECESSOR, pcr1: PCR.slice(0, -2) }], "predecessors"), "predecessors[0].pcr1"],
    // An enclave in debug mode.
    [
      set([{ ...PREDECESSOR, pcr0: `0x${"00".repeat(48)}` }], "predecessors"),
      "predecessors[0].pcr0",
    ],
  ];
  for (const [manifest, flaw] of rows)
    assert.equal(flawOf(manifest), flaw, JSON.stringify(manifest));
});
