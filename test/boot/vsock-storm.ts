// Connections one after the other, many at a time, in the main thread or as a worker: each is
// opened, says one byte, hears it again and is closed. Counts what did not come back.

import type { Socket } from "node:net";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { openVsock } from "../../enclave/platform/vsock.ts";

export type Storm = {
  readonly cid: number;
  readonly port: number;
  readonly count: number;
  readonly concurrency: number;
};

/** How many of them failed. */
export async function runStorm({ cid, port, count, concurrency }: Storm): Promise<number> {
  const vsock = await openVsock();
  if (!vsock.ok) return count;
  let leftCount = count;
  let failedCount = 0;
  const lane = async () => {
    while (leftCount > 0) {
      leftCount -= 1;
      const socket = await vsock.value.connect(cid, port, { deadlineMs: 20_000 });
      if (!socket.ok || !(await echoes(socket.value))) failedCount += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return failedCount;
}

function echoes(socket: Socket): Promise<boolean> {
  return new Promise((settle) => {
    let byteCount = 0;
    socket.on("data", (chunk: Buffer) => {
      byteCount += chunk.length;
    });
    socket.on("error", () => {});
    socket.on("close", () => settle(byteCount === 1));
    socket.end(Uint8Array.of(1));
  });
}

function isStorm(value: unknown): value is Storm {
  return typeof value === "object" && value !== null && "concurrency" in value;
}

if (!isMainThread && isStorm(workerData)) {
  const vsock = await openVsock();
  parentPort?.postMessage(vsock.ok ? "started" : vsock.error.code);
  parentPort?.postMessage(await runStorm(workerData));
}
