// What a node asks of its signer, height by height: the same requests for every signer that is
// measured. It must never repeat a step: each request needs a record of its own.

import { createHash } from "node:crypto";
import { canonicalBytes } from "../local/canonical-message.ts";
import { LOCAL_CHAIN_ID } from "../local/consensus-setup.ts";
import { encodeSignProposalRequest, encodeSignVoteRequest } from "../local/privval-request.ts";

export type Ask = {
  readonly arm: "vote" | "proposal";
  readonly message: Uint8Array;
  /** What the signature has to be over. */
  readonly signBytes: Uint8Array;
  /** A precommit of a block: the answer carries a signature of its extension too. */
  readonly hasExtension: boolean;
};

/** One validator of four proposes that often. */
const HEIGHTS_PER_PROPOSAL = 4n;
const FIRST_SECONDS = 1_700_000_000n;
const HASH_BYTES = 32;

const chainId = LOCAL_CHAIN_ID;

export function* heightSequence(publicKey: Uint8Array): Generator<Ask, never> {
  const validatorAddress = createHash("sha256").update(publicKey).digest().subarray(0, 20);
  for (let height = 1n; ; height++) {
    if (height % HEIGHTS_PER_PROPOSAL === 0n) yield proposalAt(height);
    yield voteAt(height, "prevote", validatorAddress);
    yield voteAt(height, "precommit", validatorAddress);
  }
}

function proposalAt(height: bigint): Ask {
  const proposal = { ...placeOf(height), polRound: -1 };
  return {
    arm: "proposal",
    message: encodeSignProposalRequest(chainId, proposal),
    signBytes: canonicalBytes({ ...proposal, chainId, type: 32n, polRound: -1n }),
    hasExtension: false,
  };
}

function voteAt(height: bigint, type: "prevote" | "precommit", validatorAddress: Uint8Array): Ask {
  const vote = { ...placeOf(height), type, validatorAddress };
  const number = type === "prevote" ? 1n : 2n;
  return {
    arm: "vote",
    message: encodeSignVoteRequest(chainId, vote),
    signBytes: canonicalBytes({ ...vote, chainId, type: number, polRound: null }),
    hasExtension: type === "precommit",
  };
}

function placeOf(height: bigint) {
  const hash = new Uint8Array(HASH_BYTES);
  new DataView(hash.buffer).setBigUint64(0, height);
  return { height, round: 0, block: { hash, total: 1 }, seconds: FIRST_SECONDS + height };
}
