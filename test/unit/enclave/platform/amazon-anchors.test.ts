import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { amazonAnchors } from "../../../../enclave/platform/amazon-anchors.ts";

describe("amazonAnchors", () => {
  const anchors = amazonAnchors().map((pem) => new X509Certificate(pem));

  it("are the five roots of Amazon Trust Services", () => {
    const names = anchors.map(({ subject }) => /CN=(.*)/.exec(subject)?.[1]);
    assert.deepEqual(names, [
      "Amazon Root CA 1",
      "Amazon Root CA 2",
      "Amazon Root CA 3",
      "Amazon Root CA 4",
      "Starfield Services Root Certificate Authority - G2",
    ]);
  });

  it("are authorities that certify themselves", () => {
    for (const anchor of anchors) {
      assert.equal(anchor.ca, true);
      assert.equal(anchor.verify(anchor.publicKey), true);
    }
  });
});
