import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  authorityExtension,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
} from "../../../../scripts/local/certificate-issuer.ts";
import { generateP384Key } from "../../../../scripts/local/nsm-pki.ts";
import { type Certificate, parseCertificate } from "../../../../shared/attestation/certificate.ts";
import {
  isLinked,
  isPinnedRoot,
  isSignedBy,
  isUsedAsAllowed,
  isValidAt,
  parsePath,
  validityOf,
} from "../../../../shared/attestation/chain.ts";
import {
  CA_USAGE,
  DAY_MS,
  FIELDS,
  LEAF_USAGE,
  type LinkChanges,
  NOW_MS,
  ROOT,
  type ShortChain,
  shortChain,
  TEST_NAMES,
} from "../../../fakes/attestation-fixture.ts";

function pathOf(chain: ShortChain): readonly Certificate[] {
  const path = parsePath(chain.cabundle, chain.certificate);
  assert.ok(path.ok);
  return path.value;
}

function rights(pathLength: number): LinkChanges {
  return { extensions: [authorityExtension(pathLength), CA_USAGE] };
}

describe("a path", () => {
  test("of AWS's shape keeps all the rules", () => {
    const path = parsePath(FIELDS.cabundle, FIELDS.certificate);
    assert.ok(path.ok);
    assert.equal(path.value.length, 5);
    assert.ok(isPinnedRoot(path.value, ROOT.der));
    assert.ok(isLinked(path.value));
    assert.ok(isUsedAsAllowed(path.value));
    assert.ok(isValidAt(path.value, NOW_MS));
  });

  test("with a certificate that can't be read is refused whole", () => {
    const chain = shortChain();
    const path = parsePath([...chain.cabundle, Uint8Array.of(0x30, 0)], chain.certificate);
    assert.equal(path.ok ? "OK" : path.error.code, "ATTEST_CERTIFICATE");
  });

  test("is pinned to the bytes of its root, which must not be the leaf itself", () => {
    const chain = shortChain();
    const path = pathOf(chain);
    assert.ok(isPinnedRoot(path, chain.rootDer));
    assert.ok(!isPinnedRoot(path, ROOT.der));
    assert.ok(!isPinnedRoot(path, chain.rootDer.subarray(1)));
    assert.ok(!isPinnedRoot(path.slice(1), chain.rootDer));
    assert.ok(!isPinnedRoot(path.slice(0, 1), chain.rootDer));
    assert.ok(!isPinnedRoot([], chain.rootDer));
  });

  const unlinked: readonly (readonly [string, Parameters<typeof shortChain>[0]])[] = [
    ["an authority signed by another key", { middle: { signingKey: generateP384Key() } }],
    ["a leaf signed by another key", { leaf: { signingKey: generateP384Key() } }],
    ["a leaf that names the root as issuer", { leaf: { issuer: TEST_NAMES.root } }],
    ["an authority that names another issuer", { middle: { issuer: TEST_NAMES.leaf } }],
    ["an authority of another name", { middle: { subject: TEST_NAMES.leaf } }],
  ];
  for (const [name, changes] of unlinked) {
    test(`is not linked with ${name}`, () =>
      assert.equal(isLinked(pathOf(shortChain(changes))), false));
  }

  test("is not linked in another order or with a gap", () => {
    const [root, middle, leaf] = pathOf(shortChain());
    assert.ok(root !== undefined && middle !== undefined && leaf !== undefined);
    assert.ok(isLinked([root, middle, leaf]));
    assert.ok(!isLinked([root, leaf]));
    assert.ok(!isLinked([middle, root, leaf]));
    assert.ok(!isLinked([root, middle, middle, leaf]));
  });

  const misused: readonly (readonly [string, Parameters<typeof shortChain>[0]])[] = [
    ["a root that is no authority", { root: { extensions: [leafExtension(), CA_USAGE] } }],
    ["a root without key usage", { root: { extensions: [authorityExtension(null)] } }],
    ["an authority without basic constraints", { middle: { extensions: [CA_USAGE] } }],
    ["an authority that is none", { middle: { extensions: [leafExtension(), CA_USAGE] } }],
    ["an authority without key usage", { middle: { extensions: [authorityExtension(0)] } }],
    [
      "an authority that may not sign certificates",
      { middle: { extensions: [authorityExtension(0), LEAF_USAGE] } },
    ],
    ["a root whose path length is used up", { root: rights(0) }],
    [
      "a leaf that is an authority",
      { leaf: { extensions: [authorityExtension(null), LEAF_USAGE] } },
    ],
    ["a leaf without key usage", { leaf: { extensions: [leafExtension()] } }],
    [
      "a leaf that may not sign documents",
      {
        leaf: { extensions: [leafExtension(), keyUsageExtension(true, KEY_USAGE.nonRepudiation)] },
      },
    ],
  ];
  for (const [name, changes] of misused) {
    test(`is misused with ${name}`, () => {
      assert.equal(isUsedAsAllowed(pathOf(shortChain(changes))), false);
    });
  }

  test("keeps within a path length that is just long enough", () => {
    assert.ok(isUsedAsAllowed(pathOf(shortChain({ root: rights(1) }))));
    assert.ok(isUsedAsAllowed(pathOf(shortChain({ middle: rights(0) }))));
  });

  test("is valid from the latest beginning to the earliest end, both included", () => {
    const chain = shortChain({
      middle: { notBeforeMs: NOW_MS - 2000 },
      leaf: { notAfterMs: NOW_MS + 5000 },
    });
    const path = pathOf(chain);
    const { notBeforeMs, notAfterMs } = validityOf(path);
    assert.equal(notBeforeMs, Math.floor((NOW_MS - 2000) / 1000) * 1000);
    assert.equal(notAfterMs, Math.floor((NOW_MS + 5000) / 1000) * 1000);
    assert.ok(isValidAt(path, notBeforeMs));
    assert.ok(!isValidAt(path, notBeforeMs - 1));
    assert.ok(isValidAt(path, notAfterMs));
    assert.ok(!isValidAt(path, notAfterMs + 1));
    assert.ok(!isValidAt(path, NOW_MS + DAY_MS * 2));
    assert.ok(!isValidAt([], NOW_MS));
  });
});

