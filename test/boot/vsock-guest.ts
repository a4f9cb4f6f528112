// AF_VSOCK for real, over the loopback transport (CID 1) of a Linux guest: runs where the modules
// vsock, vmw_vsock_virtio_transport_common and vsock_loopback are loaded, and never on a host.
// `--connections N` says how many connections the search for leaks makes.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { loadVsock } from "../../enclave/platform/native.ts";
import { connectTo, listenOn } from "../../enclave/platform/socket.ts";
import { openVsock } from "../../enclave/platform/vsock.ts";
import { CID_ANY, type VsockBinding } from "../../shared/wire/vsock.ts";
import { TestCa } from "../fakes/tls-pki.ts";
import { runStorm } from "./vsock-storm.ts";

const CID_LOCAL = 1;
const BULK_BYTES = 8 * 1024 * 1024;
const CONNECTIONS_BY_DEFAULT = 20_000;
const CONCURRENCY = 48;

const { values } = parseArgs({ options: { connections: { type: "string" } } });
const connectionCount = Number(values.connections ?? CONNECTIONS_BY_DEFAULT);

let nextPort = 20_000;
let passedCount = 0;
let failedCount = 0;

async function check(name: string, run: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  try {
    await run();
    passedCount += 1;
    print(`ok ${name} (${Math.round(performance.now() - startMs)} ms)`);
  } catch (error) {
    failedCount += 1;
    const text = error instanceof Error ? (error.stack ?? error.message) : "threw something";
    print(`not ok ${name} ${text.replaceAll(/\s*\n\s*/g, " | ")}`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function binding(): VsockBinding {
  const loaded = loadVsock();
  assert.ok(loaded !== null, "build/vsock.node loads");
  return loaded;
}

async function vsock() {
  const opened = await openVsock();
  assert.ok(opened.ok, "the smoke test passes");
  return opened.value;
}

type Listening = {
  readonly port: number;
  readonly server: Server;
  readonly sockets: Set<Socket>;
  close(): Promise<void>;
};

async function listen(
  onSocket: (socket: Socket) => void,
  options: { allowHalfOpen?: boolean; isPeerAllowed?: (cid: number) => boolean } = {},
): Promise<Listening> {
  const port = nextPort++;
  const sockets = new Set<Socket>();
  const server = await (await vsock()).listen(
    CID_ANY,
    port,
    (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
      onSocket(socket);
    },
    { isPeerAllowed: () => true, ...options },
  );
  return {
    port,
    server,
    sockets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((settle) => server.close(settle));
    },
  };
}

async function dial(port: number, allowHalfOpen = false): Promise<Socket> {
  const socket = await (await vsock()).connect(CID_LOCAL, port, {
    deadlineMs: 10_000,
    allowHalfOpen,
  });
  assert.ok(socket.ok, "connects");
  return socket.value;
}

async function readAll(socket: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks);
}

/** Whatever it was closed for. */
function closedOf(socket: Socket): Promise<void> {
  socket.on("error", () => {});
  return new Promise((settle) => void socket.once("close", () => settle()));
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Descriptors of this process. Closing takes a moment: waits until there are `most`, for a while. */
async function descriptorCount(most: number): Promise<number> {
  for (let tryCount = 0; ; tryCount++) {
    const count = readdirSync("/proc/self/fd").length;
    if (count <= most || tryCount > 100) return count;
    await delay(50);
  }
}

/** The same, when nothing is open that was for the check before. */
async function settledCount(): Promise<number> {
  await delay(200);
  return descriptorCount(Number.POSITIVE_INFINITY);
}

const echo = (socket: Socket) => void socket.pipe(socket);

// -------------------------------------------------------------------------------------------------

await check("the smoke test at start passes", async () => {
  await vsock();
});

await check("a connection carries bytes there and back", async () => {
  const server = await listen(echo);
  const socket = await dial(server.port);
  const reading = readAll(socket);
  socket.end("hello");
  assert.equal(String(await reading), "hello");
  await server.close();
});

await check("the addon tells both ends who the other is", async () => {
  const native = binding();
  const fd = native.listen(CID_ANY, 19_000, 8);
  assert.equal(native.localPort(fd), 19_000);
  assert.ok(Number.isInteger(native.localCid()));
  assert.throws(() => native.peer(fd), { code: "ENOTCONN" });
  const seen: number[] = [];
  const acceptor = native.accept(fd, (code, accepted, cid) => {
    assert.equal(code, null);
    seen.push(cid, native.peer(accepted).cid, native.localPort(accepted));
    return false;
  });
  const peer = await new Promise<readonly number[]>((settle) => {
    native.connect(CID_LOCAL, 19_000, 5000, (code, connected, cid) => {
      assert.equal(code, null);
      const { cid: named, port } = native.peer(connected);
      settle([cid, named, port]);
      return false;
    });
  });
  assert.deepEqual(peer, [CID_LOCAL, CID_LOCAL, 19_000]);
  await delay(100);
  native.stop(acceptor);
  native.stop(acceptor);
  native.resume(acceptor);
  assert.deepEqual(seen, [CID_LOCAL, CID_LOCAL, 19_000]);
});

await check("8 MB go each way at once, no faster than they are read", async () => {
  const up = randomBytes(BULK_BYTES);
  const down = randomBytes(BULK_BYTES);
  let accepted: Socket | null = null;
  const server = await listen(
    (socket) => {
      accepted = socket;
      socket.end(down);
    },
    { allowHalfOpen: true },
  );
  const socket = await dial(server.port, true);
  assert.equal(socket.write(up.subarray(0, BULK_BYTES / 2)), false);
  // Nobody reads yet: most of it has to wait here and there, and none may be lost.
  await delay(300);
  assert.ok(socket.writableLength > BULK_BYTES / 4, "our side waits");
  assert.ok(accepted !== null);
  const there: Socket = accepted;
  assert.ok(there.writableLength > BULK_BYTES / 4, "the other side waits");
  const received = readAll(there);
  await once(socket, "drain");
  socket.end(up.subarray(BULK_BYTES / 2));
  const [left, right] = await Promise.all([received, readAll(socket)]);
  assert.equal(digest(left), digest(up));
  assert.equal(digest(right), digest(down));
  await server.close();
});

await check("a side that has ended still receives, whichever ends first", async () => {
  const answer = randomBytes(1024 * 1024);
  const server = await listen(
    (socket) => {
      void readAll(socket).then((bytes) => {
        assert.equal(String(bytes), "question");
        socket.end(answer);
      });
    },
    { allowHalfOpen: true },
  );
  const socket = await dial(server.port, true);
  socket.end("question");
  assert.equal(digest(await readAll(socket)), digest(answer));
  await server.close();

  const late = Promise.withResolvers<Buffer>();
  const second = await listen(
    (accepted) => {
      void readAll(accepted).then(late.resolve);
      accepted.end("bye");
    },
    { allowHalfOpen: true },
  );
  const client = await dial(second.port, true);
  assert.equal(String(await readAll(client)), "bye");
  client.end(answer);
  assert.equal(digest(await late.promise), digest(answer));
  await second.close();
});

await check("without half-open streams the end of one side ends both", async () => {
  const server = await listen((socket) => socket.resume());
  const socket = await dial(server.port);
  const [accepted] = server.sockets;
  assert.ok(accepted !== undefined);
  const closed = closedOf(accepted);
  socket.resume();
  socket.end();
  await Promise.all([closed, closedOf(socket)]);
  await server.close();
});

await check("a destroyed side closes the other", async () => {
  const server = await listen((socket) => socket.resume());
  const socket = await dial(server.port);
  const [accepted] = server.sockets;
  assert.ok(accepted !== undefined);
  const closed = closedOf(accepted);
  socket.destroy();
  await closed;
  await server.close();
});

await check("TLS 1.3 runs over it, with a certificate that is checked", async () => {
  const ca = new TestCa("vsock");
  const leaf = ca.leaf("server", { isServer: true });
  const bulk = randomBytes(1024 * 1024);
  const server = await listen((socket) => {
    const secure = new TLSSocket(socket, {
      isServer: true,
      cert: leaf.cert,
      key: leaf.key,
      minVersion: "TLSv1.3",
    });
    secure.on("error", () => {});
    secure.pipe(secure);
  });
  const secure = connectTls({
    socket: await dial(server.port),
    ca: ca.cert,
    host: "127.0.0.1",
    minVersion: "TLSv1.3",
  });
  await once(secure, "secureConnect");
  assert.equal(secure.getProtocol(), "TLSv1.3");
  assert.ok(secure.authorized);
  const reading = readAll(secure);
  secure.end(bulk);
  assert.equal(digest(await reading), digest(bulk));

  const stranger = connectTls({
    socket: await dial(server.port),
    ca: new TestCa("other").cert,
    host: "127.0.0.1",
  });
  const refused = new Promise((settle) => void stranger.once("error", settle));
  assert.ok((await refused) instanceof Error);
  await server.close();
});

await check("a port that nobody listens on is LINK_DOWN within the deadline", async () => {
  const startMs = performance.now();
  const socket = await (await vsock()).connect(CID_LOCAL, 7, { deadlineMs: 700 });
  assert.equal(socket.ok ? "" : socket.error.code, "LINK_DOWN");
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 1500, `took ${tookMs} ms`);
});

await check("a listener that comes up within the deadline is reached", async () => {
  const port = nextPort;
  const connecting = dial(port);
  await delay(300);
  const server = await listen(echo);
  assert.equal(server.port, port);
  (await connecting).destroy();
  await server.close();
});

await check("a machine that no transport leads to is LINK_DOWN at once", async () => {
  const startMs = performance.now();
  const socket = await (await vsock()).connect(3, 7, { deadlineMs: 5000 });
  assert.equal(socket.ok ? "" : socket.error.code, "LINK_DOWN");
  assert.ok(performance.now() - startMs < 1000);
});

await check("a full backlog refuses, and trying again gets everybody in", async () => {
  const native = binding();
  const port = nextPort++;
  const fd = native.listen(CID_ANY, port, 4);
  const codes = new Map<string, number>();
  await Promise.all(
    Array.from({ length: 64 }, () => {
      return new Promise<void>((settle) => {
        native.connect(CID_LOCAL, port, 2000, (code) => {
          codes.set(code ?? "connected", (codes.get(code ?? "connected") ?? 0) + 1);
          settle();
          return false;
        });
      });
    }),
  );
  print(`# 64 connections on a backlog of 4: ${JSON.stringify(Object.fromEntries(codes))}`);
  assert.ok((codes.get("ECONNRESET") ?? 0) > 32);
  const connecting = Array.from({ length: 64 }, () => dial(port));
  await delay(200);
  const acceptor = native.accept(fd, () => false);
  const sockets = await Promise.all(connecting);
  for (const socket of sockets) socket.destroy();
  native.stop(acceptor);
});

await check("a peer of another CID is cut off before it is a stream", async () => {
  const seen: number[] = [];
  const server = await listen(() => assert.fail("a stream"), {
    isPeerAllowed: (cid) => {
      seen.push(cid);
      return false;
    },
  });
  const socket = await dial(server.port);
  const closed = closedOf(socket);
  socket.on("data", () => assert.fail("bytes"));
  socket.write("hello");
  await closed;
  assert.deepEqual(seen, [CID_LOCAL]);
  await server.close();
});

await check("an enclave's listener takes the CID of its address and nobody else", async () => {
  const port = nextPort++;
  const foreign = await listenOn({ kind: "vsock", cid: 3, port }, () => assert.fail("a stream"));
  const cut = await connectTo({ kind: "vsock", cid: CID_LOCAL, port });
  assert.ok(cut.ok);
  cut.value.resume();
  await closedOf(cut.value);
  await new Promise((settle) => foreign.close(settle));
  const own = await listenOn({ kind: "vsock", cid: CID_LOCAL, port }, echo);
  const socket = await connectTo({ kind: "vsock", cid: CID_LOCAL, port });
  assert.ok(socket.ok);
  const reading = readAll(socket.value);
  socket.value.end("hello");
  assert.equal(String(await reading), "hello");
  await new Promise((settle) => own.close(settle));
});

await check("a server drops what is beyond its limit of connections", async () => {
  const server = await listen(echo);
  server.server.maxConnections = 1;
  const dropped = once(server.server, "drop");
  const first = await dial(server.port);
  const second = await dial(server.port);
  second.resume();
  await Promise.all([dropped, closedOf(second)]);
  first.destroy();
  await server.close();
});

await check("a closed server frees its port, and is refused from then on", async () => {
  const server = await listen(echo);
  await assert.rejects(
    (await vsock()).listen(CID_ANY, server.port, echo, { isPeerAllowed: () => true }),
    { code: "EADDRINUSE" },
  );
  await server.close();
  await delay(50);
  const gone = await (await vsock()).connect(CID_LOCAL, server.port, { deadlineMs: 200 });
  assert.equal(gone.ok ? "" : gone.error.code, "LINK_DOWN");
  const again = await (await vsock()).listen(CID_ANY, server.port, echo, {
    isPeerAllowed: () => true,
  });
  await new Promise((settle) => again.close(settle));
});

await check(`${connectionCount} connections leave no descriptor behind`, async () => {
  const server = await listen(echo);
  assert.equal(
    await runStorm({ cid: CID_LOCAL, port: server.port, count: 100, concurrency: 8 }),
    0,
  );
  const before = await settledCount();
  const startMs = performance.now();
  const failed = await runStorm({
    cid: CID_LOCAL,
    port: server.port,
    count: connectionCount,
    concurrency: CONCURRENCY,
  });
  const seconds = (performance.now() - startMs) / 1000;
  print(`# ${connectionCount} connections in ${seconds.toFixed(1)} s`);
  assert.equal(failed, 0);
  assert.equal(await descriptorCount(before), before);
  await server.close();
});

await check("refused and cut connections leave no descriptor behind", async () => {
  const server = await listen(echo, { isPeerAllowed: () => false });
  const native = binding();
  const before = await settledCount();
  for (let round = 0; round < 20; round++) {
    const ports = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? server.port : 7));
    await Promise.all(
      ports.map(
        (port) =>
          new Promise<void>((settle) => {
            native.connect(CID_LOCAL, port, 2000, () => {
              settle();
              return false;
            });
          }),
      ),
    );
  }
  assert.equal(await descriptorCount(before), before);
  await server.close();
});

