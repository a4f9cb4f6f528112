import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  fetchSource,
  parseSource,
  readTlsFiles,
  type TlsFiles,
} from "../../../../scripts/cli/attestation-source.ts";
import {
  authorityExtension,
  encodeCertificatePem,
  extension,
  issueCertificate,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
  publicKeyOf,
} from "../../../../scripts/local/certificate-issuer.ts";
import { encodeDer, sequence } from "../../../../scripts/local/der-writer.ts";
import { generateP384Key } from "../../../../scripts/local/nsm-pki.ts";

let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-source-"));
});

after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** `localhost` and a client, under one authority. */
function tlsFiles() {
  const times = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
  const [caKey, serverKey, clientKey] = [generateP384Key(), generateP384Key(), generateP384Key()];
  const authority = { issuer: [["CN", "ca"]], signingKey: caKey } as const;
  const localhost = encodeDer(0x82, new TextEncoder().encode("localhost"));
  const ca = issueCertificate({
    ...authority,
    ...times,
    subject: [["CN", "ca"]],
    publicKey: publicKeyOf(caKey),
    extensions: [authorityExtension(0), keyUsageExtension(true, KEY_USAGE.keyCertSign)],
  });
  const server = issueCertificate({
    ...authority,
    ...times,
    subject: [["CN", "server"]],
    publicKey: publicKeyOf(serverKey),
    extensions: [leafExtension(), extension("2.5.29.17", false, sequence(localhost))],
  });
  const client = issueCertificate({
    ...authority,
    ...times,
    subject: [["CN", "client"]],
    publicKey: publicKeyOf(clientKey),
    extensions: [leafExtension()],
  });
  const pkcs8 = { type: "pkcs8", format: "pem" } as const;
  return {
    server: { cert: encodeCertificatePem(server), key: serverKey.export(pkcs8) },
    ca: encodeCertificatePem(ca),
    files: {
      ca: fileOf("ca.pem", encodeCertificatePem(ca)),
      cert: fileOf("client.pem", encodeCertificatePem(client)),
      key: fileOf("client.key", clientKey.export(pkcs8)),
    },
  };
}

async function fetchWith(url: string, files: TlsFiles) {
  const options = await readTlsFiles(files);
  assert.ok(options.ok);
  return fetchSource(new URL(url), Uint8Array.of(7), options.value);
}

test("fetchSource shows its certificate to an https URL, and checks the one it is shown", async () => {
  const { server: keys, ca, files } = tlsFiles();
  const options = { ...keys, ca, requestCert: true, minVersion: "TLSv1.3" } as const;
  const server = createServer(options, (request, response) => response.end(request.url));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const url = `https://localhost:${address.port}`;
    const good = await fetchWith(url, files);
    assert.ok(good.ok);
    assert.equal(new TextDecoder().decode(good.value), "/attestation?nonce=07");
    assert.ok(!(await fetchWith(url, { ...files, cert: undefined, key: undefined })).ok);
    assert.ok(!(await fetchWith(url, { ...files, ca: undefined })).ok);
    assert.ok(!(await fetchWith(`https://127.0.0.1:${address.port}`, files)).ok);
  } finally {
    server.close();
  }
});

test("readTlsFiles refuses a file that is not there", async () => {
  const files = { cert: undefined, key: undefined, ca: join(folder, "nothing") };
  assert.equal((await readTlsFiles(files)).ok, false);
});

describe("parseSource", () => {
  const good = { document: "AA==", manifest: "AA==", publicKeys: ["01".repeat(48)] };
  const wrong: readonly unknown[] = [
    {},
    { ...good, document: 1 },
    { ...good, document: "AA" },
    { ...good, document: "AB==" },
    { ...good, document: "A".repeat(21_852) },
    { ...good, manifest: undefined },
    { ...good, publicKeys: undefined },
    { ...good, publicKeys: ["01".repeat(47)] },
    { ...good, publicKeys: ["zz".repeat(48)] },
    { ...good, publicKeys: [1] },
  ];

  test("takes exactly a document, a manifest and keys", () => {
    const parsed = parseSource(new TextEncoder().encode(JSON.stringify(good)));
    assert.ok(parsed.ok);
    assert.equal(parsed.value.keys?.[0]?.scheme, "bls12381-pop");
    for (const value of wrong) {
      const bytes = new TextEncoder().encode(JSON.stringify(value));
      assert.equal(parseSource(bytes).ok, false, JSON.stringify(value).slice(0, 80));
    }
    assert.equal(parseSource(Uint8Array.of(0x7b, 0xff)).ok, false);
    const twice = JSON.stringify(good).replace("{", '{"docum\\u0065nt":"AQ==",');
    assert.equal(parseSource(new TextEncoder().encode(twice)).ok, false);
  });
});
