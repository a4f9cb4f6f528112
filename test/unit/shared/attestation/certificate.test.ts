import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import {
  authorityExtension,
  encodeCertificatePem,
  extension,
  issueCertificate,
  keyUsageExtension,
  leafExtension,
  publicKeyOf,
} from "../../../../scripts/local/certificate-issuer.ts";
import { boolean, integer, sequence } from "../../../../scripts/local/der-writer.ts";
import { generateP384Key } from "../../../../scripts/local/nsm-pki.ts";
import { AWS_NITRO_ROOT_G1 } from "../../../../shared/attestation/aws-root.ts";
import {
  parseCertificate,
  parseEcdsaSignature,
} from "../../../../shared/attestation/certificate.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { CA_USAGE, NOW_MS, shortChain, TEST_NAMES } from "../../../fakes/attestation-fixture.ts";

const KEY = generateP384Key();

function certificateWith(...extensions: readonly Uint8Array[]): Uint8Array {
  return issueCertificate({
    subject: TEST_NAMES.leaf,
    issuer: TEST_NAMES.root,
    publicKey: publicKeyOf(KEY),
    signingKey: KEY,
    notBeforeMs: NOW_MS,
    notAfterMs: NOW_MS + 1000,
    extensions,
  });
}

function codeOf(der: Uint8Array): string {
  const parsed = parseCertificate(der);
  return parsed.ok ? "OK" : parsed.error.code;
}

function manyExtensions(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    extension(`1.2.${index}`, false, Uint8Array.of(5, 0)),
  );
}

