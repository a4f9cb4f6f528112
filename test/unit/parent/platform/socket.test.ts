import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connectTo, listenOn, resetTcp } from "../../../../parent/platform/socket.ts";
import type { Address } from "../../../../shared/address.ts";
import { startEcho } from "../../../fakes/echo-server.ts";

function socketFile(): string {
  return join(mkdtempSync(join(tmpdir(), "redoubt-socket-")), "a.sock");
}

function listen(context: TestContext, address: Address): Promise<Server> {
  return startEcho(context, listenOn, address);
}

async function echo(address: Address): Promise<string> {
  const socket = await connectTo(address, 5000);
  assert(socket.ok);
  socket.value.end("hello");
  const chunks: string[] = [];
  for await (const chunk of socket.value) chunks.push(String(chunk));
  return chunks.join("");
}

test("a unix address carries bytes over a socket file that only its owner may open", async (context) => {
  const path = socketFile();
  await listen(context, { kind: "unix", path });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(await echo({ kind: "unix", path }), "hello");
});

test("a tcp address carries bytes", async (context) => {
  const server = await listen(context, { kind: "tcp", host: "127.0.0.1", port: 0 });
  const bound = server.address();
  assert(bound !== null && typeof bound === "object");
  assert.equal(await echo({ kind: "tcp", host: "127.0.0.1", port: bound.port }), "hello");
});

test("listening replaces the socket file of a dead program", async (context) => {
  const path = socketFile();
  await leaveStaleFile(path);
  assert(existsSync(path));
  await listen(context, { kind: "unix", path });
  assert.equal(await echo({ kind: "unix", path }), "hello");
});

/** A program that dies leaves its file: here a listener whose file is moved away and back. */
async function leaveStaleFile(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((settle) => server.listen(path, settle));
  renameSync(path, `${path}.kept`);
  await new Promise<void>((settle) => server.close(() => settle()));
  renameSync(`${path}.kept`, path);
}

test("listening leaves the socket file of a living program alone", async (context) => {
  const path = socketFile();
  await listen(context, { kind: "unix", path });
  await assert.rejects(
    listenOn({ kind: "unix", path }, () => undefined),
    { code: "EADDRINUSE" },
  );
  assert.equal(await echo({ kind: "unix", path }), "hello");
});

test("listening does not remove a file that is not a socket", async () => {
  const path = socketFile();
  writeFileSync(path, "data");
  chmodSync(path, 0o600);
  await assert.rejects(
    listenOn({ kind: "unix", path }, () => undefined),
    { code: "EADDRINUSE" },
  );
  assert(existsSync(path));
});

test("connectTo answers LINK_DOWN where nobody listens", async () => {
  const outcome = await connectTo({ kind: "unix", path: socketFile() }, 5000);
  assert(!outcome.ok);
  assert.equal(outcome.error.code, "LINK_DOWN");
});

test("an error of a connected socket closes it and ends nothing else", async (context) => {
  const path = socketFile();
  const server = await listen(context, { kind: "unix", path });
  const accepted = new Promise<Socket>((settle) => server.once("connection", settle));
  const raw = connect({ path });
  const socket = await accepted;
  const closed = new Promise((settle) => socket.once("close", settle));
  socket.destroy(new Error("reset"));
  await closed;
  raw.destroy();
});

/** Both ends of a TCP connection. */
async function pairOverTcp(context: TestContext): Promise<readonly [Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>();
  const server = await listenOn({ kind: "tcp", host: "127.0.0.1", port: 0 }, accepted.resolve);
  context.after(() => server.close());
  const bound = server.address();
  assert(bound !== null && typeof bound === "object");
  const socket = await connectTo({ kind: "tcp", host: "127.0.0.1", port: bound.port }, 5000);
  assert(socket.ok);
  return [socket.value, await accepted.promise];
}

function closeOf(socket: Socket): Promise<unknown> {
  return new Promise((settle) => {
    socket.once("close", settle);
  });
}

test("resetTcp is seen by the peer as a reset", async (context) => {
  const [ours, theirs] = await pairOverTcp(context);
  const error = new Promise<NodeJS.ErrnoException>((settle) => {
    theirs.once("error", settle);
  });
  theirs.resume();
  const closed = closeOf(ours);
  resetTcp(ours);
  assert.equal((await error).code, "ECONNRESET");
  await closed;
  resetTcp(ours);
});

test("resetTcp closes a connection that the peer has ended, too", async (context) => {
  const [ours, theirs] = await pairOverTcp(context);
  const ended = new Promise((settle) => {
    ours.once("end", settle);
  });
  ours.resume();
  theirs.end();
  await ended;
  const closed = closeOf(ours);
  resetTcp(ours);
  await closed;
  theirs.destroy();
});
