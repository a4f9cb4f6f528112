// What a node gets back: privval messages without the length before them, that every version from
// v0.34 to v2 reads (tendermint.md §1.2, §1.3, §1.6). It must never make one that is larger than
// what the oldest node reads: the rest would be taken for the next answer.

import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { protoBytes, protoMessage } from "../../../../shared/bytes/protobuf.ts";
import { PRIVVAL_ANSWER_BYTES_MAX } from "../../../../shared/limits.ts";
import { encodePrivvalAnswer } from "../../../../shared/privval.ts";
import { encodeSignedProposal, type Proposal } from "./proposal.ts";
import { encodeSignedVote, type Vote, type VoteSignatures } from "./vote.ts";

/** How key types are called: as `pub_key_type`, and as an arm of `PublicKey` (§1.3). */
export const PUBLIC_KEY_ARMS = {
  ed25519: 1,
  secp256k1: 2,
  bls12_381: 3,
  ml_dsa_65: 4,
  secp256k1eth: 5,
} as const;

export type PublicKeyType = keyof typeof PUBLIC_KEY_ARMS;

const utf8 = new TextEncoder();

/**
 * `PubKeyResponse` of every version at once: v0.34 to v0.40 read field 1, v1 and v2 fields 3 and 4,
 * and each skips the others (§0.2). The version is nowhere on the wire. `v1Bytes` is the key as v1
 * and v2 write it, where that differs: v2 does not compress keys of secp256k1eth.
 */
export function encodePubKeyAnswer(
  type: PublicKeyType,
  publicKey: Uint8Array,
  v1Bytes: Uint8Array = publicKey,
): Uint8Array {
  const answer = concatBytes(
    protoMessage(1, protoBytes(PUBLIC_KEY_ARMS[type], publicKey)),
    protoBytes(3, v1Bytes),
    protoBytes(4, utf8.encode(type)),
  );
  return encodePrivvalAnswer("pubKey", answer);
}

/**
 * `SignedVoteResponse`. `vote` has the timestamp that was signed. Of the extension the node uses
 * the signature only, so it is left out where the answer would be too large (§0.3).
 */
export function encodeVoteAnswer(vote: Vote, signatures: VoteSignatures): Uint8Array {
  if (vote.extension.length <= PRIVVAL_ANSWER_BYTES_MAX) {
    const whole = voteAnswer(vote, signatures);
    if (whole.length <= PRIVVAL_ANSWER_BYTES_MAX) return whole;
  }
  return voteAnswer({ ...vote, extension: new Uint8Array(0) }, signatures);
}

function voteAnswer(vote: Vote, signatures: VoteSignatures): Uint8Array {
  return encodePrivvalAnswer("vote", protoMessage(1, encodeSignedVote(vote, signatures)));
}

/** `SignedProposalResponse`, with the time that was asked for: nodes keep theirs (§0.5). */
export function encodeProposalAnswer(proposal: Proposal, signature: Uint8Array): Uint8Array {
  const answer = protoMessage(1, encodeSignedProposal(proposal, signature));
  return encodePrivvalAnswer("proposal", answer);
}

/** `SignBytesResponse` and Celestia's `SignedRawBytesResponse`, which are the same bytes. */
export function encodeBytesAnswer(signature: Uint8Array): Uint8Array {
  return encodePrivvalAnswer("bytes", protoBytes(1, signature));
}
