// How a stream to the relay begins: the enclave sends one frame `[host, port]`, the relay answers
// one frame `[0]` (connected) or `[error number]`, and from then on bytes pass as they are, both
// ways. Neither side may read a byte beyond its frame as anything but raw data.

import { encodeCbor, isArray, parseCbor } from "../bytes/cbor.ts";
import { ERRORS, type ErrorCode, errorCodeOfNumber, type Refusal, refusal } from "../errors.ts";
import { RELAY_PREFACE_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { encodeFrame, FRAME_HEAD_BYTES } from "./frame.ts";

export type RelayTarget = { readonly host: string; readonly port: number };

export type Preface = {
  readonly body: Uint8Array;
  /** What came after it: raw data already. */
  readonly rest: Uint8Array;
};

type PrefaceRefusal = Refusal<"FRAME_OVERSIZE" | "FRAME_MALFORMED">;

/** A DNS name, lower case: the form of the allow-list, so that comparing is comparing bytes. */
const HOST =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const PORT_MAX = 65_535;
const BOUNDS = { depthMax: 1, itemCountMax: 3 };

/** The first frame of all bytes received so far; null while it is not whole. */
export function takePreface(received: Uint8Array): Result<Preface | null, PrefaceRefusal> {
  if (received.length < FRAME_HEAD_BYTES) return ok(null);
  const { buffer, byteOffset } = received;
  const length = new DataView(buffer, byteOffset, FRAME_HEAD_BYTES).getUint32(0);
  if (length > RELAY_PREFACE_BYTES_MAX) return err(refusal("FRAME_OVERSIZE"));
  const end = FRAME_HEAD_BYTES + length;
  if (received.length < end) return ok(null);
  return ok({ body: received.subarray(FRAME_HEAD_BYTES, end), rest: received.subarray(end) });
}

export function isRelayHost(text: string): boolean {
  return HOST.test(text);
}

export function encodeRelayTarget(target: RelayTarget): Uint8Array<ArrayBuffer> {
  return encodeFrame(encodeCbor([target.host, target.port]));
}

export function parseRelayTarget(body: Uint8Array): Result<RelayTarget, PrefaceRefusal> {
  const message = parseCbor(body, BOUNDS);
  if (!message.ok || !isArray(message.value)) return err(refusal("FRAME_MALFORMED"));
  const [host, port, ...rest] = message.value;
  if (typeof host !== "string" || !isRelayHost(host) || rest.length > 0) {
    return err(refusal("FRAME_MALFORMED"));
  }
  if (typeof port !== "number" || port < 1 || port > PORT_MAX) {
    return err(refusal("FRAME_MALFORMED"));
  }
  return ok({ host, port });
}

export function encodeRelayAnswer(code: ErrorCode | null): Uint8Array<ArrayBuffer> {
  return encodeFrame(encodeCbor([code === null ? 0 : ERRORS[code].number]));
}

/** The error of the answer itself, or what the relay said in it. */
export function parseRelayAnswer(body: Uint8Array): Result<null, Refusal> {
  const message = parseCbor(body, BOUNDS);
  if (!message.ok || !isArray(message.value)) return err(refusal("FRAME_MALFORMED"));
  const [status, ...rest] = message.value;
  if (typeof status !== "number" || rest.length > 0) return err(refusal("FRAME_MALFORMED"));
  if (status === 0) return ok(null);
  return err(refusal(errorCodeOfNumber(status) ?? "FRAME_MALFORMED"));
}
