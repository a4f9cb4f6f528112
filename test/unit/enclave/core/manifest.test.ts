import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf } from "../../../../enclave/core/chains/ethereum/manifest-part.ts";
import { publicNetwork } from "../../../../enclave/core/chains/ethereum/public-network.ts";
import { parseManifest } from "../../../../enclave/core/manifest.ts";
import { encodePrefixedHex } from "../../../../shared/bytes/hex.ts";
import { KEY_COUNT_MAX, MANIFEST_BYTES_MAX } from "../../../../shared/limits.ts";
import { hasOperation, OPERATION_KINDS } from "../../../../shared/operation.ts";
import { type Json, withValue } from "../../../fakes/ethereum-request.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const utf8 = new TextEncoder();
const KEY_A = `0x${"aa".repeat(48)}`;
const KEY_B = `0x${"bb".repeat(48)}`;
const FEES = `0x${"fe".repeat(20)}`;
const GROUP = { name: "all", keys: "others" };
const MANIFEST: Json = {
  redoubt: 1,
  kms: { keyArn: KEY_ARN },
  state: { kind: "parent" },
  ethereum: { network: "hoodi" },
  groups: [GROUP],
};

/** The path of what is wrong, or null. */
function flawOf(manifest: unknown): unknown {
  const parsed = parseManifest(utf8.encode(JSON.stringify(manifest)));
  return parsed.ok ? null : (parsed.error.detail?.[0] ?? "");
}

function read(manifest: unknown) {
  const parsed = parseManifest(utf8.encode(JSON.stringify(manifest)));
  assert(parsed.ok && parsed.value.family === "ethereum");
  return parsed.value;
}

function withGroups(...groups: readonly unknown[]): Json {
  return { ...MANIFEST, groups };
}

function withGroup(changes: Json): Json {
  return withGroups({ ...GROUP, ...changes });
}

test("the smallest manifest fits, and says no more than it says", () => {
  const manifest = read(MANIFEST);
  assert.equal(manifest.kmsKeyArn, KEY_ARN);
  assert.equal(manifest.ethereum.network.name, "hoodi");
  assert.equal(manifest.ethereum.highWatermark, null);
  const [group] = manifest.groups;
  assert(group !== undefined);
  assert.equal(group.feeRecipients, null);
  const denied = OPERATION_KINDS.filter((kind) => !hasOperation(group.operations, kind));
  assert.deepEqual(denied, ["VOLUNTARY_EXIT", "DEPOSIT"]);
});

test("each field refuses what is missing, unknown or not in its one form", () => {
  const rows: readonly (readonly [Json, string])[] = [
    [{ ...MANIFEST, redoubt: 2 }, "redoubt"],
    [{ ...MANIFEST, redoubt: "1" }, "redoubt"],
    [{ ...MANIFEST, redoubt: 1.5 }, "redoubt"],
    [{ ...MANIFEST, redoubt: undefined }, "redoubt"],
    [{ ...MANIFEST, extra: 1 }, "extra"],
    [{ ...MANIFEST, Redoubt: 1 }, "Redoubt"],
    [{ ...MANIFEST, kms: undefined }, "kms"],
    [{ ...MANIFEST, kms: [] }, "kms"],
    [withValue(MANIFEST, ["kms", "keyArn"], undefined), "kms.keyArn"],
    [withValue(MANIFEST, ["kms", "keyArn"], ` ${KEY_ARN}`), "kms.keyArn"],
    [withValue(MANIFEST, ["kms", "keyArn"], KEY_ARN.replace("key/", "alias/")), "kms.keyArn"],
    [withValue(MANIFEST, ["kms", "region"], "eu-central-1"), "kms.region"],
    [{ ...MANIFEST, state: undefined }, "state"],
    [withValue(MANIFEST, ["state", "kind"], "file"), "state.kind"],
    [withValue(MANIFEST, ["state", "kind"], "Parent"), "state.kind"],
    [withValue(MANIFEST, ["state", "path"], "/"), "state.path"],
    [{ ...MANIFEST, ethereum: undefined }, "ethereum"],
    [withValue(MANIFEST, ["ethereum", "network"], "Hoodi"), "ethereum.network"],
    [withValue(MANIFEST, ["ethereum", "network"], null), "ethereum.network"],
    [withValue(MANIFEST, ["ethereum", "lookahead"], 1), "ethereum.lookahead"],
    [withValue(MANIFEST, ["ethereum", "highWatermark"], null), "ethereum.highWatermark"],
    [
      withValue(MANIFEST, ["ethereum", "highWatermark"], { slot: "1" }),
      "ethereum.highWatermark.epoch",
    ],
    [
      withValue(MANIFEST, ["ethereum", "highWatermark"], { slot: 1, epoch: "1" }),
      "ethereum.highWatermark.slot",
    ],
    [{ ...MANIFEST, groups: undefined }, "groups"],
    [{ ...MANIFEST, groups: {} }, "groups"],
    [withGroups(), "groups"],
    [withGroups("all"), "groups[0]"],
    [withGroup({ name: undefined }), "groups[0].name"],
    [withGroup({ name: "" }), "groups[0].name"],
    [withGroup({ name: "All" }), "groups[0].name"],
    [withGroup({ name: "-a" }), "groups[0].name"],
    [withGroup({ name: "a\n" }), "groups[0].name"],
    [withGroup({ name: "a".repeat(64) }), "groups[0].name"],
    [withGroup({ keys: undefined }), "groups[0].keys"],
    [withGroup({ keys: null }), "groups[0].keys"],
    [withGroup({ keys: "all" }), "groups[0].keys"],
    [withGroup({ keys: [KEY_A.slice(2)] }), "groups[0].keys[0]"],
    [withGroup({ keys: [KEY_A, `${KEY_B}00`] }), "groups[0].keys[1]"],
    [withGroup({ keys: [KEY_A, KEY_A] }), "groups"],
    [withGroup({ allow: "BLOCK" }), "groups[0].allow"],
    [withGroup({ allow: null }), "groups[0].allow"],
    [withGroup({ allow: ["BLOCK", "All"] }), "groups[0].allow[1]"],
    [withGroup({ allow: ["block"] }), "groups[0].allow[0]"],
    [withGroup({ allow: [...OPERATION_KINDS, "BLOCK"] }), "groups[0].allow"],
    [withGroup({ feeRecipients: null }), "groups[0].feeRecipients"],
    [withGroup({ feeRecipients: [`${FEES}00`] }), "groups[0].feeRecipients[0]"],
    [withGroup({ deny: [] }), "groups[0].deny"],
    [withGroups(GROUP, { ...GROUP, name: "rest" }), "groups"],
    [withGroups({ name: "a", keys: [KEY_A] }, { name: "a", keys: [KEY_B] }), "groups"],
    [withGroups({ name: "a", keys: [KEY_A] }, { name: "b", keys: [KEY_A] }), "groups"],
  ];
  for (const [manifest, flaw] of rows) {
    assert.equal(flawOf(manifest), flaw, JSON.stringify(manifest));
  }
});

