import assert from "node:assert/strict";
import { test } from "node:test";
import { networkOf } from "../../../../../../enclave/core/chains/ethereum/network.ts";
import {
  ATTESTATION,
  ATTESTATION_DATA,
  DEPOSIT,
  FORK_INFO,
  FULU,
  type Json,
  mainnet,
  ROOT,
  refusalOf,
  rootOf,
  withValue,
} from "../../../../../fakes/ethereum-request.ts";

const AGGREGATE = {
  aggregator_index: "1",
  aggregate: {
    aggregation_bits: "0x0101",
    data: ATTESTATION_DATA,
    signature: `0x${"ee".repeat(96)}`,
    committee_bits: "0x0100000000000000",
  },
  selection_proof: `0x${"ff".repeat(96)}`,
};

const AGGREGATE_SLOT = ["aggregate_and_proof", "aggregate", "data", "slot"];

function attestationAt(epoch: string, fork: Json): readonly unknown[] {
  return refusalOf({
    ...ATTESTATION,
    fork_info: { ...FORK_INFO, fork: { ...FULU, ...fork } },
    attestation: { ...ATTESTATION_DATA, target: { epoch, root: ROOT } },
  });
}

function versions(previous: string, current: string, epoch = "0"): Json {
  return { previous_version: previous, current_version: current, epoch };
}

function exit(epoch: string, fork: Json): Json {
  return {
    type: "VOLUNTARY_EXIT",
    fork_info: { ...FORK_INFO, fork },
    voluntary_exit: { epoch, validator_index: "1" },
  };
}

function aggregateUnder(version: string): Json {
  return {
    type: "AGGREGATE_AND_PROOF_V2",
    fork_info: { ...FORK_INFO, fork: { ...FULU, current_version: version, epoch: "0" } },
    aggregate_and_proof: AGGREGATE,
  };
}

function aggregateWith(committeeBits: string, bits: string): Json {
  const aggregate = {
    ...AGGREGATE.aggregate,
    committee_bits: committeeBits,
    aggregation_bits: bits,
  };
  return {
    type: "AGGREGATE_AND_PROOF_V2",
    fork_info: FORK_INFO,
    aggregate_and_proof: { ...AGGREGATE, aggregate },
  };
}

test("fork_info must come out at the network's version of the epoch, whatever its own epoch is", () => {
  assert.deepEqual(attestationAt("411391", {}), ["signed"]);
  assert.deepEqual(attestationAt("411392", {}), ["signed"]);
  // Lodestar: the epoch of the signing slot.
  assert.deepEqual(attestationAt("500000", { epoch: "500000" }), ["signed"]);
  assert.deepEqual(attestationAt("411392", { epoch: "411393" }), [
    "FORK_MISMATCH",
    "0x06000000",
    "0x05000000",
  ]);
  assert.deepEqual(attestationAt("411391", { epoch: "0" }), [
    "FORK_MISMATCH",
    "0x05000000",
    "0x06000000",
  ]);
  assert.deepEqual(attestationAt("300000", {}), ["FORK_MISMATCH", "0x04000000", "0x05000000"]);
  // Not scheduled, therefore not the network's at any epoch.
  const gloas = { current_version: "0x07000000" };
  assert.deepEqual(attestationAt("411393", gloas), ["FORK_MISMATCH", "0x06000000", "0x07000000"]);
});

test("a deposit is for the network's genesis version", () => {
  assert.deepEqual(refusalOf(DEPOSIT), ["signed"]);
  const other = withValue(DEPOSIT, ["deposit", "genesis_fork_version"], "0x00000001");
  assert.deepEqual(refusalOf(other), ["FORK_MISMATCH", "0x00000000", "0x00000001"]);
});

