import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect, createServer } from "node:tls";
import { createLocalCa, type IssuedCertificate } from "../../../../scripts/local/ca.ts";

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-ca-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Connects over TLS 1.3 with client certificates required; answers the client's common name. */
async function handshake(
  context: TestContext,
  caPem: string,
  server: IssuedCertificate,
  client: IssuedCertificate,
  servername: string,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const listener = createServer(
    {
      cert: server.certificatePem,
      key: server.privateKeyPem,
      ca: caPem,
      requestCert: true,
      minVersion: "TLSv1.3",
    },
    (socket) => resolve(String(socket.getPeerCertificate().subject.CN)),
  );
  listener.on("tlsClientError", reject);
  await new Promise<void>((settle) => listener.listen(0, "127.0.0.1", settle));
  const { port } = listener.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server
  const tls = { cert: client.certificatePem, key: client.privateKeyPem, ca: caPem };
  const socket = connect({ port, host: "127.0.0.1", servername, ...tls });
  socket.on("error", reject);
  context.after(() => {
    socket.destroy();
    listener.close();
  });
  return promise;
}

test("certificates of the local CA serve mTLS under their names", async (context) => {
  const ca = createLocalCa(folderOf(context));
  const server = ca.issueCertificate({
    commonName: "server",
    dnsNames: ["signer.test"],
    ipAddresses: ["127.0.0.1"],
    usage: ["server"],
  });
  const client = ca.issueCertificate({
    commonName: "validator-1",
    uris: ["spiffe://test/validator-1"],
    usage: ["client"],
  });
  const name = await handshake(context, ca.certificatePem, server, client, "signer.test");
  assert.equal(name, "validator-1");
  assert.match(new X509Certificate(client.certificatePem).subjectAltName ?? "", /spiffe/);
  await assert.rejects(handshake(context, ca.certificatePem, server, client, "other.test"));
  await assert.rejects(handshake(context, ca.certificatePem, server, server, "signer.test"));
  const stranger = createLocalCa(folderOf(context)).issueCertificate({
    commonName: "stranger",
    usage: ["client"],
  });
  await assert.rejects(handshake(context, ca.certificatePem, server, stranger, "signer.test"));
});

test("the local CA and its files are made once and then loaded, with keys for the owner only", (context) => {
  const folder = folderOf(context);
  const first = createLocalCa(folder);
  const request = { commonName: "client", usage: ["client"] } as const;
  const issued = first.issueFiles("client", request);
  const second = createLocalCa(folder);
  assert.equal(second.certificatePem, first.certificatePem);
  assert.equal(second.issueFiles("client", request).certificatePem, issued.certificatePem);
  for (const path of [issued.privateKeyPath, join(folder, "ca.key")]) {
    assert.equal(statSync(path).mode & 0o777, 0o600);
  }
  rmSync(join(folder, "ca.crt"));
  const third = createLocalCa(folder);
  assert.notEqual(third.issueFiles("client", request).certificatePem, issued.certificatePem);
});
