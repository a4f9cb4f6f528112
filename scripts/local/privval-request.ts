// What a Tendermint node asks of its signer, and how it reads a refusal (tendermint.md §1.3): the
// messages of v0.34 to v0.40, written as Go writes them.

import { concatBytes } from "../../shared/bytes/compare.ts";
import { parseProto, protoBytes, protoMessage, protoVarint } from "../../shared/bytes/protobuf.ts";
import { PRIVVAL_ARMS, type PrivvalArm } from "../../shared/privval.ts";

export type BlockId = { readonly hash: Uint8Array; readonly total: number };

export type NodeVote = {
  readonly type: "prevote" | "precommit";
  readonly height: bigint;
  readonly round: number;
  /** Null votes for no block. */
  readonly block: BlockId | null;
  readonly seconds: bigint;
  /** As every node sends it, which not every signer asks for: 20 bytes. */
  readonly validatorAddress?: Uint8Array;
};

export type NodeProposal = Omit<NodeVote, "type" | "block" | "validatorAddress"> & {
  readonly block: BlockId;
  readonly polRound: number;
};

export type RemoteError = { readonly code: number; readonly description: string };

const VOTE_TYPES = { prevote: 1n, precommit: 2n } as const;
const PROPOSAL_TYPE = 32n;

export function encodePing(): Uint8Array {
  return protoMessage(PRIVVAL_ARMS.ping.request, new Uint8Array(0));
}

export function encodePubKeyRequest(chainId: string): Uint8Array {
  return protoMessage(PRIVVAL_ARMS.pubKey.request, protoBytes(1, encodeText(chainId)));
}

export function encodeSignVoteRequest(chainId: string, vote: NodeVote): Uint8Array {
  const body = concatBytes(
    protoVarint(1, VOTE_TYPES[vote.type]),
    protoVarint(2, vote.height),
    protoVarint(3, BigInt(vote.round)),
    protoMessage(4, encodeBlockId(vote.block)),
    protoMessage(5, protoVarint(1, vote.seconds)),
    protoBytes(6, vote.validatorAddress ?? new Uint8Array(0)),
  );
  return encodeSignRequest("vote", body, chainId);
}

export function encodeSignProposalRequest(chainId: string, proposal: NodeProposal): Uint8Array {
  const body = concatBytes(
    protoVarint(1, PROPOSAL_TYPE),
    protoVarint(2, proposal.height),
    protoVarint(3, BigInt(proposal.round)),
    protoVarint(4, BigInt(proposal.polRound)),
    protoMessage(5, encodeBlockId(proposal.block)),
    protoMessage(6, protoVarint(1, proposal.seconds)),
  );
  return encodeSignRequest("proposal", body, chainId);
}

/** The answer to a request of this arm; null in any other arm, as a node takes none. */
export function readAnswer(arm: PrivvalArm, answer: Uint8Array): Uint8Array | null {
  return readBytes(answer, PRIVVAL_ARMS[arm].answer);
}

export type Signed = {
  readonly signature: Uint8Array;
  /** Empty without one. */
  readonly extensionSignature: Uint8Array;
};

/** What a node takes of a vote or proposal that was signed; null when it was not. */
export function readSigned(arm: "vote" | "proposal", answer: Uint8Array): Signed | null {
  if (readRemoteError(arm, answer) !== null) return null;
  const signed = readBytes(readAnswer(arm, answer), 1);
  const signature = readBytes(signed, arm === "vote" ? 8 : 7);
  const extension = arm === "vote" ? readBytes(signed, 10) : null;
  if (signature === null) return null;
  return { signature, extensionSignature: extension ?? new Uint8Array(0) };
}

/** The RemoteSignerError of an answer, null when it has none. */
export function readRemoteError(arm: PrivvalArm, answer: Uint8Array): RemoteError | null {
  const error = readBytes(readAnswer(arm, answer), 2);
  if (error === null) return null;
  const code = parseProto(error, { 1: "varint" })?.get(1) ?? 0n;
  return {
    code: Number(code),
    description: new TextDecoder().decode(readBytes(error, 2) ?? undefined),
  };
}

function readBytes(message: Uint8Array | null, field: number): Uint8Array | null {
  const bytes = message === null ? null : parseProto(message, { [field]: "bytes" })?.get(field);
  return bytes instanceof Uint8Array ? bytes : null;
}

function encodeSignRequest(arm: PrivvalArm, body: Uint8Array, chainId: string): Uint8Array {
  const request = concatBytes(protoMessage(1, body), protoBytes(2, encodeText(chainId)));
  return protoMessage(PRIVVAL_ARMS[arm].request, request);
}

function encodeBlockId(block: BlockId | null): Uint8Array {
  if (block === null) return protoMessage(2, new Uint8Array(0));
  const parts = concatBytes(protoVarint(1, BigInt(block.total)), protoBytes(2, block.hash));
  return concatBytes(protoBytes(1, block.hash), protoMessage(2, parts));
}

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
