import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import * as net from "node:net";
import { describe, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { loadVsock } from "../../../../enclave/platform/native.ts";
import { type Deliver, DescriptorStreams } from "../../../../shared/wire/descriptor-stream.ts";
import { TestCa } from "../../../fakes/tls-pki.ts";

// The descriptors are those of unix sockets, since nothing on this machine may be reached over
// vsock; `test/boot/vsock-guest.ts` does the same over AF_VSOCK.
const binding = loadVsock();
const skip = binding === null ? "build/vsock.node is not built: npm run build:native" : false;
const BULK_BYTES = 4 * 1024 * 1024;

function streams(): DescriptorStreams<Socket, Server> {
  assert.ok(binding !== null);
  const learnt = DescriptorStreams.learn(net, (offer) => binding.pair(offer));
  assert.ok(learnt !== null);
  return learnt;
}

type Served = {
  readonly server: Server;
  readonly isStopped: () => boolean;
  /** Null when the server's end was not taken. */
  readonly dial: (allowHalfOpen?: boolean) => Socket | null;
};

async function serve(
  context: TestContext,
  onSocket: (socket: Socket) => void,
  allowHalfOpen = false,
): Promise<Served> {
  assert.ok(binding !== null);
  const made = streams();
  const sockets = new Set<Socket>();
  const delivers: Deliver[] = [];
  let isStopped = false;
  const server = await made.serve(
    (deliver) => {
      delivers.push(deliver);
      return {
        stop: () => {
          isStopped = true;
        },
      };
    },
    (socket) => {
      sockets.add(socket);
      onSocket(socket);
    },
    allowHalfOpen,
  );
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    if (!isStopped) server.close();
  });
  const dial = (isHalfOpen = false) => {
    const ends: Socket[] = [];
    let isServed: boolean | null = null;
    binding.pair((_code, fd) => {
      if (isServed === null) {
        isServed = delivers[0]?.(fd) ?? false;
        return isServed;
      }
      const socket = isServed ? made.adopt(fd, isHalfOpen) : null;
      if (socket !== null) ends.push(socket);
      return socket !== null;
    });
    for (const socket of ends) sockets.add(socket);
    return ends[0] ?? null;
  };
  return { server, isStopped: () => isStopped, dial };
}

async function readAll(socket: Socket | TLSSocket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks);
}

// The suites below are left out without a word: this says why, once.
test("this Node makes streams of descriptors", { skip }, () => {
  assert.ok(streams() !== null);
});

describe("a stream over a descriptor", { skip }, () => {
  test("carries bytes both ways at once, and no faster than they are read", async (context) => {
    const up = randomBytes(BULK_BYTES);
    const down = randomBytes(BULK_BYTES);
    const accepted: Socket[] = [];
    const { dial } = await serve(context, (socket) => {
      accepted.push(socket);
      socket.end(down);
    });
    const client = dial(true);
    assert.ok(client !== null);
    assert.equal(client.write(up), false);
    for (let count = 0; count < 20; count++) await turn();
    const [there] = accepted;
    assert.ok(there !== undefined);
    assert.ok(client.writableLength > BULK_BYTES / 2);
    assert.ok(there.writableLength > BULK_BYTES / 2);
    client.end();
    const [left, right] = await Promise.all([readAll(there), readAll(client)]);
    assert.ok(left.equals(up));
    assert.ok(right.equals(down));
  });

  test("still receives after its own end, when it is half-open", async (context) => {
    const { dial } = await serve(
      context,
      (socket) => void readAll(socket).then((bytes) => socket.end(bytes)),
      true,
    );
    const client = dial(true);
    assert.ok(client !== null);
    client.end("hello");
    assert.equal(String(await readAll(client)), "hello");
  });

  test("ends with the other side when it is not half-open", async (context) => {
    const { dial } = await serve(context, (socket) => socket.resume());
    const client = dial();
    assert.ok(client !== null);
    client.resume();
    client.end();
    await once(client, "close");
  });

  test("carries TLS 1.3 for the one who owns the other side's key", async (context) => {
    const ca = new TestCa("descriptor");
    const { cert, key } = ca.leaf("server", { isServer: true });
    const { dial } = await serve(context, (socket) => {
      const secure = new TLSSocket(socket, { isServer: true, cert, key });
      secure.on("error", () => {});
      secure.pipe(secure);
    });
    const client = dial();
    assert.ok(client !== null);
    const options = { ca: ca.cert, host: "127.0.0.1", minVersion: "TLSv1.3" } as const;
    const secure = connectTls({ socket: client, ...options });
    await once(secure, "secureConnect");
    assert.equal(secure.getProtocol(), "TLSv1.3");
    const bulk = randomBytes(BULK_BYTES / 4);
    secure.end(bulk);
    assert.ok((await readAll(secure)).equals(bulk));
  });

  test("can't be made on a Node that knows no unix sockets, which is not a crash", () => {
    class Unknown extends net.Socket {
      constructor() {
        super();
        throw new TypeError("Unsupported fd type");
      }
    }
    const other = { createServer: net.createServer, Socket: Unknown };
    assert.ok(binding !== null);
    const learnt = DescriptorStreams.learn(other, (offer) => binding.pair(offer));
    assert.equal(learnt, null);
  });

  test("is null for what is no open descriptor, which stays the caller's", () => {
    assert.equal(streams().adopt(1_000_000, false), null);
  });
});

describe("a server over descriptors", { skip }, () => {
  test("counts its connections, drops what is too much and closes when all are gone", async (context) => {
    const { server, dial, isStopped } = await serve(context, (socket) => socket.resume());
    server.maxConnections = 1;
    const dropped = once(server, "drop");
    const first = dial();
    const second = dial();
    assert.ok(first !== null && second !== null);
    second.resume();
    await Promise.all([dropped, once(second, "close")]);
    let isClosed = false;
    server.close(() => {
      isClosed = true;
    });
    assert.ok(isStopped());
    for (let count = 0; count < 5; count++) await turn();
    assert.ok(!isClosed);
    first.destroy();
    await once(server, "close");
    assert.ok(isClosed);
  });

  test("takes no connection once it is closed", async (context) => {
    const { server, dial } = await serve(context, () => assert.fail("a stream"));
    server.close();
    await once(server, "close");
    assert.equal(dial(), null);
  });
});