await check("a storm from worker threads comes back whole", async () => {
  const server = await listen(echo);
  const before = await settledCount();
  const failed = await Promise.all(
    [1, 2].map(async () => {
      const worker = storm(server.port, 300);
      let last: unknown = null;
      worker.on("message", (message) => {
        last = message;
      });
      await once(worker, "exit");
      return last;
    }),
  );
  assert.deepEqual(failed, [0, 0]);
  assert.equal(await descriptorCount(before), before);
  await server.close();
});

await check("a thread that is ended in the middle leaves no descriptor behind", async () => {
  const server = await listen(echo);
  // A listener that never accepts keeps connections in every state.
  const native = binding();
  const silentPort = nextPort++;
  const silent = native.listen(CID_ANY, silentPort, 2);
  const before = await settledCount();
  for (const port of [server.port, silentPort, server.port, silentPort]) {
    const worker = storm(port, 1_000_000);
    await once(worker, "message");
    await delay(300);
    await worker.terminate();
  }
  assert.equal(await descriptorCount(before), before);
  native.close(silent);
  await server.close();
});

function storm(port: number, count: number): Worker {
  return new Worker(new URL("./vsock-storm.ts", import.meta.url), {
    workerData: { cid: CID_LOCAL, port, count, concurrency: 16 },
  });
}

print(`${passedCount} passed, ${failedCount} failed`);
process.exitCode = failedCount === 0 ? 0 : 1;
