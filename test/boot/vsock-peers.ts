// Who is reached over AF_VSOCK and who is let in: addresses, refusals, backlogs, limits.

import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { connectTo, listenOn } from "../../enclave/platform/socket.ts";
import { CID_ANY } from "../../shared/wire/vsock.ts";
import {
  binding,
  CID_LOCAL,
  check,
  closedOf,
  dial,
  echo,
  listen,
  print,
  readAll,
  takePort,
  vsock,
} from "./vsock-rig.ts";

export async function checkPeers(): Promise<void> {
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
    for (let tryCount = 0; seen.length === 0 && tryCount < 100; tryCount++) await delay(100);
    native.stop(acceptor);
    native.stop(acceptor);
    native.resume(acceptor);
    assert.deepEqual(seen, [CID_LOCAL, CID_LOCAL, 19_000]);
  });

  await check("a port that nobody listens on is LINK_DOWN within the deadline", async () => {
    const startMs = performance.now();
    const socket = await (await vsock()).connect(CID_LOCAL, 7, { deadlineMs: 700 });
    assert.equal(socket.ok ? "" : socket.error.code, "LINK_DOWN");
    const tookMs = performance.now() - startMs;
    // An emulated machine may stand still for seconds.
    assert.ok(tookMs < 10_000, `took ${tookMs} ms`);
  });

  await check("a listener that comes up within the deadline is reached", async () => {
    const port = takePort();
    const connecting = dial(port);
    await delay(300);
    const server = await (await vsock()).listen(CID_ANY, port, echo, { isPeerAllowed: () => true });
    const socket = await connecting;
    socket.destroy();
    await new Promise((settle) => server.close(settle));
  });

  await check("a machine that no transport leads to is LINK_DOWN at once", async () => {
    const startMs = performance.now();
    const socket = await (await vsock()).connect(3, 7, { deadlineMs: 60_000 });
    assert.equal(socket.ok ? "" : socket.error.code, "LINK_DOWN");
    assert.ok(performance.now() - startMs < 30_000);
  });

  await check("a full backlog refuses, and trying again gets everybody in", async () => {
    const native = binding();
    const port = takePort();
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
    native.close(fd);
    assert.ok((codes.get("ECONNRESET") ?? 0) > 32);
    const options = { isPeerAllowed: () => true, backlog: 4 };
    const server = await (await vsock()).listen(CID_ANY, port, echo, options);
    // All of them connect in one turn, in which nothing can be accepted.
    const answers = Array.from({ length: 64 }, async () => {
      const socket = await dial(port);
      const reading = readAll(socket);
      socket.end("hello");
      return String(await reading);
    });
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(["hello"]));
    await new Promise((settle) => server.close(settle));
  });

  await check("a peer of another CID is cut off before it is a stream", async () => {
    const seen: number[] = [];
    const server = await listen(() => assert.fail("a stream"), {
      isPeerAllowed: (cid) => {
        seen.push(cid);
        return false;
      },
    });
    const socket = await (await vsock()).connect(CID_LOCAL, server.port, { deadlineMs: 500 });
    // It may be cut off so early that it never was a connection here.
    if (socket.ok) {
      const closed = closedOf(socket.value);
      socket.value.on("data", () => assert.fail("bytes"));
      socket.value.write("hello");
      await closed;
    }
    assert.deepEqual(new Set(seen), new Set([CID_LOCAL]));
    await server.close();
  });

  await check("an enclave's listener takes the CID of its address and nobody else", async () => {
    const port = takePort();
    const foreign = await listenOn({ kind: "vsock", cid: 3, port }, () => assert.fail("a stream"));
    const cut = await connectTo({ kind: "vsock", cid: CID_LOCAL, port });
    if (cut.ok) {
      cut.value.resume();
      await closedOf(cut.value);
    }
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
}
