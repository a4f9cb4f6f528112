// The file of proofs that keys were retired: attestation documents, and beside each what it states,
// for people. It must never be believed before the documents are verified.

import { z } from "zod";
import { chainScope } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import { positionOfWire } from "../../enclave/core/chains/tendermint/position.ts";
import { parseDocument } from "../../shared/attestation/document.ts";
import {
  type ConsensusRetirement,
  type EthereumRetirement,
  parseConsensusRetirement,
  parseEthereumRetirement,
} from "../../shared/attestation/retirement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { positionJson } from "./consensus-text.ts";
import { isSameWords } from "./stated-words.ts";

const height = z.string().max(20).nullable();
const text = z.string().max(512);
const head = { key: text, network: text, seq: z.number(), head: text, bootId: text };
const ethereumField = z.strictObject({
  ...head,
  blockSlot: height,
  source: height,
  target: height,
});
const consensusField = z.strictObject({
  ...head,
  chainId: text,
  height,
  round: z.number().nullable(),
  step: z.string().max(16).nullable(),
});
const document = z.base64().max(65_536);
const proofField = z.union([
  ethereumField.extend({ document }),
  consensusField.extend({ document }),
]);
const fileField = z.array(proofField).min(1).max(KEY_COUNT_MAX);

export type StatedRetirement = z.infer<typeof ethereumField> | z.infer<typeof consensusField>;
export type RetirementProof = z.infer<typeof proofField>;

export function statedOfEthereum(retirement: EthereumRetirement): StatedRetirement {
  return {
    ...headOf(retirement),
    blockSlot: retirement.blockSlot?.toString() ?? null,
    source: retirement.source?.toString() ?? null,
    target: retirement.target?.toString() ?? null,
    bootId: encodePrefixedHex(retirement.bootId),
  };
}

/** Null when it is of another chain. */
export function statedOfConsensus(
  retirement: ConsensusRetirement,
  chainId: string,
): StatedRetirement | null {
  if (!isEqualBytes(chainScope(chainId), retirement.scope)) return null;
  return {
    ...headOf(retirement),
    chainId,
    ...positionJson(retirement.last === null ? null : positionOfWire(retirement.last)),
    bootId: encodePrefixedHex(retirement.bootId),
  };
}

function headOf({
  publicKey,
  scope,
  seq,
  head: ofReceipts,
}: EthereumRetirement | ConsensusRetirement) {
  return {
    key: encodePrefixedHex(publicKey),
    network: encodePrefixedHex(scope),
    seq,
    head: encodePrefixedHex(ofReceipts),
  };
}

/** Whether `user_data` of a document states what stands beside it. */
export function isStated(userData: Uint8Array, proof: RetirementProof): boolean {
  const { document: _, ...words } = proof;
  const stated = "chainId" in words ? consensusIn(userData, words.chainId) : ethereumIn(userData);
  return stated !== null && isSameWords(stated, words);
}

function ethereumIn(userData: Uint8Array): StatedRetirement | null {
  const retirement = parseEthereumRetirement(userData);
  return retirement.ok ? statedOfEthereum(retirement.value) : null;
}

function consensusIn(userData: Uint8Array, chainId: string): StatedRetirement | null {
  const retirement = parseConsensusRetirement(userData);
  return retirement.ok ? statedOfConsensus(retirement.value, chainId) : null;
}

/** `user_data` of an unverified document; null when it has none. */
export function readUserData(bytes: Uint8Array): Uint8Array | null {
  const parsed = parseDocument(bytes);
  return parsed.ok ? parsed.value.userData : null;
}

export function encodeProofs(proofs: readonly RetirementProof[]): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(proofs, null, 2)}\n`);
}

/** Null for anything else than a list of at least one proof. */
export function parseProofs(bytes: Uint8Array): readonly RetirementProof[] | null {
  try {
    const parsed = fileField.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