test("a manifest that is not one strict JSON document is refused", () => {
  const text = JSON.stringify(MANIFEST);
  for (const bytes of [
    utf8.encode(""),
    utf8.encode(`${text}x`),
    utf8.encode(`\uFEFF${text}`),
    utf8.encode(text.replace('"redoubt":1', '"redoubt":1,"redoubt":1')),
    utf8.encode("[".repeat(20)),
    new Uint8Array([...utf8.encode(text), 0xff]),
    utf8.encode(text + " ".repeat(MANIFEST_BYTES_MAX)),
  ]) {
    assert.equal(parseManifest(bytes).ok, false);
  }
  // White space is not the manifest's meaning, but it is measured: it stays allowed up to the
  // limit.
  assert.equal(parseManifest(utf8.encode(text.padEnd(MANIFEST_BYTES_MAX))).ok, true);
  assert.equal(parseManifest(utf8.encode(text.padEnd(MANIFEST_BYTES_MAX + 1))).ok, false);
});

test("an allow list allows exactly what it names, also nothing", () => {
  for (const allow of [[], ["VOLUNTARY_EXIT"], ["BLOCK", "DEPOSIT"], [...OPERATION_KINDS]]) {
    const [group] = read(withGroup({ allow })).groups;
    assert(group !== undefined);
    const allowed = OPERATION_KINDS.filter((kind) => hasOperation(group.operations, kind));
    assert.deepEqual(allowed, allow);
  }
});

test("a key has its own group, else that of the others, else one in which nothing is allowed", () => {
  const bytesA = new Uint8Array(48).fill(0xaa);
  const bytesB = new Uint8Array(48).fill(0xbb);
  const own = { name: "own", keys: [KEY_A.toUpperCase().replace("0X", "0x")], allow: ["BLOCK"] };
  const both = read(withGroups(GROUP, own));
  assert.equal(groupOf(both, bytesA).name, "own");
  assert.equal(groupOf(both, bytesB).name, "all");
  const none = groupOf(read(withGroups(own)), bytesB);
  assert.deepEqual(
    OPERATION_KINDS.filter((kind) => hasOperation(none.operations, kind)),
    [],
  );
});

function keyNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `0x${index.toString(16).padStart(96, "0")}`);
}

test("a group holds no more keys than an enclave", () => {
  // The size of the file is the nearer limit.
  assert.equal(flawOf(withGroup({ keys: keyNames(9000) })), null);
  assert.equal(flawOf(withGroup({ keys: keyNames(KEY_COUNT_MAX + 1) })), "");
});

function publicAsCustom(changes: Json): unknown {
  const hoodi = publicNetwork("hoodi");
  assert(hoodi !== undefined);
  const network = {
    name: hoodi.name,
    preset: hoodi.preset,
    genesisTime: hoodi.genesisTimeMs / 1000,
    slotDurationMs: hoodi.slotDurationMs,
    genesisValidatorsRoot: encodePrefixedHex(hoodi.genesisValidatorsRoot),
    forks: hoodi.forks.map(({ name, version, epoch }) => ({
      name,
      version: encodePrefixedHex(version),
      epoch: String(epoch),
    })),
    ...changes,
  };
  return { ...MANIFEST, ethereum: { network } };
}

test("a custom network with a public root has that network's name and clock", () => {
  const rows: readonly (readonly [Json, string | null])[] = [
    [{}, null],
    [{ name: "mine" }, "ethereum.network.name"],
    [{ name: "mainnet" }, "ethereum.network.name"],
    [{ genesisTime: 1_742_213_401 }, "ethereum.network.genesisTime"],
    [{ slotDurationMs: 6000 }, "ethereum.network.slotDurationMs"],
    [{ preset: "minimal" }, "ethereum.network.preset"],
  ];
  for (const [changes, flaw] of rows) assert.equal(flawOf(publicAsCustom(changes)), flaw);
});

test("a network of one's own may not call itself by the name of a public one", () => {
  const genesisValidatorsRoot = `0x${"77".repeat(32)}`;
  assert.equal(flawOf(publicAsCustom({ genesisValidatorsRoot })), "ethereum.network.name");
  assert.equal(flawOf(publicAsCustom({ genesisValidatorsRoot, name: "mine" })), null);
});