describe("parseCertificate", () => {
  test("reads the root of AWS as OpenSSL does", () => {
    const parsed = parseCertificate(AWS_NITRO_ROOT_G1);
    assert.ok(parsed.ok);
    const root = parsed.value;
    const openssl = new X509Certificate(AWS_NITRO_ROOT_G1);
    assert.equal(encodeHex(root.serial).toUpperCase(), openssl.serialNumber);
    assert.equal(root.notBeforeMs, Date.parse("2019-10-28T13:28:05Z"));
    assert.equal(root.notAfterMs, Date.parse("2049-10-28T14:28:05Z"));
    assert.equal(encodeHex(root.issuer), encodeHex(root.subject));
    assert.equal(root.isAuthority, true);
    assert.equal(root.pathLengthMax, null);
    assert.deepEqual(root.keyUsage, { digitalSignature: true, keyCertSign: true });
    const spki = openssl.publicKey.export({ type: "spki", format: "der" });
    assert.ok(encodeHex(spki).endsWith(encodeHex(root.publicKey)));
  });

  test("reads what our own issuer writes, which OpenSSL verifies too", () => {
    const chain = shortChain();
    const middle = parseCertificate(chain.cabundle[1] ?? new Uint8Array());
    const leaf = parseCertificate(chain.certificate);
    assert.ok(middle.ok && leaf.ok);
    assert.equal(middle.value.pathLengthMax, 0);
    assert.equal(leaf.value.isAuthority, false);
    assert.deepEqual(leaf.value.keyUsage, { digitalSignature: true, keyCertSign: false });
    const issuer = new X509Certificate(encodeCertificatePem(middle.value.der));
    assert.ok(new X509Certificate(chain.certificate).verify(issuer.publicKey));
  });

  const usage = CA_USAGE;
  const rows: readonly (readonly [string, string, readonly Uint8Array[]])[] = [
    ["no key usage", "OK", [leafExtension()]],
    ["no basic constraints", "OK", [usage]],
    ["an unknown extension", "OK", [usage, extension("1.2.3.4", false, integer(Uint8Array.of(1)))]],
    [
      "an unknown critical extension",
      "ATTEST_CERTIFICATE",
      [usage, extension("1.2.3.4", true, integer(Uint8Array.of(1)))],
    ],
    ["the same extension twice", "ATTEST_CERTIFICATE", [usage, usage]],
    [
      "the same unknown extension twice",
      "ATTEST_CERTIFICATE",
      [extension("1.2.3", false, usage), extension("1.2.3", false, usage)],
    ],
    ["an empty list of extensions", "ATTEST_CERTIFICATE", []],
    [
      "basic constraints that say FALSE, which is the default",
      "ATTEST_CERTIFICATE",
      [extension("2.5.29.19", true, sequence(boolean(false)))],
    ],
    [
      "a path length on a leaf",
      "ATTEST_CERTIFICATE",
      [extension("2.5.29.19", true, sequence(integer(Uint8Array.of(0))))],
    ],
    [
      "a negative path length",
      "ATTEST_CERTIFICATE",
      [extension("2.5.29.19", true, sequence(boolean(true), Uint8Array.of(2, 1, 0xff)))],
    ],
    [
      "bytes after the basic constraints",
      "ATTEST_CERTIFICATE",
      [extension("2.5.29.19", true, Uint8Array.of(0x30, 0, 0))],
    ],
    ["a key usage without bits", "ATTEST_CERTIFICATE", [keyUsageExtension(true)]],
    [
      "a key usage that is no bit string",
      "ATTEST_CERTIFICATE",
      [extension("2.5.29.15", true, Uint8Array.of(4, 1, 4))],
    ],
    ["17 extensions", "ATTEST_CERTIFICATE", manyExtensions(17)],
    ["16 extensions", "OK", manyExtensions(16)],
  ];
  for (const [name, code, extensions] of rows) {
    test(`answers ${code} to ${name}`, () => {
      assert.equal(codeOf(certificateWith(...extensions)), code);
    });
  }

  test("refuses other curves, other key types and points off the curve", () => {
    const p256 = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey;
    const k256 = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey;
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
    for (const publicKey of [p256, k256, rsa]) {
      const der = issueCertificate({
        subject: TEST_NAMES.leaf,
        issuer: TEST_NAMES.root,
        publicKey,
        signingKey: KEY,
        notBeforeMs: NOW_MS,
        notAfterMs: NOW_MS,
        extensions: [leafExtension()],
      });
      assert.equal(codeOf(der), "ATTEST_CERTIFICATE");
    }
    const good = certificateWith(leafExtension());
    const point = publicKeyOf(KEY).export({ type: "spki", format: "der" }).subarray(-97);
    const at = Buffer.from(good).indexOf(point);
    const moved = Uint8Array.from(good);
    moved[at + 96] = (moved[at + 96] ?? 0) ^ 1;
    assert.equal(codeOf(moved), "ATTEST_CERTIFICATE");
  });

  test("refuses an algorithm that differs inside and outside, and version 1", () => {
    const good = certificateWith(authorityExtension(null));
    const algorithm = Buffer.from("2a8648ce3d040303", "hex");
    const inner = Buffer.from(good).indexOf(algorithm);
    const outer = Buffer.from(good).lastIndexOf(algorithm);
    assert.notEqual(inner, outer);
    for (const at of [inner, outer]) {
      const changed = Uint8Array.from(good);
      changed[at + 7] = 2; // ecdsa-with-SHA256
      assert.equal(codeOf(changed), "ATTEST_CERTIFICATE");
    }
    const version = Buffer.from(good).indexOf(Buffer.from("a003020102", "hex"));
    const changed = Uint8Array.from(good);
    changed[version + 4] = 0;
    assert.equal(codeOf(changed), "ATTEST_CERTIFICATE");
  });

  test("refuses truncated, padded and oversized certificates", () => {
    const good = certificateWith(leafExtension());
    for (let length = 0; length < good.length; length++) {
      assert.equal(codeOf(good.subarray(0, length)), "ATTEST_CERTIFICATE");
    }
    assert.equal(codeOf(Uint8Array.of(...good, 0)), "ATTEST_CERTIFICATE");
    const filler = extension("1.2.3", false, new Uint8Array(700));
    assert.equal(codeOf(certificateWith(filler)), "ATTEST_CERTIFICATE");
  });

  test("refuses a validity that ends before it begins or begins before 1970", () => {
    const times = [
      [NOW_MS, NOW_MS - 1000, "ATTEST_CERTIFICATE"],
      [NOW_MS, NOW_MS, "OK"],
    ] as const;
    for (const [notBeforeMs, notAfterMs, code] of times) {
      const spec = { subject: TEST_NAMES.leaf, issuer: TEST_NAMES.root, notBeforeMs, notAfterMs };
      const keys = { publicKey: publicKeyOf(KEY), signingKey: KEY };
      const der = issueCertificate({ ...spec, ...keys, extensions: [leafExtension()] });
      assert.equal(codeOf(der), code);
    }
  });
});

describe("parseEcdsaSignature", () => {
  test("pads short halves on the left", () => {
    const signature = parseEcdsaSignature(
      sequence(integer(Uint8Array.of(1)), integer(Uint8Array.of(0xff))),
    );
    assert.equal(
      encodeHex(signature ?? new Uint8Array()),
      `${"00".repeat(47)}01${"00".repeat(47)}ff`,
    );
  });

  test("refuses other shapes, negative and oversized halves", () => {
    const half = integer(new Uint8Array(48).fill(0xff));
    assert.notEqual(parseEcdsaSignature(sequence(half, half)), undefined);
    const oversized = integer(new Uint8Array(49).fill(1));
    const wrong = [
      sequence(half),
      sequence(half, half, half),
      sequence(half, oversized),
      sequence(oversized, half),
      sequence(half, Uint8Array.of(2, 1, 0x80)),
      sequence(half, Uint8Array.of(5, 0)),
      Uint8Array.of(...sequence(half, half), 0),
      new Uint8Array(),
    ];
    for (const der of wrong) assert.equal(parseEcdsaSignature(der), undefined);
  });
});
