// Bytes and peers that nobody should send or be, at every socket of the running signer: between
// enclave and parent, of the store, the relay and the operator, and of both HTTP listeners. The
// processes stay the same, their memory stays bounded, and a normal request is served afterwards.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { encodeCbor } from "../../shared/bytes/cbor.ts";
import { encodeFrame } from "../../shared/wire/frame.ts";
import { encodeRelayTarget } from "../../shared/wire/relay-preface.ts";
import {
  Attacker,
  malformedBytes,
  misshapenRequests,
  type Target,
  truncatedFrames,
} from "../fakes/hostile-bytes.ts";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { Random } from "../simulation/random.ts";

const CHURN_COUNT = 600;
/** Far above what is used, far below what an unbounded buffer would be by then. */
const MEMORY_MB_MAX = 1500;
const UNREAD_BYTES = 24 * 1024 * 1024;
const DRIP_MS = 700;
const LINGERING_COUNT = 6;

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
let signer: RunningSigner;
let load: HostileLoad;
let pids: readonly number[];

const STATUS = encodeFrame(encodeCbor([7, "status", []]));

function peakMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
}

/** Nobody died, nobody grew, and the signer signs. */
async function checkServed(t: TestContext, attacker: Attacker): Promise<void> {
  const startMs = performance.now();
  await load.awaitSigned();
  const servedMs = Math.round(performance.now() - startMs);
  assert.deepEqual([signer.enclave.pid, signer.parentPid], pids, "the processes are the same");
  const [enclaveMb = 0, parentMb = 0] = pids.map(peakMb);
  assert.ok(enclaveMb < MEMORY_MB_MAX && parentMb < MEMORY_MB_MAX, `${enclaveMb}, ${parentMb} MB`);
  const { connectionCount, sentBytes } = attacker;
  t.diagnostic(
    `${connectionCount} connections, ${(sentBytes / 1e6).toFixed(1)} MB; served after ${servedMs} ms; ` +
      `peak of enclave ${enclaveMb} MB, parent ${parentMb} MB`,
  );
}

/** What every listener has to stand, whatever it speaks. */
async function pelt(attacker: Attacker, target: Target): Promise<void> {
  const all = Object.values(malformedBytes(random));
  await Promise.all(all.map((bytes) => attacker.throwAt(target, bytes)));
  await Promise.all(truncatedFrames().map((bytes) => attacker.throwAt(target, bytes)));
  await attacker.throwAt(target, Buffer.concat(misshapenRequests()));
  await attacker.churn(target, CHURN_COUNT, 50);
  await Promise.all([
    attacker.drip(target, DRIP_MS),
    attacker.neverRead(target, STATUS, UNREAD_BYTES),
  ]);
  const lingering = await attacker.linger(target, LINGERING_COUNT);
  await load.awaitSigned();
  for (const socket of lingering) socket.destroy();
}

