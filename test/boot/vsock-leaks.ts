// Whatever becomes of connections and threads, no descriptor stays behind.

import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { CID_ANY } from "../../shared/wire/vsock.ts";
import {
  binding,
  CID_LOCAL,
  check,
  descriptorCount,
  echo,
  listen,
  print,
  settledCount,
  takePort,
} from "./vsock-rig.ts";
import { runStorm } from "./vsock-storm.ts";

const CONCURRENCY = 48;

export async function checkLeaks(connectionCount: number): Promise<void> {
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
    const silentPort = takePort();
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
}

function storm(port: number, count: number): Worker {
  return new Worker(new URL("./vsock-storm.ts", import.meta.url), {
    workerData: { cid: CID_LOCAL, port, count, concurrency: 16 },
  });
}