test("an exit from Deneb on has Capella's version, whatever fork_info says of the network", () => {
  const capella = rootOf(exit("300000", versions("0x03000000", "0x03000000")));
  assert.equal(rootOf(exit("300000", FULU)), capella);
  assert.equal(rootOf(exit("300000", versions("0x03000000", "0x04000000"))), capella);
  assert.equal(rootOf(exit("300000", versions("0x00000000", "0x00000000"))), capella);
  const unknown = exit("300000", versions("0x03000000", "0x0a000000"));
  assert.deepEqual(refusalOf(unknown), ["FORK_MISMATCH", "0x03000000", "0x0a000000"]);

  // An epoch of long ago, asked for today, and asked for then.
  const today = rootOf(exit("100", versions("0x03000000", "0x03000000")));
  assert.equal(rootOf(exit("100", FULU)), today);
  assert.notEqual(rootOf(exit("100", versions("0x00000000", "0x00000000"))), today);
});

test("on a network without Deneb an exit has the version of its epoch", () => {
  const genesis = networkOf({
    ...mainnet,
    name: "old",
    forks: mainnet.forks.slice(0, 1),
  });
  assert.deepEqual(refusalOf(exit("9", versions("0x05000000", "0x00000000")), genesis), ["signed"]);
  const mismatch = ["FORK_MISMATCH", "0x00000000", "0x06000000"];
  assert.deepEqual(refusalOf(exit("9", versions("0x05000000", "0x06000000")), genesis), mismatch);
});

test("an aggregate is the same bare and with the version of its slot", () => {
  const bare = {
    type: "AGGREGATE_AND_PROOF",
    fork_info: FORK_INFO,
    aggregate_and_proof: AGGREGATE,
  };
  const wrapped = { ...bare, aggregate_and_proof: { version: "FULU", data: AGGREGATE } };
  for (const type of ["AGGREGATE_AND_PROOF", "AGGREGATE_AND_PROOF_V2"]) {
    assert.equal(rootOf({ ...wrapped, type }), rootOf({ ...bare, type }));
  }
  const electra = { ...bare, aggregate_and_proof: { version: "ELECTRA", data: AGGREGATE } };
  assert.deepEqual(refusalOf(electra), ["FORK_MISMATCH", "FULU", "ELECTRA"]);
  const unknown = { ...bare, aggregate_and_proof: { version: "fulu", data: AGGREGATE } };
  assert.deepEqual(refusalOf(unknown), ["REQUEST_MALFORMED", "aggregate_and_proof.version"]);
});

test("the same aggregate has another root from Gloas on", () => {
  const forked = networkOf({
    ...mainnet,
    name: "gloas",
    forks: mainnet.forks.map((fork) =>
      fork.name === "gloas" ? { ...fork, epoch: 411_393n } : fork,
    ),
  });
  const after = withValue(aggregateUnder("0x07000000"), AGGREGATE_SLOT, "13164608");
  const before = withValue(aggregateUnder("0x06000000"), AGGREGATE_SLOT, "13164608");
  assert.notEqual(rootOf(after, forked), rootOf(before));
  assert.equal(refusalOf(before, forked)[0], "FORK_MISMATCH");
});

test("messages of Gloas do not exist before it", () => {
  const data = {
    beacon_block_root: ROOT,
    slot: "13164600",
    payload_present: true,
    blob_data_available: false,
  };
  const ptc = { type: "PAYLOAD_ATTESTATION_MESSAGE", fork_info: FORK_INFO };
  const mismatch = ["FORK_MISMATCH", "FULU", "GLOAS"];
  assert.deepEqual(refusalOf({ ...ptc, payload_attestation_message: data }), mismatch);
  const wrapped = { version: "GLOAS", data };
  assert.deepEqual(refusalOf({ ...ptc, payload_attestation_message: wrapped }), mismatch);
});

test("bits are refused beyond the preset's committees", () => {
  const at = "aggregate_and_proof.aggregate";
  const full = `0x${"00".repeat(16_384)}`;
  assert.deepEqual(refusalOf(aggregateWith(`0x${"ff".repeat(8)}`, `${full}01`)), ["signed"]);
  const oneMore = refusalOf(aggregateWith(`0x${"ff".repeat(8)}`, `${full}02`));
  assert.deepEqual(oneMore, ["REQUEST_MALFORMED", `${at}.aggregation_bits`]);
  const short = refusalOf(aggregateWith(`0x${"ff".repeat(7)}`, "0x01"));
  assert.deepEqual(short, ["REQUEST_MALFORMED", `${at}.committee_bits`]);
});
