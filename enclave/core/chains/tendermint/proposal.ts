// A proposal as a node asks to have it signed, and as it gets it back. It must never come out of
// here but whole, and valid in all that canonical bytes are made of (tendermint.md §4.1): it is
// checked nowhere else.

import { concatBytes } from "../../../../shared/bytes/compare.ts";
import {
  int32In,
  int64In,
  parseProto,
  protoBytes,
  protoMessage,
  protoVarint,
} from "../../../../shared/bytes/protobuf.ts";
import { ok, type Result } from "../../../../shared/result.ts";
import { type BlockId, encodeBlockId } from "./block-id.ts";
import {
  type MalformedRefusal,
  malformed,
  readBlockId,
  readPlace,
  readTimestamp,
} from "./consensus-field.ts";
import { encodeTimestamp, type Timestamp } from "./timestamp.ts";

/** `SignedMsgType`. */
export const PROPOSAL_TYPE = 32;

export type Proposal = {
  readonly step: "proposal";
  readonly height: bigint;
  readonly round: number;
  /** The round in which the block had its proof of lock; -1 without one. */
  readonly polRound: number;
  readonly blockId: BlockId;
  readonly timestamp: Timestamp;
};

/** The signature that may be there already (7) does not count; Sei's further fields are skipped. */
const FIELDS = {
  1: "varint",
  2: "varint",
  3: "varint",
  4: "varint",
  5: "bytes",
  6: "bytes",
} as const;

export function parseProposal(bytes: Uint8Array): Result<Proposal, MalformedRefusal> {
  const values = parseProto(bytes, FIELDS);
  if (values === undefined) return malformed("proposal");
  if (int64In(values, 1) !== BigInt(PROPOSAL_TYPE)) return malformed("proposal.type");
  const place = readPlace(values, "proposal");
  if (!place.ok) return place;
  // Not held against the round: nodes before v2 do not, and nothing about slashing rests on it.
  const polRound = int32In(values, 4);
  if (polRound === undefined || polRound < -1) return malformed("proposal.pol_round");
  const blockId = readBlockId(values, 5, "proposal");
  if (!blockId.ok) return blockId;
  if (blockId.value === null) return malformed("proposal.block_id");
  const timestamp = readTimestamp(values, 6, "proposal");
  if (!timestamp.ok) return timestamp;
  return ok({
    step: "proposal",
    ...place.value,
    polRound,
    blockId: blockId.value,
    timestamp: timestamp.value,
  });
}

/** The proposal of an answer, made of what is known of it and nothing else. */
export function encodeSignedProposal(proposal: Proposal, signature: Uint8Array): Uint8Array {
  return concatBytes(
    protoVarint(1, BigInt(PROPOSAL_TYPE)),
    protoVarint(2, proposal.height),
    protoVarint(3, BigInt(proposal.round)),
    protoVarint(4, BigInt(proposal.polRound)),
    protoMessage(5, encodeBlockId(proposal.blockId)),
    protoMessage(6, encodeTimestamp(proposal.timestamp)),
    protoBytes(7, signature),
  );
}
