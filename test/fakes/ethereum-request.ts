// Requests of Web3Signer's clients on mainnet, and short ways to ask for them.

import assert from "node:assert/strict";
import type { EthereumNetwork } from "../../enclave/core/chains/ethereum/network.ts";
import { publicNetwork } from "../../enclave/core/chains/ethereum/public-network.ts";
import { parseEthereumRequest } from "../../enclave/core/chains/ethereum/request.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";

const utf8 = new TextEncoder();
const found = publicNetwork("mainnet");
assert(found !== undefined);
export const mainnet: EthereumNetwork = found;

export type Json = Readonly<Record<string, unknown>>;

export const ROOT = `0x${"5a".repeat(32)}`;
export const FULU = {
  previous_version: "0x05000000",
  current_version: "0x06000000",
  epoch: "411392",
};
export const FORK_INFO = {
  fork: FULU,
  genesis_validators_root: encodePrefixedHex(mainnet.genesisValidatorsRoot),
};
export const ATTESTATION_DATA = {
  slot: "13164600",
  index: "0",
  beacon_block_root: ROOT,
  source: { epoch: "411392", root: ROOT },
  target: { epoch: "411393", root: ROOT },
};
export const ATTESTATION = {
  type: "ATTESTATION",
  fork_info: FORK_INFO,
  attestation: ATTESTATION_DATA,
};
export const HEADER = {
  slot: "13164600",
  proposer_index: "9",
  parent_root: ROOT,
  state_root: ROOT,
  body_root: ROOT,
};
export const BLOCK_V2 = {
  type: "BLOCK_V2",
  fork_info: FORK_INFO,
  beacon_block: { version: "FULU", block_header: HEADER },
};
export const REGISTRATION = {
  type: "VALIDATOR_REGISTRATION",
  validator_registration: {
    fee_recipient: `0x${"Ab".repeat(20)}`,
    gas_limit: "30000000",
    timestamp: "1700000000",
    pubkey: `0x${"cd".repeat(48)}`,
  },
};
export const DEPOSIT = {
  type: "DEPOSIT",
  deposit: {
    pubkey: `0x${"cd".repeat(48)}`,
    withdrawal_credentials: ROOT,
    amount: "32000000000",
    genesis_fork_version: "0x00000000",
  },
};

export function ask(request: unknown, network = mainnet) {
  return parseEthereumRequest(network, "web3signer", utf8.encode(JSON.stringify(request)));
}

export function refusalOf(request: unknown, network = mainnet): readonly unknown[] {
  const parsed = ask(request, network);
  if (parsed.ok) return ["signed"];
  const detail = parsed.error.detail ?? [];
  const texts = detail.map((one) => (one instanceof Uint8Array ? encodePrefixedHex(one) : one));
  return [parsed.error.code, ...texts];
}

export function rootOf(request: unknown, network = mainnet): string {
  const parsed = ask(request, network);
  assert(parsed.ok, JSON.stringify(request));
  return encodePrefixedHex(parsed.value.signingRoot);
}

export function withValue(object: unknown, path: readonly string[], value: unknown): Json {
  assert(typeof object === "object" && object !== null);
  const [name, ...rest] = path;
  assert(name !== undefined);
  const inner: unknown = Object.entries(object).find(([key]) => key === name)?.[1];
  return { ...object, [name]: rest.length === 0 ? value : withValue(inner, rest, value) };
}
