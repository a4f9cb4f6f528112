import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, createServer } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { startApi } from "../../parent/api/start.ts";
import { ApiRig, codeOf, type RigOptions, textUntilClosed } from "../fakes/api-rig.ts";
import { daysFromNow, type Pair, TestCa } from "../fakes/tls-pki.ts";
import { until } from "../fakes/until.ts";

async function withRig(options: RigOptions, run: (rig: ApiRig) => Promise<void>): Promise<void> {
  const rig = await ApiRig.start(options);
  try {
    await run(rig);
  } finally {
    await rig.close();
  }
}

function reasonsOf(rig: ApiRig): readonly unknown[] {
  return rig.log.lines
    .filter(({ event }) => event === "tls.refused")
    .filter(({ fields }) => fields.code === "TLS_CLIENT_REFUSED")
    .map(({ fields }) => fields.reason);
}

const TLS_WITH_CRL = {
  certFile: "server.crt",
  keyFile: "server.key",
  clientCaFile: "ca.crt",
  crlFile: "ca.crl",
};

const REFUSED: readonly (readonly [
  what: string,
  pair: (rig: ApiRig) => Pair | null,
  reason: string,
])[] = [
  ["no certificate", () => null, "NO_CERTIFICATE"],
  [
    "a certificate of another CA",
    () => new TestCa("stranger").leaf("lighthouse"),
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ],
  [
    "a certificate of another CA of the same name",
    () => new TestCa("clients").leaf("lighthouse"),
    "CERT_SIGNATURE_FAILURE",
  ],
  [
    "an expired certificate",
    ({ ca }) =>
      ca.leaf("lighthouse", { notBeforeMs: daysFromNow(-2), notAfterMs: daysFromNow(-1) }),
    "CERT_HAS_EXPIRED",
  ],
  [
    "a certificate for servers",
    ({ ca }) => ca.leaf("lighthouse", { isServer: true }),
    "INVALID_PURPOSE",
  ],
];

for (const [what, pair, reason] of REFUSED) {
  test(`a client with ${what} is cut off before it can ask, and the reason logged`, async () => {
    await withRig({}, async (rig) => {
      await assert.rejects(rig.sign({ pair: pair(rig) }));
      assert.deepEqual(reasonsOf(rig), [reason]);
      assert.equal(rig.signer.asks.length, 0);
      const page = await rig.metrics.registry.metrics();
      assert.ok(page.includes(`redoubt_tls_refusals_total{reason="${reason}"} 1`), reason);
    });
  });
}

test("a good certificate that no client has is told so, and the connection closed", async () => {
  await withRig({}, async (rig) => {
    const answer = await rig.sign({ pair: rig.ca.leaf("somebody") });
    assert.deepEqual([answer.status, codeOf(answer)], [403, "ACL_CLIENT_UNKNOWN"]);
    assert.equal(answer.headers["connection"], "close");
    assert.equal(rig.signer.asks.length, 0);
  });
});

test("a client of the same name with another key is another client", async () => {
  await withRig({}, async (rig) => {
    const answer = await rig.sign({ pair: rig.ca.leaf("lighthouse") });
    assert.equal(codeOf(answer), "ACL_CLIENT_UNKNOWN");
  });
});

test("TLS 1.2 is not spoken", async () => {
  await withRig({}, async (rig) => {
    const { cert, key } = rig.pair;
    const socket = connect({
      host: "127.0.0.1",
      port: rig.port,
      ca: rig.serverCa,
      cert,
      key,
      maxVersion: "TLSv1.2",
    });
    await assert.rejects(once(socket, "secureConnect"), {
      code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    });
  });
});

const SPIFFE = "spiffe://example.org/lighthouse";

test("a SPIFFE ID names a client whatever its certificate, and only if it is the only URI", async () => {
  const client = { name: "workload", spiffe: SPIFFE, keys: "all", operations: "default" };
  await withRig({ clients: () => [client] }, async (rig) => {
    const call = async (...uris: string[]) =>
      (await rig.sign({ pair: rig.ca.leaf("x", { uris }) })).status;
    assert.equal(await call(SPIFFE), 200);
    assert.equal(await call(SPIFFE), 200);
    assert.equal(await call(SPIFFE, "https://example.org/"), 403);
    assert.equal(await call(`${SPIFFE}, URI:https://example.org/`), 403);
    assert.equal(await call(`${SPIFFE}/more`), 403);
    assert.equal(await call(), 403);
  });
});

