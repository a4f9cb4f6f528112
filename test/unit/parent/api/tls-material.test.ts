import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readTlsMaterial } from "../../../../parent/api/tls-material.ts";
import { daysFromNow, TestCa } from "../../../fakes/tls-pki.ts";

const serverCa = new TestCa("servers");
const clientCa = new TestCa("clients");
const otherCa = new TestCa("others");
const server = serverCa.leaf("signer", { isServer: true });
const FILES = { cert: server.cert, key: server.key, ca: clientCa.cert, crl: "" };

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "redoubt-tls-"));
});
after(() => rm(folder, { recursive: true }));

async function read(changes: Partial<typeof FILES> = {}) {
  const files = { ...FILES, ...changes };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const crl = files.crl === "" ? {} : { crlFile: join(folder, "crl") };
  return readTlsMaterial(
    {
      certFile: join(folder, "cert"),
      keyFile: join(folder, "key"),
      clientCaFile: join(folder, "ca"),
      ...crl,
    },
    Date.now(),
  );
}

test("readTlsMaterial takes good files, and tells when they expire", async () => {
  const crl = clientCa.crl({ serials: [] }) + otherCa.crl({ serials: ["1001"] });
  const material = await read({ crl, ca: clientCa.cert + otherCa.cert });
  assert.ok(material.ok);
  const { expiryMs, context } = material.value;
  assert.equal(expiryMs.server, new X509Certificate(server.cert).validToDate.getTime());
  assert.ok(expiryMs.crl !== null && expiryMs.crl > Date.now());
  assert.equal(context.minVersion, "TLSv1.3");
});

test("readTlsMaterial has another digest for other files only", async () => {
  const [a, b, c] = [await read(), await read(), await read({ ca: otherCa.cert })];
  assert.ok(a.ok && b.ok && c.ok);
  assert.equal(a.value.digest, b.value.digest);
  assert.notEqual(a.value.digest, c.value.digest);
});

const expired = { notBeforeMs: daysFromNow(-3), notAfterMs: daysFromNow(-1), isServer: true };
const early = { notBeforeMs: daysFromNow(1), notAfterMs: daysFromNow(3), isServer: true };
const goodCrl = clientCa.crl({ serials: [] });

const BAD: readonly (readonly [what: string, Partial<typeof FILES>, file: string, why: string])[] =
  [
    ["no certificate", { cert: "" }, "cert", "MALFORMED"],
    ["a broken certificate", { cert: server.cert.replace("MI", "MJ") }, "cert", "MALFORMED"],
    ["an expired certificate", serverCa.leaf("signer", expired), "cert", "NOT_VALID_NOW"],
    ["a certificate of tomorrow", serverCa.leaf("signer", early), "cert", "NOT_VALID_NOW"],
    ["no key", { key: "" }, "key", "MALFORMED"],
    ["another certificate's key", { key: clientCa.leaf("x").key }, "key", "KEY_MISMATCH"],
    ["a chain of strangers", { cert: server.cert + otherCa.cert }, "cert", "CHAIN_BROKEN"],
    ["no CA", { ca: "" }, "ca", "MALFORMED"],
    ["a CA that is a leaf", { ca: clientCa.leaf("x").cert }, "ca", "NOT_A_CA"],
    ["an expired CA", { ca: new TestCa("old", daysFromNow(-1)).cert }, "ca", "NOT_VALID_NOW"],
    ["a broken CRL", { crl: goodCrl.replace("MI", "MJ") }, "crl", "MALFORMED"],
    ["no list in the CRL's file", { crl: server.cert }, "crl", "MALFORMED"],
    [
      "an expired CRL",
      { crl: clientCa.crl({ serials: [], nextUpdateMs: daysFromNow(-0.1) }) },
      "crl",
      "NOT_VALID_NOW",
    ],
    [
      "a CRL of tomorrow",
      { crl: clientCa.crl({ serials: [], thisUpdateMs: daysFromNow(1) }) },
      "crl",
      "NOT_VALID_NOW",
    ],
    [
      "a CRL that OpenSSL can't read",
      { crl: goodCrl.replace("\n-----END", "\n\n\n-----END") },
      "crl",
      "REFUSED_BY_OPENSSL",
    ],
    ["another CA's CRL", { crl: otherCa.crl({ serials: [] }) }, "crl", "CRL_MISSING"],
    [
      "a CRL for one of two CAs",
      { crl: goodCrl, ca: clientCa.cert + otherCa.cert },
      "crl",
      "CRL_MISSING",
    ],
  ];

for (const [what, changes, file, why] of BAD) {
  test(`readTlsMaterial refuses ${what}`, async () => {
    const { cert, key, ca, crl } = { ...FILES, ...changes };
    const material = await read({ cert, key, ca, crl });
    assert.ok(!material.ok);
    assert.deepEqual(material.error, { code: "TLS_MATERIAL", detail: [join(folder, file), why] });
  });
}

test("readTlsMaterial keeps an expired CA beside a good one", async () => {
  const material = await read({ ca: new TestCa("old", daysFromNow(-1)).cert + clientCa.cert });
  assert.ok(material.ok);
});

test("readTlsMaterial refuses a file that is not there", async () => {
  const material = await readTlsMaterial(
    { certFile: join(folder, "none"), keyFile: "none", clientCaFile: "none" },
    Date.now(),
  );
  assert.ok(!material.ok);
  assert.deepEqual(material.error.detail, [join(folder, "none"), "UNREADABLE"]);
});
