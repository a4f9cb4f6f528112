import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { identityOf, spiffeOf } from "../../../../parent/api/identity.ts";
import { TestCa } from "../../../fakes/tls-pki.ts";

const ca = new TestCa("ca");
const GOOD = "spiffe://example.org/validator/lighthouse-1";

function identityWith(...uris: string[]) {
  return identityOf(new X509Certificate(ca.leaf("client", { uris }).cert));
}

test("identityOf reads the fingerprint as lower-case digits and the one SPIFFE ID", () => {
  const pair = ca.leaf("client", { uris: [GOOD] });
  assert.deepEqual(identityOf(new X509Certificate(pair.cert)), {
    fingerprint: pair.fingerprint.replaceAll(":", "").toLowerCase(),
    spiffe: GOOD,
  });
});

const REFUSED: readonly (readonly [what: string, uris: readonly string[]])[] = [
  ["no URI", []],
  ["two SPIFFE IDs", [GOOD, "spiffe://example.org/other"]],
  ["a SPIFFE ID and another URI", [GOOD, "https://example.org/"]],
  ["one URI that looks like two when printed", [`${GOOD}, URI:spiffe://example.org/other`]],
  ["another scheme", ["https://example.org/validator"]],
  ["an upper-case scheme", ["SPIFFE://example.org/validator"]],
  ["an upper-case trust domain", ["spiffe://Example.org/validator"]],
  ["no path", ["spiffe://example.org"]],
  ["an empty path", ["spiffe://example.org/"]],
  ["a slash at the end", [`${GOOD}/`]],
  ["an empty segment", ["spiffe://example.org//validator"]],
  ["a dot segment", ["spiffe://example.org/./validator"]],
  ["a dot-dot segment", ["spiffe://example.org/a/../validator"]],
  ["a dot-dot segment at the end", ["spiffe://example.org/a/.."]],
  ["a port", ["spiffe://example.org:443/validator"]],
  ["a user", ["spiffe://me@example.org/validator"]],
  ["a query", [`${GOOD}?a=1`]],
  ["a fragment", [`${GOOD}#a`]],
  ["a percent escape", ["spiffe://example.org/valid%61tor"]],
  ["a line break", [`${GOOD}\n`]],
  ["a NUL", [`${GOOD}\0`]],
];

for (const [what, uris] of REFUSED) {
  test(`spiffeOf refuses ${what}`, () => {
    assert.equal(identityWith(...uris).spiffe, null);
  });
}

test("spiffeOf refuses a name that Node had to quote, whatever is inside", () => {
  assert.equal(spiffeOf(`URI:"${GOOD}"`), null);
  assert.equal(spiffeOf(`DNS:"a, URI:${GOOD}", URI:${GOOD}`), null);
});

test("spiffeOf allows other kinds of names beside the URI", () => {
  assert.equal(spiffeOf(`DNS:a.example.org, URI:${GOOD}, IP Address:127.0.0.1`), GOOD);
});
