import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FORK_NAMES, networkOf } from "../../enclave/core/chains/ethereum/network.ts";
import { publicNetwork } from "../../enclave/core/chains/ethereum/public-network.ts";
import { parseEthereumRequest } from "../../enclave/core/chains/ethereum/request.ts";
import { isErrorCode } from "../../shared/errors.ts";
import { DETAIL_BYTES_MAX } from "../../shared/limits.ts";
import type { Dialect } from "../../shared/wire/methods.ts";

const DIALECTS: readonly Dialect[] = ["web3signer", "eip3030"];
const mainnet = publicNetwork("mainnet");
assert(mainnet !== undefined);

/** All forks at once, so that every reader can be reached. */
const network = networkOf({
  ...mainnet,
  name: "all",
  forks: FORK_NAMES.map((name, index) => ({
    name,
    version: Uint8Array.of(index, 0, 0, 0),
    epoch: BigInt(index),
  })),
});

const ROOT = `0x${"4b".repeat(32)}`;
const GVR = `0x${Buffer.from(network.genesisValidatorsRoot).toString("hex")}`;
const SIGNATURE = `0x${"11".repeat(96)}`;
const FORK = { previous_version: "0x05000000", current_version: "0x06000000", epoch: "6" };
const DATA = {
  slot: "200",
  index: "0",
  beacon_block_root: ROOT,
  source: { epoch: "5", root: ROOT },
  target: { epoch: "6", root: ROOT },
};
const HEADER = {
  slot: "200",
  proposer_index: "1",
  parent_root: ROOT,
  state_root: ROOT,
  body_root: ROOT,
};
const AGGREGATE = {
  aggregator_index: "1",
  aggregate: {
    aggregation_bits: "0x0101",
    data: DATA,
    signature: SIGNATURE,
    committee_bits: "0x0100000000000000",
  },
  selection_proof: SIGNATURE,
};
const WEB3SIGNER = { fork_info: { fork: FORK, genesis_validators_root: GVR } };
const SEEDS: readonly unknown[] = [
  { type: "ATTESTATION", ...WEB3SIGNER, attestation: DATA },
  { type: "BLOCK_V2", ...WEB3SIGNER, beacon_block: { version: "FULU", block_header: HEADER } },
  { type: "AGGREGATE_AND_PROOF_V2", ...WEB3SIGNER, aggregate_and_proof: AGGREGATE },
  { type: "VOLUNTARY_EXIT", ...WEB3SIGNER, voluntary_exit: { epoch: "6", validator_index: "1" } },
  { type: "RANDAO_REVEAL", ...WEB3SIGNER, randao_reveal: { epoch: "6" } },
  { bls_domain: "beacon_attester", data: DATA, fork: FORK, genesis_validators_root: GVR },
];

function check(body: Uint8Array): void {
  for (const dialect of DIALECTS) {
    const parsed = parseEthereumRequest(network, dialect, body);
    if (parsed.ok) {
      assert.equal(parsed.value.signingRoot.length, 32);
      continue;
    }
    assert(isErrorCode(parsed.error.code));
    for (const detail of parsed.error.detail ?? []) {
      if (typeof detail === "string") assert(detail.length <= DETAIL_BYTES_MAX);
    }
  }
}

/** Every value of a tree by its path, and the tree with another one there. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, one]) => pathsOf(one, [...path, name]))];
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined || typeof value !== "object" || value === null) return by;
  const entries = Object.entries(value).map(([key, one]: [string, unknown]) => [
    key,
    key === name ? replaced(one, rest, by) : one,
  ]);
  return Object.fromEntries(entries);
}

test("any bytes are an operation or a refusal, and never an exception", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check), { numRuns: 500 });
});

test("any JSON is an operation or a refusal, and never an exception", () => {
  const json = fc.json({ maxDepth: 5 }).map((text) => new TextEncoder().encode(text));
  fc.assert(fc.property(json, check), { numRuns: 500 });
});

test("a request with any value replaced is an operation or a refusal", () => {
  const sites = SEEDS.flatMap((seed) => pathsOf(seed).map((path) => ({ seed, path })));
  const values = fc.oneof(
    fc.jsonValue(),
    fc.bigInt({ min: -1n, max: 2n ** 65n }).map(String),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`),
    fc.constantFrom("GLOAS", "HEZE", "PHASE0", "BLOCK", "DEPOSIT", "randao", "__proto__", ROOT),
  );
  fc.assert(
    fc.property(fc.constantFrom(...sites), values, ({ seed, path }, value) => {
      check(new TextEncoder().encode(JSON.stringify(replaced(seed, path, value))));
    }),
    { numRuns: 2000 },
  );
});

test("a request with any byte changed is an operation or a refusal", () => {
  const bodies = SEEDS.map((seed) => new TextEncoder().encode(JSON.stringify(seed)));
  const change = fc.record({
    body: fc.constantFrom(...bodies),
    at: fc.nat({ max: 2000 }),
    byte: fc.nat({ max: 255 }),
  });
  fc.assert(
    fc.property(change, ({ body, at, byte }) => {
      const changed = Uint8Array.from(body);
      changed[at % changed.length] = byte;
      check(changed);
    }),
    { numRuns: 2000 },
  );
});

test("the seeds themselves are operations", () => {
  for (const seed of SEEDS) {
    const body = new TextEncoder().encode(JSON.stringify(seed));
    assert(DIALECTS.some((dialect) => parseEthereumRequest(network, dialect, body).ok));
  }
});
