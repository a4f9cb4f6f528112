import assert from "node:assert/strict";
import { test } from "node:test";
import { isAllowedSource, parseCidr, sourceListOf } from "../../../../parent/ops/cidr.ts";

const GOOD = ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "10.0.0.1/32", "::1", "2001:db8::/32", "::/0"];
const BAD = ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "::1%eth0"];
const MORE_BAD = ["localhost", "10.0.0.0/8 ", "10.0.0.256", "10.0.0.0/"];

for (const text of GOOD) {
  test(`parseCidr takes ${text}`, () => assert.notEqual(parseCidr(text), null));
}

for (const text of [...BAD, ...MORE_BAD]) {
  test(`parseCidr refuses "${text}"`, () => assert.equal(parseCidr(text), null));
}

function listOf(...texts: string[]) {
  return sourceListOf(texts.map((text) => parseCidr(text) ?? assert.fail(text)));
}

const CHECKS: readonly (readonly [address: string | undefined, isAllowed: boolean])[] = [
  ["10.255.255.255", true],
  ["11.0.0.0", false],
  ["::ffff:10.0.0.1", true],
  ["::ffff:11.0.0.1", false],
  ["2001:db8::1", true],
  ["2001:db9::1", false],
  ["nonsense", false],
  ["", false],
  [undefined, false],
];

for (const [address, isAllowed] of CHECKS) {
  test(`isAllowedSource answers ${isAllowed} for ${address ?? "no address"}`, () => {
    assert.equal(isAllowedSource(listOf("10.0.0.0/8", "2001:db8::/32"), address), isAllowed);
  });
}

test("isAllowedSource lets everybody in where no list is configured", () => {
  assert.equal(isAllowedSource(sourceListOf(undefined), "11.0.0.1"), true);
});