describe(`hostile bytes, seed ${seed}`, () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: 2 });
    load = new HostileLoad(signer, random);
    await load.awaitSigned();
    pids = [signer.enclave.pid, signer.parentPid];
  });

  after(async () => {
    await signer.stop();
  });

  for (const [name, pathOf] of [
    ["the enclave's link", () => signer.layout.enclaveSocket],
    ["the store", () => signer.layout.storeSocket],
    ["the operator's socket", () => signer.layout.adminSocket],
  ] as const) {
    it(`at ${name} change nothing`, async (t) => {
      const attacker = new Attacker();
      const target = { path: pathOf() };
      const closes = await closesOn(attacker, target);
      assert.deepEqual(closes, [], "these were not answered by closing the stream");
      await pelt(attacker, target);
      await checkServed(t, attacker);
    });
  }

  it("at the relay change nothing", async (t) => {
    const attacker = new Attacker();
    const target = { path: signer.layout.relaySocket };
    const prefaces = [
      encodeRelayTarget({ host: "example.org", port: 443 }),
      encodeRelayTarget({ host: "127.0.0.1", port: signer.opsPort }),
      encodeFrame(encodeCbor(["kms.eu-central-1.amazonaws.com", 0])),
      encodeFrame(encodeCbor(["KMS.eu-central-1.amazonaws.com", 443])),
    ];
    await Promise.all(prefaces.map((bytes) => attacker.throwAt(target, bytes)));
    // To the one host that is allowed, and then anything.
    const allowed = encodeRelayTarget({ host: "kms.eu-central-1.amazonaws.com", port: 443 });
    for (const bytes of Object.values(malformedBytes(random))) {
      await attacker.throwAt(target, Buffer.concat([allowed, bytes]));
    }
    await pelt(attacker, target);
    await checkServed(t, attacker);
  });

  it("at the operations listener change nothing", async (t) => {
    const attacker = new Attacker();
    const target = { host: "127.0.0.1", port: signer.opsPort };
    await pelt(attacker, target);
    await Promise.all(httpOddities("/readyz").map((bytes) => attacker.throwAt(target, bytes)));
    await attacker.neverRead(target, Buffer.from("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 4e6);
    assert.equal((await signer.readiness()).status, 200);
    await checkServed(t, attacker);
  });

  it("at the signing listener, without TLS and without a certificate, change nothing", async (t) => {
    const target = { host: "127.0.0.1", port: signer.apiPort };
    const plain = new Attacker();
    await pelt(plain, target);
    await checkServed(t, plain);
    const ca = readFileSync(signer.layout.caCertificate);
    const anonymous = new Attacker((to) => connectTls({ socket: createConnection(to), ca }));
    const oddities = httpOddities(`/api/v1/eth2/sign/${signer.publicKeys[0] ?? ""}`);
    await Promise.all(oddities.map((bytes) => anonymous.throwAt(target, bytes)));
    await anonymous.churn(target, 100, 20);
    await checkServed(t, anonymous);
  });

  it("at the signing listener, from a client that is let in, change nothing", async (t) => {
    const target = { host: "127.0.0.1", port: signer.apiPort };
    const ca = readFileSync(signer.layout.caCertificate);
    const cert = readFileSync(signer.layout.clientCertificate);
    const key = readFileSync(signer.layout.clientKey);
    const client = new Attacker((to) =>
      connectTls({ socket: createConnection(to), ca, cert, key }),
    );
    const path = `/api/v1/eth2/sign/${signer.publicKeys[0] ?? ""}`;
    await Promise.all(httpOddities(path).map((bytes) => client.throwAt(target, bytes)));
    const malformed = Object.values(malformedBytes(random));
    await Promise.all(malformed.map((bytes) => client.throwAt(target, bytes)));
    const asBodies = malformed.map((bytes) => Buffer.concat([postHead(path, bytes.length), bytes]));
    await Promise.all(asBodies.map((bytes) => client.throwAt(target, bytes)));
    await client.churn(target, 150, 25);
    await client.neverRead(target, Buffer.concat([postHead(path, 2), Buffer.from("{}")]), 4e6);
    const lingering = await client.linger(target, 50);
    await checkServed(t, client);
    for (const socket of lingering) socket.destroy();
  });
});

/**
 * The names of malformed inputs after which the stream is still open, though it has no boundary.
 */
async function closesOn(attacker: Attacker, target: Target): Promise<readonly string[]> {
  const open: string[] = [];
  // What is a request so far, or is one that is refused by its answer.
  const waiting = new Set(["few random bytes"]);
  for (const [name, bytes] of Object.entries(malformedBytes(random))) {
    if (waiting.has(name)) continue;
    if (!(await attacker.throwAt(target, bytes))) open.push(name);
  }
  return open;
}

function postHead(path: string, byteCount: number): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${byteCount}\r\n\r\n`,
  );
}

function httpOddities(path: string): readonly Uint8Array[] {
  const chunks = "1\r\n[\r\n".repeat(100_000);
  return [
    `GET ${path} HTTP/1.1\r\n\r\n`,
    `GET ${path} HTTP/9.9\r\nHost: x\r\n\r\n`,
    `GET ${"/x".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(20_000)}\r\n`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{}`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{}`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n${"[".repeat(200_000)}`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"type":"BLOCK_V2",`,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n`,
    "\r\n\r\n\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    `CONNECT ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ].map((text) => Buffer.from(text));
}
