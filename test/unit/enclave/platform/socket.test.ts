import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { connectTo, listenOn } from "../../../../enclave/platform/socket.ts";
import { openVsockOver } from "../../../../enclave/platform/vsock.ts";
import type { Address } from "../../../../shared/address.ts";
import { CID_ANY } from "../../../../shared/wire/vsock.ts";
import { startEcho } from "../../../fakes/echo-server.ts";
import { PairVsock, VSOCK_MISSING } from "../../../fakes/pair-vsock.ts";

const pairs = await PairVsock.load();
const skip = pairs === null ? VSOCK_MISSING : false;

function withoutAddon() {
  return openVsockOver(null);
}

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-enclave-socket-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function unixIn(folder: string): { readonly kind: "unix"; readonly path: string } {
  return { kind: "unix", path: join(folder, "a.sock") };
}

function listen(context: TestContext, address: Address): Promise<Server> {
  return startEcho(context, listenOn, address);
}

async function connected(context: TestContext, address: Address): Promise<Socket> {
  const socket = await connectTo(address);
  assert.ok(socket.ok);
  const { value } = socket;
  context.after(() => value.destroy());
  return value;
}

async function echo(context: TestContext, address: Address): Promise<string> {
  const socket = await connected(context, address);
  socket.end("hello");
  const chunks: string[] = [];
  for await (const chunk of socket) chunks.push(String(chunk));
  return chunks.join("");
}

async function tcpOf(context: TestContext): Promise<Address> {
  const server = await listen(context, { kind: "tcp", host: "127.0.0.1", port: 0 });
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === "object");
  return { kind: "tcp", host: "127.0.0.1", port: bound.port };
}

async function codeOf(address: Address): Promise<string> {
  const socket = await connectTo(address);
  if (!socket.ok) return socket.error.code;
  socket.value.destroy();
  return "OK";
}

describe("the enclave's sockets", () => {
  test("carry bytes over a unix address", async (context) => {
    const address = unixIn(folderOf(context));
    await listen(context, address);
    assert.equal(await echo(context, address), "hello");
  });

  test("carry bytes over a tcp address", async (context) => {
    assert.equal(await echo(context, await tcpOf(context)), "hello");
  });

  test("leave no timeout of the connecting behind on a connected socket", async (context) => {
    const address = unixIn(folderOf(context));
    await listen(context, address);
    const socket = await connected(context, address);
    assert.equal(socket.timeout, 0);
    assert.equal(socket.listenerCount("timeout"), 0);
    assert.equal(socket.listenerCount("error"), 0);
    // A timeout that the owner sets is the owner's to act on.
    socket.setTimeout(1);
    await once(socket, "timeout");
    assert.equal(socket.destroyed, false);
  });

  test("refuse vsock without its addon, never taking another kind instead", async () => {
    const address: Address = { kind: "vsock", cid: 3, port: 8000 };
    const socket = await connectTo(address, withoutAddon);
    assert.equal(socket.ok ? "connected" : socket.error.code, "LINK_DOWN");
    await assert.rejects(listenOn(address, () => {}, withoutAddon));
  });

  test("let nobody in over vsock but the CID of the address", { skip }, async (context) => {
    assert.ok(pairs !== null);
    const sockets: Socket[] = [];
    const address: Address = { kind: "vsock", cid: 3, port: 8000 };
    const server = await listenOn(
      address,
      (socket) => sockets.push(socket),
      () => openVsockOver(pairs.binding),
    );
    context.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    for (const cid of [0, 1, 2, 4, 16, CID_ANY]) {
      assert.equal(pairs.connectFrom(cid, 8000), null, `CID ${cid}`);
    }
    assert.equal(sockets.length, 0);
    const parent = pairs.connectFrom(3, 8000);
    context.after(() => parent?.destroy());
    assert.ok(parent !== null);
    assert.equal(sockets.length, 1);
  });
});

describe("connecting to nobody is LINK_DOWN", () => {
  test("where no file is, and where its folder is none", async (context) => {
    const folder = folderOf(context);
    assert.equal(await codeOf(unixIn(folder)), "LINK_DOWN");
    assert.equal(await codeOf(unixIn(join(folder, "none"))), "LINK_DOWN");
  });

  test("where the file is no socket", async (context) => {
    const address = unixIn(folderOf(context));
    writeFileSync(address.path, "");
    assert.equal(await codeOf(address), "LINK_DOWN");
  });

  test("where the file is of a program that is gone", async (context) => {
    const address = unixIn(folderOf(context));
    await leaveStaleFile(address.path);
    assert.equal(await codeOf(address), "LINK_DOWN");
  });

  test("where nothing listens on the port any more", async (context) => {
    const address: Address = { kind: "tcp", host: "127.0.0.1", port: 0 };
    const server = await listen(context, address);
    const bound = server.address();
    assert.ok(bound !== null && typeof bound === "object");
    server.close();
    await once(server, "close");
    assert.equal(await codeOf({ ...address, port: bound.port }), "LINK_DOWN");
  });
});

/** A listener's file is linked away before it closes: what is left refuses connections. */
async function leaveStaleFile(path: string): Promise<void> {
  const server = await listenOn({ kind: "unix", path: `${path}.old` }, () => {});
  linkSync(`${path}.old`, path);
  server.close();
  await once(server, "close");
  assert.ok(existsSync(path));
}

describe("listening", () => {
  test("replaces the socket file of a program that is gone", async (context) => {
    const address = unixIn(folderOf(context));
    await leaveStaleFile(address.path);
    await listen(context, address);
    assert.equal(await echo(context, address), "hello");
  });

  test("rejects where the folder is not there", async (context) => {
    await assert.rejects(listenOn(unixIn(join(folderOf(context), "none")), () => {}));
  });

  test("rejects where a folder has the name, and leaves it", async (context) => {
    const address = unixIn(folderOf(context));
    mkdirSync(address.path);
    await assert.rejects(listenOn(address, () => {}));
    assert.ok(existsSync(address.path));
  });

  test("rejects on a port that is taken", async (context) => {
    await assert.rejects(listenOn(await tcpOf(context), () => {}));
  });
});
