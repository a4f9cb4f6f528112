// Streams over AF_VSOCK behave as those of every other socket: bytes, backpressure, ends, TLS.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { TestCa } from "../fakes/tls-pki.ts";
import { check, closedOf, dial, digest, echo, listen, readAll } from "./vsock-rig.ts";

const BULK_BYTES = 8 * 1024 * 1024;

export async function checkStreams(): Promise<void> {
  await check("a connection carries bytes there and back", async () => {
    const server = await listen(echo);
    const socket = await dial(server.port);
    const reading = readAll(socket);
    socket.end("hello");
    assert.equal(String(await reading), "hello");
    await server.close();
  });

  await check("8 MB go each way at once, no faster than they are read", async () => {
    const up = randomBytes(BULK_BYTES);
    const down = randomBytes(BULK_BYTES);
    const accepted = Promise.withResolvers<Socket>();
    const server = await listen(
      (socket) => {
        socket.end(down);
        accepted.resolve(socket);
      },
      { allowHalfOpen: true },
    );
    const socket = await dial(server.port, true);
    assert.equal(socket.write(up.subarray(0, BULK_BYTES / 2)), false);
    const there = await accepted.promise;
    // Nobody reads yet: most of it has to wait here and there, and none may be lost.
    await delay(300);
    assert.ok(socket.writableLength > BULK_BYTES / 4, "our side waits");
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
}
