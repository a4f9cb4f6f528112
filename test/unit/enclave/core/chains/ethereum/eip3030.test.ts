import assert from "node:assert/strict";
import { test } from "node:test";
import { publicNetwork } from "../../../../../../enclave/core/chains/ethereum/public-network.ts";
import { parseEthereumRequest } from "../../../../../../enclave/core/chains/ethereum/request.ts";
import { encodePrefixedHex } from "../../../../../../shared/bytes/hex.ts";
import type { Dialect } from "../../../../../../shared/wire/methods.ts";

const utf8 = new TextEncoder();
const network = publicNetwork("mainnet");
assert(network !== undefined);
const mainnet = network;

const ROOT = `0x${"5a".repeat(32)}`;
const FORK = { previous_version: "0x05000000", current_version: "0x06000000", epoch: "411392" };
const GVR = encodePrefixedHex(mainnet.genesisValidatorsRoot);
const DATA = {
  slot: "13164600",
  index: "0",
  beacon_block_root: ROOT,
  source: { epoch: "411392", root: ROOT },
  target: { epoch: "411393", root: ROOT },
};
const HEADER = {
  slot: "13164600",
  proposer_index: "9",
  parent_root: ROOT,
  state_root: ROOT,
  body_root: ROOT,
};

function ask(dialect: Dialect, request: unknown) {
  return parseEthereumRequest(mainnet, dialect, utf8.encode(JSON.stringify(request)));
}

function eip3030(domain: unknown, data: unknown, more: object = {}) {
  const common = { fork: FORK, genesis_validators_root: GVR };
  return ask("eip3030", { bls_domain: domain, data, ...common, ...more });
}

function codeOf(outcome: ReturnType<typeof ask>): readonly unknown[] {
  return outcome.ok ? ["signed"] : [outcome.error.code, ...(outcome.error.detail ?? [])];
}

test("each domain is the operation that Web3Signer's request is", () => {
  const common = { fork_info: { fork: FORK, genesis_validators_root: GVR } };
  const rows = [
    ["beacon_attester", DATA, { type: "ATTESTATION", attestation: DATA }],
    [
      "beacon_proposer",
      HEADER,
      { type: "BLOCK_V2", beacon_block: { version: "FULU", block_header: HEADER } },
    ],
    ["randao", "411393", { type: "RANDAO_REVEAL", randao_reveal: { epoch: "411393" } }],
  ] as const;
  for (const [domain, data, request] of rows) {
    const outcome = eip3030(domain, data);
    assert(outcome.ok, domain);
    assert.deepEqual(outcome, ask("web3signer", { ...request, ...common }));
    assert.deepEqual(eip3030(domain.toUpperCase(), data), outcome);
  }
});

test("raw data is refused as blind", () => {
  for (const domain of ["beacon_proposer", "beacon_attester"]) {
    for (const data of ["0x", ROOT, "AAAA", [1, 2, 3], []]) {
      assert.deepEqual(codeOf(eip3030(domain, data)), ["REQUEST_BLIND"]);
    }
  }
  assert.deepEqual(codeOf(eip3030("randao", ROOT)), ["REQUEST_BLIND"]);
});

test("other domains are unknown, and the two dialects do not mix", () => {
  for (const domain of ["deposit", "voluntary_exit", "", "constructor"]) {
    assert.deepEqual(codeOf(eip3030(domain, DATA)), ["REQUEST_KIND_UNKNOWN"]);
  }
  assert.deepEqual(codeOf(eip3030(null, DATA)), ["REQUEST_MALFORMED", "bls_domain"]);
  const web3signer = { type: "RANDAO_REVEAL", randao_reveal: { epoch: "1" } };
  assert.deepEqual(codeOf(ask("eip3030", web3signer)), ["REQUEST_MALFORMED", "bls_domain"]);
  assert.deepEqual(codeOf(ask("web3signer", { bls_domain: "randao", data: "1" })), [
    "REQUEST_BLIND",
  ]);
});

test("malformed data, fork or root is named", () => {
  const rows = [
    [eip3030("randao", 411_393), "data"],
    [eip3030("randao", null), "data"],
    [eip3030("beacon_attester", null), "data"],
    [eip3030("beacon_attester", { ...DATA, slot: 1 }), "data.slot"],
    [eip3030("beacon_proposer", { ...HEADER, body_root: "0x" }), "data.body_root"],
    [eip3030("randao", "1", { fork: null }), "fork"],
    [eip3030("randao", "1", { fork: { ...FORK, epoch: 1 } }), "fork.epoch"],
    [eip3030("randao", "1", { genesis_validators_root: "0x" }), "genesis_validators_root"],
  ] as const;
  for (const [outcome, field] of rows) {
    assert.deepEqual(codeOf(outcome), ["REQUEST_MALFORMED", field]);
  }
});

test("network, fork and root are checked as for Web3Signer", () => {
  const cases = [
    [eip3030("beacon_attester", DATA, { genesis_validators_root: ROOT }), "NETWORK_MISMATCH"],
    [eip3030("randao", "1"), "FORK_MISMATCH"],
    [eip3030("beacon_proposer", { ...HEADER, body: {} }), "FORK_MISMATCH"],
    [eip3030("beacon_attester", DATA, { signing_root: ROOT }), "ROOT_MISMATCH"],
  ] as const;
  for (const [outcome, code] of cases) assert.equal(codeOf(outcome)[0], code);
});
