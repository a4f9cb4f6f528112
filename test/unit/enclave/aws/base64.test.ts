import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBase64, parseBase64 } from "../../../../enclave/aws/base64.ts";

test("base64 has one text for each byte string, and gives the bytes back", () => {
  for (let length = 0; length < 70; length++) {
    const bytes = new Uint8Array(length + 2).map((_, index) => index * 37).subarray(1, -1);
    const text = encodeBase64(bytes);
    assert.equal(text, Buffer.from(bytes).toString("base64"));
    const parsed = parseBase64(text, length);
    assert(parsed.ok);
    assert.deepEqual(Uint8Array.from(parsed.value), Uint8Array.from(bytes));
    assert(length === 0 || !parseBase64(text, length - 1).ok, "one byte above the limit");
  }
});

const REFUSED: Readonly<Record<string, string>> = {
  "no padding": "AAA",
  "half of the padding": "AA=",
  "too much padding": "AAA==",
  "padding alone": "====",
  "padding in the middle": "AA==AAAA",
  "bits that are left over": "AB==",
  "a space": "AAAA ",
  "a line break": "AAAA\nAAAA",
  "the URL alphabet": "__-_",
  "another character": "AA*A",
  "one character": "A",
  "text beyond ASCII": "AAAÄ",
  "what Node would skip": "AAAA\u0000\u0000\u0000\u0000",
};

for (const [title, text] of Object.entries(REFUSED)) {
  test(`base64 refuses ${title}`, () => {
    assert.deepEqual(parseBase64(text, 100), { ok: false, error: "BASE64" });
  });
}
