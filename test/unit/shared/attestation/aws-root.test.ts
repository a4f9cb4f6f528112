import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  AWS_NITRO_ROOT_G1,
  AWS_NITRO_ROOT_G1_SHA256,
} from "../../../../shared/attestation/aws-root.ts";

test("the pinned root is the one whose digest is published", () => {
  const digest = createHash("sha256").update(AWS_NITRO_ROOT_G1).digest("hex");
  assert.equal(digest, AWS_NITRO_ROOT_G1_SHA256);
  assert.equal(digest, "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
  assert.equal(AWS_NITRO_ROOT_G1.length, 533);
});
