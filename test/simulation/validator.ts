// A hostile validator, and a sober one: requests around the clock, as Web3Signer's clients write
// them. The network is small, so that heights meet often.

import type { EthereumClaim } from "../../enclave/core/chains/ethereum/operation.ts";
import { type EthereumManifest, parseManifest } from "../../enclave/core/manifest.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_ARN } from "../fakes/sealed-keys.ts";
import type { Random } from "./random.ts";

export const GENESIS_MS = 1_700_000_000_000;
export const SLOT_MS = 12_000;
export const SLOTS_PER_EPOCH = 8;

const SCOPE = encodePrefixedHex(new Uint8Array(32).fill(0x5c));
const VERSION = "0x00000006";
const ZERO = `0x${"00".repeat(32)}`;
const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu"];
const utf8 = new TextEncoder();

export const manifest: EthereumManifest = readManifest();

function readManifest(): EthereumManifest {
  const network = {
    name: "simulated",
    preset: "minimal",
    genesisTime: GENESIS_MS / 1000,
    slotDurationMs: SLOT_MS,
    genesisValidatorsRoot: SCOPE,
    forks: FORKS.map((name, index) => ({ name, version: `0x0000000${index}`, epoch: "0" })),
  };
  const parsed = parseManifest(
    utf8.encode(
      JSON.stringify({
        redoubt: 1,
        kms: { keyArn: KEY_ARN },
        state: { kind: "parent" },
        ethereum: { network },
        groups: [{ name: "all", keys: "others" }],
      }),
    ),
  );
  invariant(parsed.ok && parsed.value.family === "ethereum", "the simulation's manifest fits");
  return parsed.value;
}

export type Request = { readonly claim: EthereumClaim; readonly body: Uint8Array };

const FORK_INFO = {
  fork: { previous_version: VERSION, current_version: VERSION, epoch: "0" },
  genesis_validators_root: SCOPE,
};

/** `variant` makes another root for the same heights. */
export function blockRequest(slot: bigint, variant: number): Request {
  const header = {
    slot: slot.toString(),
    proposer_index: "0",
    parent_root: ZERO,
    state_root: ZERO,
    body_root: `0x${"00".repeat(31)}0${variant}`,
  };
  const beaconBlock = { version: "FULU", block_header: header };
  const request = { type: "BLOCK_V2", fork_info: FORK_INFO, beacon_block: beaconBlock };
  return { claim: { kind: "block", slot }, body: utf8.encode(JSON.stringify(request)) };
}

export function voteRequest(source: bigint, target: bigint, variant: number): Request {
  const attestation = {
    slot: "0",
    index: "0",
    beacon_block_root: `0x${"00".repeat(31)}0${variant}`,
    source: { epoch: source.toString(), root: ZERO },
    target: { epoch: target.toString(), root: ZERO },
  };
  const request = { type: "ATTESTATION", fork_info: FORK_INFO, attestation };
  return {
    claim: { kind: "attestation", source, target },
    body: utf8.encode(JSON.stringify(request)),
  };
}

export function slotOf(unixMs: number): number {
  return Math.floor((unixMs - GENESIS_MS) / SLOT_MS);
}

/**
 * What might get somebody slashed: at the edge of the present, or against what was asked before.
 */
export function hostileRequest(random: Random, unixMs: number, known?: EthereumClaim): Request {
  const variant = random.below(2);
  if (known !== undefined) return conflictingRequest(random, known, variant);
  const slot = slotOf(unixMs);
  const edge = random.chance(0.6) ? random.between(0, 2) : random.between(-6, 3);
  if (random.chance(0.4)) return blockRequest(atLeast0(slot + edge), variant);
  const target = Math.floor((slot + edge) / SLOTS_PER_EPOCH) + (random.chance(0.1) ? 1 : 0);
  const sourceDistance = random.chance(0.6) ? 1 : random.between(0, 4);
  return voteRequest(atLeast0(target - sourceDistance), atLeast0(target), variant);
}

/** The last heights that may be signed now, and one of two roots. */
export function duelRequest(random: Random, unixMs: number): Request {
  const slot = slotOf(unixMs) + 1 + (random.chance(0.3) ? 1 : 0);
  const variant = random.below(2);
  if (random.chance(0.5)) return blockRequest(atLeast0(slot), variant);
  const target = Math.floor(slot / SLOTS_PER_EPOCH);
  const sourceDistance = random.chance(0.5) ? 1 : random.between(2, 3);
  return voteRequest(atLeast0(target - sourceDistance), atLeast0(target), variant);
}

/** Another root at the same heights, or a vote around or within an earlier one. */
function conflictingRequest(random: Random, known: EthereumClaim, variant: number): Request {
  if (known.kind === "block") return blockRequest(known.slot, variant);
  const { source, target } = known;
  switch (random.weighted({ double: 5, around: 4, within: 1 })) {
    case "double":
      return voteRequest(source, target, variant);
    case "around":
      return voteRequest(source === 0n ? 0n : source - 1n, target + 1n, variant);
    case "within":
      return voteRequest(source + 1n, target === 0n ? 0n : target - 1n, variant);
  }
}

function atLeast0(height: number): bigint {
  return BigInt(Math.max(0, height));
}
