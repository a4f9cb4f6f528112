import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { connectTo, listenOn } from "../../../../parent/platform/socket.ts";
import { openVsockOver } from "../../../../parent/platform/vsock.ts";
import { ERRORS } from "../../../../shared/errors.ts";
import { CID_ANY } from "../../../../shared/wire/vsock.ts";
import { PairVsock, VSOCK_MISSING } from "../../../fakes/pair-vsock.ts";

const ADDRESS = { kind: "vsock", cid: CID_ANY, port: 8001 } as const;
const withoutAddon = { openVsock: () => openVsockOver(null) };
const pairs = await PairVsock.load();
const skip = pairs === null ? VSOCK_MISSING : false;

test("without the addon a vsock address can't be listened on, and the text says what to run", async () => {
  const listening = listenOn(ADDRESS, () => undefined, withoutAddon);
  await assert.rejects(listening, { code: "VSOCK_UNAVAILABLE" });
  assert.ok(ERRORS.VSOCK_UNAVAILABLE.text.includes("npm run build:native"));
});

test("without the addon a vsock address can't be connected to", async () => {
  const connected = await connectTo(ADDRESS, 5000, withoutAddon);
  assert.equal(connected.ok ? "connected" : connected.error.code, "VSOCK_UNAVAILABLE");
});

function fail(): never {
  throw new Error("EAFNOSUPPORT");
}

test("an addon that does not work on this Node is refused with BOOT_ADDON", async () => {
  const binding = {
    listen: fail,
    accept: fail,
    resume: fail,
    stop: fail,
    connect: fail,
    peer: fail,
    localPort: fail,
    localCid: fail,
    pair: fail,
    close: fail,
  };
  const vsock = await openVsockOver(binding);
  assert.equal(vsock.ok ? "opened" : vsock.error.code, "BOOT_ADDON");
});

test("over vsock nobody is let in who was not allowed", { skip }, async (context) => {
  assert.ok(pairs !== null);
  const sockets: Socket[] = [];
  let allowedCid = 16;
  const server = await listenOn(ADDRESS, (socket) => sockets.push(socket), {
    openVsock: pairs.open,
    isPeerAllowed: (cid) => cid === allowedCid,
  });
  const closed = await listenOn({ ...ADDRESS, port: 8002 }, () => assert.fail("let in"), {
    openVsock: pairs.open,
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    closed.close();
  });
  assert.equal(pairs.connectFrom(17, 8001), null);
  assert.equal(pairs.connectFrom(16, 8002), null, "the default is nobody");
  assert.equal(sockets.length, 0);
  const peer = pairs.connectFrom(16, 8001);
  assert.ok(peer !== null);
  assert.equal(sockets.length, 1);
  allowedCid = 17;
  assert.equal(pairs.connectFrom(16, 8001), null, "another enclave has taken its place");
  peer.destroy();
});

for (const allowHalfOpen of [false, true]) {
  test(`a vsock stream with allowHalfOpen ${allowHalfOpen} ends as others do`, {
    skip,
  }, async (context) => {
    assert.ok(pairs !== null);
    const accepted = Promise.withResolvers<Socket>();
    const server = await listenOn(ADDRESS, (socket) => accepted.resolve(socket), {
      openVsock: pairs.open,
      isPeerAllowed: () => true,
      allowHalfOpen,
    });
    const peer = pairs.connectFrom(16, 8001);
    assert.ok(peer !== null);
    const socket = await accepted.promise;
    context.after(() => {
      peer.destroy();
      socket.destroy();
      server.close();
    });
    peer.end("request");
    const chunks: string[] = [];
    socket.on("data", (chunk) => chunks.push(String(chunk)));
    await new Promise((settle) => socket.once("end", settle));
    await new Promise((settle) => setImmediate(settle));
    assert.equal(chunks.join(""), "request");
    assert.equal(socket.writable, allowHalfOpen);
  });
}
