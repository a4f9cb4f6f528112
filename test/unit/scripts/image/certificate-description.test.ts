import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { describeCertificate } from "../../../../scripts/image/certificate-description.ts";
import {
  issueCertificate,
  leafExtension,
  type Name,
  publicKeyOf,
} from "../../../../scripts/local/certificate-issuer.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });

function describeIssuer(issuer: Name) {
  const der = issueCertificate({
    subject: [["CN", "subject"]],
    issuer,
    publicKey: publicKeyOf(privateKey),
    signingKey: privateKey,
    notBeforeMs: Date.UTC(2026, 0, 3, 20, 41, 7),
    notAfterMs: Date.UTC(2051, 11, 31, 1, 2, 3),
    extensions: [leafExtension()],
  });
  return describeCertificate(new X509Certificate(der));
}

test("describeCertificate says names, algorithm and times as OpenSSL prints them", () => {
  const { Signature, ...rest } = describeIssuer([
    ["CN", "issuer"],
    ["C", "CH"],
    ["ST", "Zug"],
    ["OU", "Nodes"],
  ]);
  assert.deepEqual(rest, {
    IssuerName: {
      commonName: "issuer",
      countryName: "CH",
      organizationalUnitName: "Nodes",
      stateOrProvinceName: "Zug",
    },
    Algorithm: "ecdsa-with-SHA384",
    NotBefore: "Jan  3 20:41:07 2026 GMT",
    NotAfter: "Dec 31 01:02:03 2051 GMT",
  });
  assert.match(Signature, /^30:[0-9A-F]{2}(:[0-9A-F]{2}){90,}$/);
});

test("describeCertificate sorts the names and shows the last of two that are the same", () => {
  const { IssuerName } = describeIssuer([
    ["OU", "first"],
    ["CN", "issuer"],
    ["OU", "second"],
  ]);
  assert.deepEqual(Object.entries(IssuerName), [
    ["commonName", "issuer"],
    ["organizationalUnitName", "second"],
  ]);
});

test("describeCertificate escapes what a terminal would act on", () => {
  const { IssuerName } = describeIssuer([["CN", 'a"b\\c\n\u001b[31m']]);
  assert.equal(IssuerName["commonName"], String.raw`a\b\\c\n\u{1b}[31m`);
});