test("a session can't be resumed, with or without the certificate", async () => {
  await withRig({}, async (rig) => {
    const { cert, key } = rig.pair;
    const options = { host: "127.0.0.1", port: rig.port, ca: rig.serverCa };
    const first = connect({ ...options, cert, key });
    const sessions: Buffer[] = [];
    first.on("session", (session: Buffer) => sessions.push(session));
    await once(first, "secureConnect");
    first.write("GET /upcheck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    first.resume();
    await once(first, "close");
    const session = sessions[0] ?? first.getSession();
    const again = connect({ ...options, cert, key, ...(session && { session }) });
    await once(again, "secureConnect");
    assert.equal(again.isSessionReused(), false);
    again.destroy();
    const thief = connect({ ...options, ...(session && { session }) });
    thief.on("error", () => {});
    await once(thief, "close");
    assert.ok(["NO_CERTIFICATE", "SESSION_REUSED"].includes(String(reasonsOf(rig).at(-1))));
  });
});

test("a source that is not in the listener's list gets no handshake", async () => {
  await withRig({ api: { sources: ["10.0.0.0/8"] } }, async (rig) => {
    await assert.rejects(rig.sign());
    assert.deepEqual(reasonsOf(rig)[0], "SOURCE_DENIED");
  });
});

test("a source that is not in the client's list is refused", async () => {
  await withRig({ client: { sources: ["10.0.0.0/8"] } }, async (rig) => {
    const answer = await rig.sign();
    assert.deepEqual([answer.status, codeOf(answer)], [403, "ACL_SOURCE_DENIED"]);
  });
});

test("a source that is in both lists is served", async () => {
  const sources = ["127.0.0.0/8"];
  await withRig({ api: { sources }, client: { sources } }, async (rig) => {
    assert.equal((await rig.sign()).status, 200);
  });
});

/** A connection that has been used, and that must be closed by the listener. */
async function openConnection(rig: ApiRig) {
  const socket = await rig.socket();
  socket.on("error", () => {});
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.write("GET /upcheck HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => text.endsWith("OK"));
  return { socket, isClosed: once(socket, "close") };
}

test("a reload cuts off a client that was removed, at once", async () => {
  await withRig({}, async (rig) => {
    const { isClosed } = await openConnection(rig);
    const reloaded = await rig.api.reload(rig.config({ clients: [] }));
    assert.ok(reloaded.ok);
    await isClosed;
    assert.equal(codeOf(await rig.sign()), "ACL_CLIENT_UNKNOWN");
  });
});

test("a reload cuts off a source that is no longer in the listener's list, at once", async () => {
  await withRig({}, async (rig) => {
    const { isClosed } = await openConnection(rig);
    assert.ok((await rig.api.reload(rig.config({ sources: ["10.0.0.0/8"] }))).ok);
    await isClosed;
    await assert.rejects(rig.sign());
  });
});

test("a reload keeps the connections of clients that stay, with their new rights", async () => {
  await withRig({}, async (rig) => {
    const agent = rig.agent(rig.pair, { keepAlive: true });
    assert.equal((await rig.sign({ agent })).status, 200);
    const [client] = rig.config().clients;
    const changed = { name: client?.name, fingerprint: client?.fingerprint, operations: "default" };
    const config = rig.config({ clients: [{ ...changed, keys: [] }] });
    assert.ok((await rig.api.reload(config)).ok);
    assert.equal(codeOf(await rig.sign({ agent })), "ACL_KEY_DENIED");
    agent.destroy();
  });
});

test("a reload with a new CRL drops open connections, and refuses the revoked one", async () => {
  await withRig({}, async (rig) => {
    await rig.write("ca.crl", rig.ca.crl({ serials: [] }));
    assert.ok((await rig.api.reload(rig.config({ tls: TLS_WITH_CRL }))).ok);
    assert.equal((await rig.sign()).status, 200);
    const { isClosed } = await openConnection(rig);
    await rig.write("ca.crl", rig.ca.crl({ serials: [rig.pair.serial] }));
    assert.ok((await rig.api.reload(rig.config({ tls: TLS_WITH_CRL }))).ok);
    await isClosed;
    await assert.rejects(rig.sign());
    assert.deepEqual(reasonsOf(rig), ["CERT_REVOKED"]);
    await assert.rejects(rig.sign({ pair: null }), "and still asks for a certificate");
  });
});

/**
 * A handshake that stops after the client's hello: the listener has taken the connection, and has
 * not seen the certificate yet. `goOn` lets the rest through.
 */
async function heldHandshake(rig: ApiRig) {
  const { promise, resolve: goOn } = Promise.withResolvers<null>();
  const proxy = createServer((near) => {
    const far = connectTcp({ host: "127.0.0.1", port: rig.port });
    near.once("data", (hello: Buffer) => {
      far.write(hello);
      near.pause();
      void promise.then(() => near.pipe(far));
    });
    far.pipe(near);
    for (const socket of [near, far]) {
      socket.on("error", () => {});
      socket.on("close", () => [near, far].forEach((end) => end.destroy()));
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  assert.ok(typeof address === "object" && address !== null);
  const { cert, key } = rig.pair;
  const socket = connect({ host: "127.0.0.1", port: address.port, ca: rig.serverCa, cert, key });
  socket.on("error", () => {});
  const text = textUntilClosed(socket);
  // In TLS 1.3 the client is done as soon as it has the server's flight.
  await once(socket, "secureConnect");
  socket.write("GET /upcheck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  return { goOn: () => goOn(null), text: text.finally(() => proxy.close()) };
}

test("a reload cuts off handshakes that began under the files before it", async () => {
  await withRig({}, async (rig) => {
    await rig.write("ca.crl", rig.ca.crl({ serials: [] }));
    assert.ok((await rig.api.reload(rig.config({ tls: TLS_WITH_CRL }))).ok);
    const first = await heldHandshake(rig);
    first.goOn();
    assert.match(await first.text, /^HTTP\/1\.1 200 /);
    const second = await heldHandshake(rig);
    await rig.write("ca.crl", rig.ca.crl({ serials: [rig.pair.serial] }));
    assert.ok((await rig.api.reload(rig.config({ tls: TLS_WITH_CRL }))).ok);
    second.goOn();
    assert.equal(await second.text, "");
  });
});

test("a reload with another CA finishes what is in flight before it drops the connection", async () => {
  await withRig({}, async (rig) => {
    const { promise, resolve } =
      Promise.withResolvers<Awaited<ReturnType<ApiRig["signer"]["answer"]>>>();
    const { answer } = rig.signer;
    rig.signer.answer = () => promise;
    const agent = rig.agent(rig.pair, { keepAlive: true });
    const held = rig.sign({ agent });
    await until(() => rig.signer.asks.length === 1);
    const other = new TestCa("successor");
    await rig.write("ca.crt", other.cert);
    assert.ok((await rig.api.reload(rig.config())).ok);
    const [ask] = rig.signer.asks;
    assert.ok(ask !== undefined);
    resolve(await answer(ask));
    const { status, headers } = await held;
    assert.deepEqual([status, headers["connection"]], [200, "close"]);
    await assert.rejects(rig.sign());
    agent.destroy();
  });
});

test("a reload with a new certificate of the listener serves it to new connections", async () => {
  await withRig({}, async (rig) => {
    const before = (await rig.socket()).getPeerCertificate().fingerprint256;
    await rig.writeServer();
    assert.ok((await rig.api.reload(rig.config())).ok);
    const after = (await rig.socket()).getPeerCertificate().fingerprint256;
    assert.notEqual(before, after);
    assert.equal((await rig.sign()).status, 200);
  });
});

test("a reload with a bad file changes nothing, and says which file and why", async () => {
  await withRig({}, async (rig) => {
    const { socket } = await openConnection(rig);
    await rig.write("server.key", "nonsense");
    const reloaded = await rig.api.reload(rig.config({ clients: [] }));
    assert.ok(!reloaded.ok);
    assert.equal(reloaded.error.code, "TLS_MATERIAL");
    assert.match(String(reloaded.error.detail?.[0]), /server\.key$/);
    assert.equal(reloaded.error.detail?.[1], "MALFORMED");
    assert.equal((await rig.sign()).status, 200);
    assert.equal(socket.destroyed, false);
    socket.destroy();
  });
});

test("the listener does not start with a bad file, nor on an address that is taken", async () => {
  await withRig({}, async (rig) => {
    const { signer, log, metrics, port } = rig;
    const taken = rig.config({ listen: `tcp://127.0.0.1:${port}` });
    const second = await startApi({ config: taken, signer, log, metrics });
    assert.ok(!second.ok);
    assert.equal(second.error.code, "LISTEN_FAILED");
    await rig.write("ca.crt", "");
    const third = await startApi({ config: rig.config(), signer, log, metrics });
    assert.ok(!third.ok);
    assert.equal(third.error.code, "TLS_MATERIAL");
  });
});
