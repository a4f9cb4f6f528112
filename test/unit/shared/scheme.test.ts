import assert from "node:assert/strict";
import { test } from "node:test";
import { isScheme, SCHEMES, SECRET_KEY_BYTES, schemeOfNumber } from "../../../shared/scheme.ts";

const ENTRIES = Object.entries(SCHEMES);

test("schemes have numbers of their own that fit in a byte, and sizes that fit their fields", () => {
  const numbers = ENTRIES.map(([, { number }]) => number);
  assert.equal(new Set(numbers).size, numbers.length);
  for (const [, { number, publicKeyBytes, secretKeyBytes }] of ENTRIES) {
    assert.equal(secretKeyBytes, SECRET_KEY_BYTES);
    assert.ok(number >= 1 && number <= 255);
    assert.ok(publicKeyBytes >= 1 && publicKeyBytes <= 200);
    assert.ok(secretKeyBytes >= 1 && secretKeyBytes <= 255);
  }
});

test("a scheme's number leads back to it, and stays what it was", () => {
  for (const [name, { number }] of ENTRIES) assert.equal(schemeOfNumber(number), name);
  const names = ["bls12381-pop", "ed25519", "secp256k1", "bls12381-nul", "secp256k1eth"];
  for (const [index, name] of names.entries()) assert.equal(schemeOfNumber(index + 1), name);
  assert.equal(ENTRIES.length, names.length);
});

test("other numbers and names are no scheme", () => {
  for (const number of [-1, 0, 0.5, 1.5, 6, 255, 2 ** 32 + 1, Number.NaN]) {
    assert.equal(schemeOfNumber(number), undefined);
  }
  for (const name of ["", "bls12381", "BLS12381-POP", "toString", "constructor", "__proto__"]) {
    assert.equal(isScheme(name), false);
  }
  assert.ok(isScheme("bls12381-pop"));
});
