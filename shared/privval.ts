// The privval protocol as far as both sides need it: which request a message carries, and the
// answers that need no key (tendermint.md §1.3). Messages are without the length before them. It
// must never look into a request: only the enclave understands what it signs.

import { concatBytes } from "./bytes/compare.ts";
import { bytesIn, parseProto, protoBytes, protoMessage, protoVarint } from "./bytes/protobuf.ts";
import { err, ok, type Result } from "./result.ts";

/** The `Message` oneof: what a request and its answer are numbered. */
export const PRIVVAL_ARMS = {
  pubKey: { request: 1, answer: 2 },
  vote: { request: 3, answer: 4 },
  proposal: { request: 5, answer: 6 },
  ping: { request: 7, answer: 8 },
  /** SignBytes of CometBFT v1 and v2, SignRawBytes of Celestia: the chain says which. */
  bytes: { request: 9, answer: 10 },
} as const;

export type PrivvalArm = keyof typeof PRIVVAL_ARMS;

export type PrivvalEnvelope = { readonly arm: PrivvalArm; readonly request: Uint8Array };

const ARM_FIELDS = {
  1: "bytes",
  2: "bytes",
  3: "bytes",
  4: "bytes",
  5: "bytes",
  6: "bytes",
  7: "bytes",
  8: "bytes",
  9: "bytes",
  10: "bytes",
} as const;

const ARM_BY_REQUEST: ReadonlyMap<number, PrivvalArm> = new Map(
  Object.entries(PRIVVAL_ARMS).flatMap(([name, { request }]) =>
    isPrivvalArm(name) ? [[request, name] as const] : [],
  ),
);

/** Of `PubKeyResponse`, both signed responses and `SignBytesResponse`; a ping has none. */
const ERROR_FIELD = 2;
/** Of UTF-16; at most three bytes each, so that every refusal is far below what a node reads. */
const DESCRIPTION_LENGTH_MAX = 512;
const utf8 = new TextEncoder();

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
  for (const number of arms.keys()) {
    const arm = ARM_BY_REQUEST.get(number);
    if (arm !== undefined) return ok({ arm, request: bytesIn(arms, number) });
  }
  return err("REQUEST_KIND_UNKNOWN");
}

/** Which request a message carries, for its refusal; null when nothing in it says so. */
export function peekPrivvalArm(message: Uint8Array): PrivvalArm | null {
  const opened = openPrivvalMessage(message);
  return opened.ok ? opened.value.arm : null;
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
 * the empty message, as Go's signer gives it.
 */
export function encodeRefusal(
  arm: PrivvalArm | null,
  code: number,
  description: string,
): Uint8Array {
  if (arm === null) return new Uint8Array(0);
  if (arm === "ping") return encodePingAnswer();
  const text = utf8.encode(description.slice(0, DESCRIPTION_LENGTH_MAX));
  const error = concatBytes(protoVarint(1, BigInt(code)), protoBytes(2, text));
  return encodePrivvalAnswer(arm, protoMessage(ERROR_FIELD, error));
}
