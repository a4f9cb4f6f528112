// Writes DER (X.690) for the certificates of local runs and tests. Values come from our own code:
// it must never be fed with untrusted input, and production code has no use for it.

import { concatBytes } from "../../shared/bytes/compare.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";

export function encodeDer(
  tag: number,
  ...contents: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const content = concatBytes(...contents);
  return concatBytes(Uint8Array.of(tag), encodeLength(content.length), content);
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  if (length < 0x1_0000) return Uint8Array.of(0x82, length >> 8, length & 255);
  throw new RangeError("DER content of more than 65535 bytes");
}

export function sequence(...items: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return encodeDer(0x30, ...items);
}

export function set(...items: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return encodeDer(0x31, ...items);
}

/** A non-negative integer from big-endian bytes. */
export function integer(magnitude: Uint8Array): Uint8Array<ArrayBuffer> {
  const first = magnitude.findIndex((byte) => byte !== 0);
  const trimmed = first === -1 ? Uint8Array.of(0) : magnitude.subarray(first);
  const sign = (trimmed[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return encodeDer(0x02, sign, trimmed);
}

export function boolean(value: boolean): Uint8Array<ArrayBuffer> {
  return encodeDer(0x01, Uint8Array.of(value ? 0xff : 0x00));
}

export function octetString(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeDer(0x04, bytes);
}

/** Whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeDer(0x03, Uint8Array.of(0), bytes);
}

/** A named bit list (X.690 §11.2.2): bit 0 is the highest of the first byte, no trailing zeros. */
export function namedBits(bits: readonly number[]): Uint8Array<ArrayBuffer> {
  const highest = Math.max(-1, ...bits);
  const bytes = new Uint8Array(Math.ceil((highest + 1) / 8));
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  const unusedBits = highest < 0 ? 0 : 7 - (highest & 7);
  return encodeDer(0x03, Uint8Array.of(unusedBits), bytes);
}

export function oid(dotted: string): Uint8Array<ArrayBuffer> {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      septets.unshift((left % 128) | 0x80);
    }
    bytes.push(...septets);
  }
  return encodeDer(0x06, Uint8Array.from(bytes));
}

export function printableString(text: string): Uint8Array<ArrayBuffer> {
  return encodeDer(0x13, new TextEncoder().encode(text));
}

/** RFC 5280 §4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050 on. */
export function time(ms: number): Uint8Array<ArrayBuffer> {
  const digits = encodeUtc(ms).slice(0, 19).replaceAll(/[-:T]/g, "");
  const isUtcTime = digits < "2050";
  const text = `${isUtcTime ? digits.slice(2) : digits}Z`;
  return encodeDer(isUtcTime ? 0x17 : 0x18, new TextEncoder().encode(text));
}