describe("isSignedBy", () => {
  test("takes both forms of a signature, and nothing that is not one", () => {
    const leaf = parseCertificate(FIELDS.certificate);
    const issuer = parseCertificate(FIELDS.cabundle[3] ?? new Uint8Array());
    assert.ok(leaf.ok && issuer.ok);
    const { signature, tbs } = leaf.value;
    const { publicKey } = issuer.value;
    assert.ok(isSignedBy(signature, tbs, publicKey));
    assert.ok(isSignedBy(otherForm(signature), tbs, publicKey));
    assert.notDeepEqual(otherForm(signature), signature);
    assert.ok(!isSignedBy(signature.subarray(1), tbs, publicKey));
    assert.ok(!isSignedBy(new Uint8Array(96), tbs, publicKey));
    assert.ok(!isSignedBy(new Uint8Array(96).fill(0xff), tbs, publicKey));
    assert.ok(!isSignedBy(signature, tbs.subarray(1), publicKey));
    assert.ok(!isSignedBy(signature, tbs, leaf.value.publicKey));
    assert.ok(!isSignedBy(signature, tbs, new Uint8Array(97)));
  });
});

const ORDER = BigInt(
  "0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
);

/** (r, n - s): as valid as (r, s), so one of the two is the high-S form. */
function otherForm(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(48)).toString("hex")}`);
  const other = (ORDER - s).toString(16).padStart(96, "0");
  return new Uint8Array(Buffer.concat([signature.subarray(0, 48), Buffer.from(other, "hex")]));
}
