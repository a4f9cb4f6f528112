import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEthereumRequest } from "../../../../../../enclave/core/chains/ethereum/request.ts";
import { BODY_BYTES_MAX } from "../../../../../../shared/limits.ts";
import {
  ATTESTATION,
  ask,
  BLOCK_V2,
  DEPOSIT,
  FORK_INFO,
  FULU,
  HEADER,
  type Json,
  mainnet,
  REGISTRATION,
  ROOT,
  refusalOf,
  rootOf,
  withValue,
} from "../../../../../fakes/ethereum-request.ts";

const utf8 = new TextEncoder();

test("an attestation is an operation with its claim and both of its times", () => {
  const parsed = ask(ATTESTATION);
  assert(parsed.ok);
  const { signingRoot, ...rest } = parsed.value;
  assert.equal(signingRoot.length, 32);
  assert.deepEqual(rest, {
    kind: "ATTESTATION",
    claim: { kind: "attestation", source: 411_392n, target: 411_393n },
    time: { slot: 13_164_600n, epoch: 411_393n, seconds: null, isEarly: false },
  });
});

test("a block is an operation with its slot as claim", () => {
  const parsed = ask(BLOCK_V2);
  assert(parsed.ok);
  assert.equal(parsed.value.kind, "BLOCK");
  assert.deepEqual(parsed.value.claim, { kind: "block", slot: 13_164_600n });
});

test("a block at genesis is read", () => {
  const genesis = { ...FULU, current_version: "0x00000000", epoch: "0" };
  const request = {
    ...BLOCK_V2,
    fork_info: { ...FORK_INFO, fork: genesis },
    beacon_block: { version: "BELLATRIX", block_header: { ...HEADER, slot: "0" } },
  };
  const parsed = ask(request);
  assert(parsed.ok);
  assert.deepEqual(parsed.value.claim, { kind: "block", slot: 0n });
});

test("a registration needs no fork_info and tells who is to be paid", () => {
  const parsed = ask(REGISTRATION);
  assert(parsed.ok);
  assert.deepEqual(parsed.value.feeRecipient, new Uint8Array(20).fill(0xab));
  assert.deepEqual(parsed.value.time.seconds, 1_700_000_000n);
  assert.equal(parsed.value.claim, null);
});

test("the type is read in any case of ASCII, and of nothing else", () => {
  assert.equal(rootOf({ ...ATTESTATION, type: "attestation" }), rootOf(ATTESTATION));
  assert.equal(rootOf({ ...ATTESTATION, type: "AtTeStAtIoN" }), rootOf(ATTESTATION));
  for (const type of ["ATTESTAT\u0131ON", "ATTE\u017fTATION", " ATTESTATION", "ATTESTATION\n"]) {
    assert.deepEqual(refusalOf({ ...ATTESTATION, type }), ["REQUEST_KIND_UNKNOWN"], type);
  }
});

test("unknown types are refused, also those that other signers know", () => {
  const types = [
    "",
    "BLOCK_V3",
    "BLS_TO_EXECUTION_CHANGE",
    "INCLUSION_LIST",
    "constructor",
    "__proto__",
  ];
  for (const type of types) {
    assert.deepEqual(refusalOf({ ...ATTESTATION, type }), ["REQUEST_KIND_UNKNOWN"], type);
  }
  for (const type of [null, 1, ["ATTESTATION"], {}, "A".repeat(65)]) {
    assert.deepEqual(refusalOf({ ...ATTESTATION, type }), ["REQUEST_MALFORMED", "type"]);
  }
});

test("a request for a bare root or bare bytes is refused as blind", () => {
  for (const request of [{ signing_root: ROOT }, { signingRoot: ROOT }, { data: "0x00" }]) {
    assert.deepEqual(refusalOf(request), ["REQUEST_BLIND"]);
  }
  assert.deepEqual(refusalOf({}), ["REQUEST_MALFORMED", "type"]);
  assert.deepEqual(refusalOf({ type: "ATTESTATION", fork_info: FORK_INFO, signing_root: ROOT }), [
    "REQUEST_MALFORMED",
    "attestation",
  ]);
});

test("unknown fields are ignored, and duplicate ones refused", () => {
  assert.equal(rootOf({ ...ATTESTATION, extra: { deep: [1] } }), rootOf(ATTESTATION));
  const text = JSON.stringify(ATTESTATION);
  for (const bad of [
    text.replace('"slot"', '"slot":"1","slot"'),
    text.replace('"type"', '"type":"BLOCK","type"'),
    `${text} {}`,
    text.slice(0, -1),
    `[${text}]`,
    "null",
    "",
  ]) {
    const parsed = parseEthereumRequest(mainnet, "web3signer", utf8.encode(bad));
    assert.deepEqual(parsed.ok || parsed.error, { code: "REQUEST_MALFORMED", detail: [""] });
  }
});

