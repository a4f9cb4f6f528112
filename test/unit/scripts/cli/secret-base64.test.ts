import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSecretBase64 } from "../../../../scripts/cli/secret-base64.ts";

function parse(text: string): Uint8Array | null {
  return parseSecretBase64(new TextEncoder().encode(text));
}

test("parseSecretBase64 gives back what Node's encoder wrote, at every length and for every byte", () => {
  for (let length = 0; length <= 100; length++) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 37 + length * 101) & 255);
    assert.deepEqual(parse(Buffer.from(bytes).toString("base64")), bytes);
  }
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  assert.deepEqual(parse(Buffer.from(all).toString("base64")), all);
});

test("parseSecretBase64 takes one text for each byte string and no other", () => {
  const misshapen = [
    "A",
    "AA",
    "AAA",
    "AAAAA",
    "A===",
    "====",
    "AA=A",
    "AA==AAAA",
    "=AAA",
    "AAA==",
  ];
  // The last digit has bits beyond the last byte.
  const loose = ["AB==", "AP==", "//==", "AAB=", "AAD="];
  const strange = ["AAA-", "AAA_", "AA A", "AAA\n", "AAAA\n", " AAA", "AA\0A", "AAAé", "AAA\x7f"];
  for (const text of [...misshapen, ...loose, ...strange])
    assert.equal(parse(text), null, JSON.stringify(text));
  for (const text of ["", "AA==", "AQ==", "AAA=", "AAE=", "++//"]) {
    assert.notEqual(parse(text), null, text);
  }
});
