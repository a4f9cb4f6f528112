// The link against an enclave that goes away, comes back, is silent, or talks nonsense.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { EnclaveLink } from "../../../../parent/link/enclave-link.ts";
import { createFixedLocator } from "../../../../parent/link/enclave-locator.ts";
import { listenOn } from "../../../../parent/platform/socket.ts";
import type { EnclaveLocator, LocateRefusal } from "../../../../parent/ports.ts";
import type { Address } from "../../../../shared/address.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { until } from "../../../fakes/until.ts";

const TIMING = {
  reconnect: { minMs: 1, maxMs: 10 },
  heartbeatMs: 20,
  heartbeatDeadlineMs: 1000,
  sweepMs: 5,
};
const LONG_MS = 60_000;

let folder = "";
let path = "";
let enclave: FakeEnclave;
let links: EnclaveLink[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "link-"));
  path = join(folder, "enclave.sock");
  enclave = new FakeEnclave(path);
  links = [];
});

afterEach(async () => {
  for (const link of links) link.close();
  await enclave.stop();
  rmSync(folder, { recursive: true });
});

function startLink(
  onChange: () => void = () => {},
  timing = TIMING,
  locator: EnclaveLocator = createFixedLocator({ kind: "unix", path }),
): EnclaveLink {
  const link = new EnclaveLink(locator, timing);
  links.push(link);
  link.start(onChange);
  return link;
}

test("a call while there is no link is LINK_DOWN at once", async () => {
  const link = startLink();
  const answer = await link.call("attest", { nonce: null }, LONG_MS);
  assert.equal(answer.ok ? "answered" : answer.error.code, "LINK_DOWN");
  assert.equal(link.status(), null);
});

test("the link comes up when the enclave does, and again after each loss", async () => {
  const link = startLink();
  await enclave.listen();
  for (let count = 1; count <= 3; count++) {
    await until(() => link.status() !== null);
    const answer = await link.call("attest", { nonce: null }, LONG_MS);
    assert.ok(answer.ok);
    assert.equal(link.stats().connectCount, count);
    enclave.cut();
    await until(() => link.stats().lossCount === count);
  }
});

test("everything in flight fails with LINK_DOWN at the moment of the loss", async () => {
  await enclave.listen();
  enclave.silent.add("attest");
  const link = startLink();
  await until(() => link.status() !== null);
  const calls = Array.from({ length: 5 }, () => link.call("attest", { nonce: null }, LONG_MS));
  await until(() => enclave.calls.length === 5);
  enclave.cut();
  for (const answer of await Promise.all(calls)) {
    assert.equal(answer.ok ? "answered" : answer.error.code, "LINK_DOWN");
  }
});

test("a call that is not answered within its deadline is LINK_TIMEOUT, and the link stays", async () => {
  await enclave.listen();
  enclave.silent.add("attest");
  const link = startLink();
  await until(() => link.status() !== null);
  const answer = await link.call("attest", { nonce: null }, 30);
  assert.equal(answer.ok ? "answered" : answer.error.code, "LINK_TIMEOUT");
  assert.equal(link.stats().lossCount, 0);
});

test("a link on which no status comes back is given up and made anew", async () => {
  await enclave.listen();
  const link = startLink(() => {}, { ...TIMING, heartbeatDeadlineMs: 30 });
  await until(() => link.status() !== null);
  enclave.silent.add("status");
  await until(() => link.stats().lossCount >= 1);
  enclave.silent.delete("status");
  await until(() => link.status() !== null);
});

test("a silent status is borne while a call with a long deadline is in flight", async () => {
  await enclave.listen();
  const link = startLink(() => {}, { ...TIMING, heartbeatDeadlineMs: 20 });
  await until(() => link.status() !== null);
  enclave.silent.add("bundle.open").add("status");
  const opening = link.call("bundle.open", { name: "a" }, LONG_MS);
  await new Promise((settle) => setTimeout(settle, 100));
  assert.equal(link.stats().lossCount, 0);
  enclave.cut();
  assert.equal((await opening).ok, false);
});

test("a peer that sends no frames of the protocol is cut off", async () => {
  const sockets: Socket[] = [];
  const server: Server = await listenOn({ kind: "unix", path }, (socket) => {
    sockets.push(socket);
    socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const link = startLink();
  await until(() => link.stats().lossCount >= 2);
  assert.equal(link.status(), null);
  link.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

test("changes are told: up, another phase, another boot, down", async () => {
  await enclave.listen();
  const seen: string[] = [];
  const link = startLink(() => {
    const status = link.status();
    seen.push(status === null ? "down" : `${status.phase} ${status.bootId[0] ?? ""}`);
  });
  enclave.bootId = new Uint8Array(16).fill(1);
  await until(() => seen.length === 1);
  enclave.phase = "Measured";
  await until(() => seen.length === 2);
  enclave.bootId = new Uint8Array(16).fill(2);
  await until(() => seen.length === 3);
  await enclave.stop();
  await until(() => seen.length >= 4);
  assert.deepEqual(seen.slice(0, 4), ["Booting 1", "Measured 1", "Measured 2", "down"]);
});

test("the link asks where the enclave is before each connect, and follows it to another address", async () => {
  const elsewhere = new FakeEnclave(join(folder, "elsewhere.sock"));
  enclave.bootId = new Uint8Array(16).fill(1);
  elsewhere.bootId = new Uint8Array(16).fill(2);
  let found: Result<Address, LocateRefusal> = err(refusal("ENCLAVE_ABSENT"));
  let locateCount = 0;
  const locate = (): Promise<typeof found> => {
    locateCount += 1;
    return Promise.resolve(found);
  };
  const link = startLink(() => {}, TIMING, { locate });
  await until(() => locateCount >= 3);
  assert.equal(link.failure().code, "ENCLAVE_ABSENT");
  assert.ok(link.stats().locateFailureCount >= 2);
  found = ok({ kind: "unix", path });
  await until(() => link.failure().code === "LINK_DOWN");
  await enclave.listen();
  await until(() => link.status() !== null);
  const failureCount = link.stats().locateFailureCount;
  const countWhileUp = locateCount;
  await link.refreshStatus();
  assert.equal(locateCount, countWhileUp, "nothing is located while the link is up");
  await elsewhere.listen();
  found = ok({ kind: "unix", path: join(folder, "elsewhere.sock") });
  await enclave.stop();
  await until(() => link.status()?.bootId[0] === 2);
  assert.equal(link.stats().connectCount, 2);
  assert.equal(link.stats().locateFailureCount, failureCount);
  link.close();
  await elsewhere.stop();
});

test("a link that is closed while the enclave is looked for does not connect", async () => {
  await enclave.listen();
  const located = Promise.withResolvers<Result<Address, LocateRefusal>>();
  const link = startLink(() => {}, TIMING, { locate: () => located.promise });
  link.close();
  located.resolve(ok({ kind: "unix", path }));
  await new Promise((settle) => setTimeout(settle, 20));
  assert.equal(link.stats().connectCount, 0);
});