test("a body larger than its limit is refused before it is read", () => {
  const body = new Uint8Array(BODY_BYTES_MAX + 1);
  const parsed = parseEthereumRequest(mainnet, "web3signer", body);
  assert.equal(parsed.ok || parsed.error.code, "BODY_OVERSIZE");
});

test("every required field that is missing, null or of another kind is named", () => {
  const sites: readonly (readonly [Json, readonly string[]])[] = [
    [ATTESTATION, ["fork_info"]],
    [ATTESTATION, ["fork_info", "fork"]],
    [ATTESTATION, ["fork_info", "fork", "previous_version"]],
    [ATTESTATION, ["fork_info", "fork", "current_version"]],
    [ATTESTATION, ["fork_info", "fork", "epoch"]],
    [ATTESTATION, ["fork_info", "genesis_validators_root"]],
    [ATTESTATION, ["attestation"]],
    [BLOCK_V2, ["beacon_block"]],
    [BLOCK_V2, ["beacon_block", "version"]],
    [BLOCK_V2, ["beacon_block", "block_header"]],
    [BLOCK_V2, ["beacon_block", "block_header", "slot"]],
    [BLOCK_V2, ["beacon_block", "block_header", "proposer_index"]],
    [BLOCK_V2, ["beacon_block", "block_header", "body_root"]],
    [REGISTRATION, ["validator_registration", "fee_recipient"]],
    [REGISTRATION, ["validator_registration", "timestamp"]],
    [DEPOSIT, ["deposit", "genesis_fork_version"]],
    [DEPOSIT, ["deposit", "pubkey"]],
  ];
  const wrong = [undefined, null, [], 7, true, "", "x", "0x", "0x0", " 7", "-1", "1.5"];
  for (const [request, path] of sites) {
    for (const value of wrong) {
      const expected = ["REQUEST_MALFORMED", path.join(".")];
      assert.deepEqual(refusalOf(withValue(request, path, value)), expected, String(value));
    }
  }
});

test("the version of a block is written in capitals and known", () => {
  for (const version of ["fulu", "Fulu", "OSAKA", "", "constructor"]) {
    const request = { ...BLOCK_V2, beacon_block: { version, block_header: HEADER } };
    assert.deepEqual(refusalOf(request), ["REQUEST_MALFORMED", "beacon_block.version"]);
  }
});

test("a full block is only read where its fork is the slot's", () => {
  for (const [version, type] of [
    ["PHASE0", "BLOCK"],
    ["PHASE0", "BLOCK_V2"],
    ["ALTAIR", "BLOCK_V2"],
  ] as const) {
    const block = { ...HEADER, body: {} };
    const request = { ...BLOCK_V2, type, block, beacon_block: { version, block } };
    assert.deepEqual(refusalOf(request), ["FORK_MISMATCH", "FULU", version]);
  }
});

test("the supplied signing root is compared under both of its names", () => {
  const root = rootOf(ATTESTATION);
  assert.equal(rootOf({ ...ATTESTATION, signing_root: root }), root);
  assert.equal(
    rootOf({ ...ATTESTATION, signingRoot: root.toUpperCase().replace("0X", "0x") }),
    root,
  );
  assert.equal(rootOf({ ...ATTESTATION, signing_root: root, signingRoot: root }), root);
  for (const name of ["signing_root", "signingRoot"]) {
    const mismatch = ["ROOT_MISMATCH", root, ROOT];
    assert.deepEqual(refusalOf({ ...ATTESTATION, [name]: ROOT }), mismatch);
    for (const bad of [null, "", "0x", `${root}00`, root.slice(2), 1]) {
      assert.deepEqual(refusalOf({ ...ATTESTATION, [name]: bad }), ["REQUEST_MALFORMED", name]);
    }
  }
  const both = { ...ATTESTATION, signing_root: root, signingRoot: ROOT };
  assert.deepEqual(refusalOf(both), ["REQUEST_MALFORMED", "signingRoot"]);
});

test("another genesis validators root is refused before anything else about forks", () => {
  const fork_info = {
    fork: { ...FULU, current_version: "0xffffffff" },
    genesis_validators_root: ROOT,
  };
  const expected = ["NETWORK_MISMATCH", FORK_INFO.genesis_validators_root, ROOT];
  assert.deepEqual(refusalOf({ ...ATTESTATION, fork_info }), expected);
});
