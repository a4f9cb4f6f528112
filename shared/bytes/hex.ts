// Hexadecimal text. It must never guess: an odd length, a sign or a stray character is refused
// (a lax decoder turns a bad digit into a zero byte, and signs something else).

import { err, ok, type Result } from "../result.ts";

const DIGITS = "0123456789abcdef";
const BYTE_TEXT: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => (DIGITS[byte >> 4] ?? "") + (DIGITS[byte & 15] ?? ""),
);

/** The value of each ASCII code as a hex digit, 255 where it is none. */
const DIGIT_VALUE = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value++) {
  const lower = DIGITS.charCodeAt(value);
  DIGIT_VALUE[lower] = value;
  DIGIT_VALUE[lower >= 97 ? lower - 32 : lower] = value;
}

export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += BYTE_TEXT[byte] ?? "";
  return text;
}

/** `0x` and lower-case digits. */
export function encodePrefixedHex(bytes: Uint8Array): string {
  return `0x${encodeHex(bytes)}`;
}

/** Digits of either case, without prefix; exactly `byteCount` bytes when it is given. */
export function parseHex(text: string, byteCount?: number): Result<Uint8Array, "HEX"> {
  return parseDigits(text, 0, byteCount);
}

/** As `parseHex`, with a mandatory `0x`. */
export function parsePrefixedHex(text: string, byteCount?: number): Result<Uint8Array, "HEX"> {
  if (!text.startsWith("0x")) return err("HEX");
  return parseDigits(text, 2, byteCount);
}

function parseDigits(text: string, start: number, byteCount?: number): Result<Uint8Array, "HEX"> {
  const digitCount = text.length - start;
  if (digitCount % 2 !== 0) return err("HEX");
  if (byteCount !== undefined && digitCount !== byteCount * 2) return err("HEX");
  const bytes = new Uint8Array(digitCount / 2);
  for (let index = 0, at = start; index < bytes.length; index++, at += 2) {
    const high = digitValue(text.charCodeAt(at));
    const low = digitValue(text.charCodeAt(at + 1));
    if (high > 15 || low > 15) return err("HEX");
    bytes[index] = (high << 4) | low;
  }
  return ok(bytes);
}

function digitValue(code: number): number {
  return code < 256 ? (DIGIT_VALUE[code] ?? 255) : 255;
}
