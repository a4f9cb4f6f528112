// The bytes that a signature is over (tendermint.md §4.1), the same from v0.34 to v2, and the root
// that says whether two votes or proposals are the same. It must never make equal bytes of two
// messages that a chain tells apart, nor equal roots of two that differ in more than their time.

import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import {
  encodeDelimited,
  protoBytes,
  protoFixed64,
  protoMessage,
  protoVarint,
} from "../../../../shared/bytes/protobuf.ts";
import { type BlockId, encodeBlockId } from "./block-id.ts";
import { PROPOSAL_TYPE, type Proposal } from "./proposal.ts";
import { encodeTimestamp, type Timestamp } from "./timestamp.ts";
import { VOTE_TYPES, type Vote } from "./vote.ts";

/** `CanonicalVote` without its chain. */
export type CanonicalVote = {
  readonly type: number;
  readonly height: bigint;
  readonly round: number;
  readonly blockId: BlockId | null;
  readonly timestamp: Timestamp;
};

/** Celestia's `SignRawBytesRequest`: bytes for a purpose that `uniqueId` names. */
export type RawBytes = {
  readonly chainId: string;
  readonly rawBytes: Uint8Array;
  readonly uniqueId: string;
};

/** No canonical message begins so: as a length or as a tag, C can't be followed by O. */
export const RAW_BYTES_PREFIX: Uint8Array = new TextEncoder().encode("COMET::RAW_BYTES::SIGN");

/**
 * v2 demands a signature of its second extension too, which has no domain of its own: only the
 * empty one is signed, and no canonical message is empty (`parseVote` refuses all others).
 */
export const UNBOUND_EXTENSION_SIGN_BYTES: Uint8Array = new Uint8Array(0);

const ROOT_DOMAIN = new TextEncoder().encode("redoubt tendermint root v1\0");
const NO_TIME = new Uint8Array(0);
const utf8 = new TextEncoder();

export function voteSignBytes(vote: Vote, chainId: string): Uint8Array {
  return encodeCanonicalVote({ ...vote, type: VOTE_TYPES[vote.step] }, chainId);
}

export function encodeCanonicalVote(vote: CanonicalVote, chainId: string): Uint8Array {
  return canonicalVote(vote, protoMessage(5, encodeTimestamp(vote.timestamp)), chainId);
}

function canonicalVote(
  { type, height, round, blockId }: CanonicalVote,
  timestampField: Uint8Array,
  chainId: string,
): Uint8Array {
  return encodeDelimited(
    concatBytes(
      protoVarint(1, BigInt(type)),
      protoFixed64(2, height),
      protoFixed64(3, BigInt(round)),
      blockId === null ? new Uint8Array(0) : protoMessage(4, encodeBlockId(blockId)),
      timestampField,
      protoBytes(6, utf8.encode(chainId)),
    ),
  );
}

export function proposalSignBytes(proposal: Proposal, chainId: string): Uint8Array {
  return canonicalProposal(proposal, protoMessage(6, encodeTimestamp(proposal.timestamp)), chainId);
}

function canonicalProposal(
  { height, round, polRound, blockId }: Proposal,
  timestampField: Uint8Array,
  chainId: string,
): Uint8Array {
  return encodeDelimited(
    concatBytes(
      protoVarint(1, BigInt(PROPOSAL_TYPE)),
      protoFixed64(2, height),
      protoFixed64(3, BigInt(round)),
      protoVarint(4, BigInt(polRound)),
      protoMessage(5, encodeBlockId(blockId)),
      timestampField,
      protoBytes(7, utf8.encode(chainId)),
    ),
  );
}

/** Of the vote's extension, which may be empty. */
export function extensionSignBytes(
  { extension, height, round }: Pick<Vote, "extension" | "height" | "round">,
  chainId: string,
): Uint8Array {
  return encodeDelimited(
    concatBytes(
      protoBytes(1, extension),
      protoFixed64(2, height),
      protoFixed64(3, BigInt(round)),
      protoBytes(4, utf8.encode(chainId)),
    ),
  );
}

export function rawBytesSignBytes({ chainId, rawBytes, uniqueId }: RawBytes): Uint8Array {
  const request = concatBytes(
    protoBytes(1, utf8.encode(chainId)),
    protoBytes(2, rawBytes),
    protoBytes(3, utf8.encode(uniqueId)),
  );
  return concatBytes(RAW_BYTES_PREFIX, encodeDelimited(request));
}

/** What the vote says but for its time: FilePV calls votes with one root the same (§4.3). */
export function voteRoot(vote: Vote, chainId: string): Uint8Array {
  return rootOf(canonicalVote({ ...vote, type: VOTE_TYPES[vote.step] }, NO_TIME, chainId));
}

/** What the proposal says but for its time. */
export function proposalRoot(proposal: Proposal, chainId: string): Uint8Array {
  return rootOf(canonicalProposal(proposal, NO_TIME, chainId));
}

/** Canonical bytes always have their timestamp: those without are no bytes that anybody signs. */
function rootOf(untimed: Uint8Array): Uint8Array {
  return sha256(concatBytes(ROOT_DOMAIN, untimed));
}
