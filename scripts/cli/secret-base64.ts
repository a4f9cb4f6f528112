// Base64 (RFC 4648 §4) of secrets, from bytes to bytes: Node's decoder takes text, which can't be
// overwritten. It must never guess: each byte string has one text, padding included.

import { allocateSecret, wipe } from "../../enclave/keys/secret.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING = 0x3d;

/** The value of each byte as a digit, 64 where it is none. */
const DIGIT_VALUE = new Uint8Array(256).fill(64);
for (let value = 0; value < 64; value++) DIGIT_VALUE[ALPHABET.charCodeAt(value)] = value;

/** Null for any other text. The caller wipes the result, and the text when it is done with it. */
export function parseSecretBase64(text: Uint8Array): Uint8Array<ArrayBuffer> | null {
  if (text.length % 4 !== 0) return null;
  const paddingCount = text.at(-1) !== PADDING ? 0 : text.at(-2) !== PADDING ? 1 : 2;
  const digitCount = text.length - paddingCount;
  const bytes = allocateSecret(Math.floor((digitCount * 6) / 8));
  let bits = 0;
  let bitCount = 0;
  let length = 0;
  for (let at = 0; at < digitCount; at++) {
    const value = DIGIT_VALUE[text[at] ?? 0] ?? 64;
    if (value === 64) {
      wipe(bytes);
      return null;
    }
    bits = ((bits << 6) | value) & 0xfff;
    bitCount += 6;
    if (bitCount < 8) continue;
    bitCount -= 8;
    bytes[length] = bits >> bitCount;
    length += 1;
  }
  // What the last digit has beyond the last byte is zero, or two texts would mean the same.
  if ((bits & ((1 << bitCount) - 1)) === 0) return bytes;
  wipe(bytes);
  return null;
}
