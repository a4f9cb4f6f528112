// The privval protocol as far as both sides need it: which request a message carries, and the
// answers that need no key (tendermint.md §1.3). Messages are without the length before them. It
// must never look into a request: only the enclave understands what it signs.

import { concatBytes } from "./bytes/compare.ts";
import {
  type ProtoFields,
  parseProto,
  protoBytes,
  protoMessage,
  protoVarint,
} from "./bytes/protobuf.ts";
import { err, ok, type Result } from "./result.ts";

/** The `Message` oneof: what a request and its answer are numbered. */
export const PRIVVAL_ARMS = {
  pubKey: { request: 1, answer: 2 },
  vote: { request: 3, answer: 4 },
  proposal: { request: 5, answer: 6 },
  ping: { request: 7, answer: 8 },
  /** SignBytes of CometBFT v1 and v2, SignRawBytes of Celestia. */
  bytes: { request: 9, answer: 10 },
} as const;

export type PrivvalArm = keyof typeof PRIVVAL_ARMS;

export type PrivvalEnvelope = { readonly arm: PrivvalArm; readonly request: Uint8Array };

const ARM_FIELDS: ProtoFields = Object.fromEntries(
  Array.from({ length: 10 }, (_, index) => [index + 1, "bytes"]),
);

/** Of each answer but a ping's. */
const ERROR_FIELD = 2;
/** Of UTF-16; at most three bytes each, so that every refusal is far below what a node reads. */
const DESCRIPTION_LENGTH_MAX = 512;

function isPrivvalArm(name: string): name is PrivvalArm {
  return Object.hasOwn(PRIVVAL_ARMS, name);
}

/** Takes a message's one arm. An answer is nothing that a signer is asked. */
export function openPrivvalMessage(
  message: Uint8Array,
): Result<PrivvalEnvelope, "REQUEST_MALFORMED" | "REQUEST_KIND_UNKNOWN"> {
  const arms = parseProto(message, ARM_FIELDS);
  // Protobuf lets the last of several arms win. Whoever sends two wants to be read in two ways.
  if (arms === undefined || arms.size > 1) return err("REQUEST_MALFORMED");
  for (const [arm, { request: number }] of Object.entries(PRIVVAL_ARMS)) {
    const request = arms.get(number);
    if (isPrivvalArm(arm) && request instanceof Uint8Array) return ok({ arm, request });
  }
  return err("REQUEST_KIND_UNKNOWN");
}

/** A message with the answer to a request of this arm. */
export function encodePrivvalAnswer(arm: PrivvalArm, answer: Uint8Array): Uint8Array {
  return protoMessage(PRIVVAL_ARMS[arm].answer, answer);
}

/** `PingResponse`. */
export function encodePingAnswer(): Uint8Array {
  return encodePrivvalAnswer("ping", new Uint8Array(0));
}

/**
 * A refusal in the arm that was asked, with a `RemoteSignerError`: the node logs it and goes on. In
 * any other arm it would ask again 50 times, and stall its consensus for seconds (§1.3). A ping
 * can't be refused, and of an unknown request (null) nothing is known but that it has an answer:
 * the empty message, with its length the single byte 00, as Go's signer gives it.
 */
export function encodeRefusal(
  arm: PrivvalArm | null,
  code: number,
  description: string,
): Uint8Array {
  if (arm === null) return new Uint8Array(0);
  if (arm === "ping") return encodePingAnswer();
  const text = new TextEncoder().encode(description.slice(0, DESCRIPTION_LENGTH_MAX));
  const error = concatBytes(protoVarint(1, BigInt(code)), protoBytes(2, text));
  return encodePrivvalAnswer(arm, protoMessage(ERROR_FIELD, error));
}
