// Keeps bytes that are signed as they are from being a vote: CometBFT v1's SignBytes has no domain
// and no chain, so whoever may ask for it could ask for a second vote (tendermint.md §0.8). It must
// never let through what any vote, proposal or extension of any chain is encoded as. The rest need
// not be harmless, and v2's second extension, which is signed as bare bytes, may be any of it: what
// may be signed is the manifest's list.

import {
  bytesIn,
  type ProtoFields,
  type ProtoValues,
  parseProto,
  readVarint,
} from "../../../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { RAW_BYTES_PREFIX } from "./canonical.ts";

type Shape = { readonly fields: ProtoFields; readonly chainId: number };

/** Canonical messages (§4.1). What lies in nested ones is not looked at: that refuses more. */
const SHAPES: readonly Shape[] = [
  // CanonicalVote
  {
    fields: { 1: "varint", 2: "fixed64", 3: "fixed64", 4: "bytes", 5: "bytes", 6: "bytes" },
    chainId: 6,
  },
  // CanonicalProposal
  {
    fields: {
      1: "varint",
      2: "fixed64",
      3: "fixed64",
      4: "varint",
      5: "bytes",
      6: "bytes",
      7: "bytes",
    },
    chainId: 7,
  },
  // CanonicalVoteExtension
  { fields: { 1: "bytes", 2: "fixed64", 3: "fixed64", 4: "bytes" }, chainId: 4 },
];

const HEIGHT_FIELD = 2;

/** Null when the bytes can't be taken for something that consensus signs. */
export function decideRawBytes(bytes: Uint8Array): Refusal<"REQUEST_BYTES_CONSENSUS"> | null {
  const isConsensus = isRawBytesRequest(bytes) || isDelimitedMessage(bytes) || isBareMessage(bytes);
  return isConsensus ? refusal("REQUEST_BYTES_CONSENSUS") : null;
}

function isRawBytesRequest(bytes: Uint8Array): boolean {
  return RAW_BYTES_PREFIX.every((byte, index) => bytes[index] === byte);
}

/** All that is ever signed: the length, then a message of any of the shapes. */
function isDelimitedMessage(bytes: Uint8Array): boolean {
  const length = readVarint(bytes, 0);
  if (length === undefined || length.value !== BigInt(bytes.length - length.end)) return false;
  const message = bytes.subarray(length.end);
  return SHAPES.some((shape) => valuesOf(message, shape) !== undefined);
}

/**
 * A message without its length, which nobody verifies; refused all the same where it has a height
 * and a chain. Less would be too little: one random hash in 65,000 is an extension of no chain.
 */
function isBareMessage(bytes: Uint8Array): boolean {
  return SHAPES.some((shape) => {
    const values = valuesOf(bytes, shape);
    return values?.has(HEIGHT_FIELD) === true && bytesIn(values, shape.chainId).length > 0;
  });
}

/** Undefined for what has any field that the shape has not: canonical encodings have no other. */
function valuesOf(bytes: Uint8Array, { fields }: Shape): ProtoValues | undefined {
  return parseProto(bytes, fields, "refuse");
}
