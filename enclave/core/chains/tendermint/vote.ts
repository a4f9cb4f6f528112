// A vote as a node asks to have it signed, and as it gets it back. It must never come out of here
// but whole, and valid in all that canonical bytes are made of (tendermint.md §4.1): it is checked
// nowhere else. Who votes is no part of them, and is given back as it came.

import { concatBytes } from "../../../../shared/bytes/compare.ts";
import {
  bytesIn,
  int32In,
  int64In,
  parseProto,
  protoBytes,
  protoMessage,
  protoVarint,
} from "../../../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { VOTE_EXTENSION_BYTES_MAX } from "../../../../shared/limits.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { type BlockId, encodeBlockId } from "./block-id.ts";
import { malformed, readBlockId, readPlace, readTimestamp } from "./consensus-field.ts";
import { encodeTimestamp, type Timestamp } from "./timestamp.ts";

/** `SignedMsgType`; 32 is a proposal. */
export const VOTE_TYPES = { prevote: 1, precommit: 2 } as const;

export type VoteStep = keyof typeof VOTE_TYPES;

export type Vote = {
  readonly step: VoteStep;
  readonly height: bigint;
  readonly round: number;
  /** Null: for nil. */
  readonly blockId: BlockId | null;
  readonly timestamp: Timestamp;
  /** Who votes; no part of what is signed. */
  readonly validatorAddress: Uint8Array;
  readonly validatorIndex: number;
  /** Empty without one. */
  readonly extension: Uint8Array;
};

export type VoteRefusal = Refusal<
  "REQUEST_MALFORMED" | "REQUEST_EXTENSION_UNEXPECTED" | "REQUEST_EXTENSION_UNBOUND"
>;

/** Signatures that may be there already (8, 10, 12) do not count: they are made anew. */
const FIELDS = {
  1: "varint",
  2: "varint",
  3: "varint",
  4: "bytes",
  5: "bytes",
  6: "bytes",
  7: "varint",
  9: "bytes",
  11: "bytes",
} as const;

/** All chains have 20. It is given back as it came, so it is only bounded. */
const ADDRESS_BYTES_MAX = 64;

/** Whether a signature of the vote's extension goes with it, even of an empty one (§0.4). */
export function hasExtension({ step, blockId }: Pick<Vote, "step" | "blockId">): boolean {
  return step === "precommit" && blockId !== null;
}

export function parseVote(bytes: Uint8Array): Result<Vote, VoteRefusal> {
  const values = parseProto(bytes, FIELDS);
  if (values === undefined) return malformed("vote");
  const step = stepOfType(int64In(values, 1));
  if (step === undefined) return malformed("vote.type");
  const place = readPlace(values, "vote");
  if (!place.ok) return place;
  const blockId = readBlockId(values, 4, "vote");
  if (!blockId.ok) return blockId;
  const timestamp = readTimestamp(values, 5, "vote");
  if (!timestamp.ok) return timestamp;
  const validatorAddress = bytesIn(values, 6);
  if (validatorAddress.length > ADDRESS_BYTES_MAX) return malformed("vote.validator_address");
  const validatorIndex = int32In(values, 7);
  if (validatorIndex === undefined || validatorIndex < 0) return malformed("vote.validator_index");
  const extension = bytesIn(values, 9);
  if (extension.length > VOTE_EXTENSION_BYTES_MAX) return malformed("vote.extension");
  const vote: Vote = {
    step,
    ...place.value,
    blockId: blockId.value,
    timestamp: timestamp.value,
    validatorAddress,
    validatorIndex,
    extension,
  };
  // As FilePV: what extends nothing has no place in the vote, and would go unsigned.
  if (extension.length > 0 && !hasExtension(vote)) {
    return err(refusal("REQUEST_EXTENSION_UNEXPECTED"));
  }
  // v2's second extension is signed as bare bytes, which could be another vote's (§4.1).
  if (bytesIn(values, 11).length > 0) return err(refusal("REQUEST_EXTENSION_UNBOUND"));
  return ok(vote);
}

function stepOfType(type: bigint): VoteStep | undefined {
  if (type === BigInt(VOTE_TYPES.prevote)) return "prevote";
  return type === BigInt(VOTE_TYPES.precommit) ? "precommit" : undefined;
}

/** The signatures that go back in a vote; null where there is none. */
export type VoteSignatures = {
  readonly signature: Uint8Array;
  readonly extensionSignature: Uint8Array | null;
  /** Of v2's second extension, which is always empty here. */
  readonly unboundSignature: Uint8Array | null;
};

/** The vote of an answer, made of what is known of it and nothing else. */
export function encodeSignedVote(
  vote: Vote,
  { signature, extensionSignature, unboundSignature }: VoteSignatures,
): Uint8Array {
  const none = new Uint8Array(0);
  return concatBytes(
    protoVarint(1, BigInt(VOTE_TYPES[vote.step])),
    protoVarint(2, vote.height),
    protoVarint(3, BigInt(vote.round)),
    protoMessage(4, encodeBlockId(vote.blockId)),
    protoMessage(5, encodeTimestamp(vote.timestamp)),
    protoBytes(6, vote.validatorAddress),
    protoVarint(7, BigInt(vote.validatorIndex)),
    protoBytes(8, signature),
    protoBytes(9, vote.extension),
    protoBytes(10, extensionSignature ?? none),
    protoBytes(12, unboundSignature ?? none),
  );
}
