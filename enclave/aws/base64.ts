// Base64 (RFC 4648 §4), as AWS's JSON carries bytes. It must never guess: Node's decoder skips what
// it does not know and takes both alphabets, so that many texts mean the same bytes.

import { err, ok, type Result } from "../../shared/result.ts";

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** The one text of each byte string, padding included; at most `byteCountMax` bytes. */
export function parseBase64(text: string, byteCountMax: number): Result<Uint8Array, "BASE64"> {
  if (text.length > 4 * Math.ceil(byteCountMax / 3)) return err("BASE64");
  const bytes = Buffer.from(text, "base64");
  if (bytes.length > byteCountMax || bytes.toString("base64") !== text) return err("BASE64");
  return ok(bytes);
}
