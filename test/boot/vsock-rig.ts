// What the checks over AF_VSOCK have in common: how they are counted and printed, a listener, a
// connection, and how many descriptors are open.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { loadVsock } from "../../enclave/platform/native.ts";
import { openVsock } from "../../enclave/platform/vsock.ts";
import { CID_ANY, type VsockBinding } from "../../shared/wire/vsock.ts";

/** Whoever connects from this machine. */
export const CID_LOCAL = 1;

let nextPort = 20_000;
let passedCount = 0;
let failedCount = 0;

export function takePort(): number {
  return nextPort++;
}

/** The last line; true when all went well. */
export function printSummary(): boolean {
  print(`${passedCount} passed, ${failedCount} failed`);
  return failedCount === 0;
}

export async function check(name: string, run: () => Promise<void>): Promise<void> {
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

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function binding(): VsockBinding {
  const loaded = loadVsock();
  assert.ok(loaded !== null, "build/vsock.node loads");
  return loaded;
}

export async function vsock() {
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

export async function listen(
  onSocket: (socket: Socket) => void,
  options: { allowHalfOpen?: boolean; isPeerAllowed?: (cid: number) => boolean } = {},
): Promise<Listening> {
  const port = takePort();
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

export async function dial(port: number, allowHalfOpen = false): Promise<Socket> {
  const socket = await (await vsock()).connect(CID_LOCAL, port, {
    deadlineMs: 10_000,
    allowHalfOpen,
  });
  assert.ok(socket.ok, socket.ok ? "" : `a connection ended with ${socket.error.code}`);
  return socket.value;
}

export async function readAll(socket: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks);
}

/** Whatever it was closed for. */
export function closedOf(socket: Socket): Promise<void> {
  socket.on("error", () => {});
  return new Promise((settle) => void socket.once("close", () => settle()));
}

export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Descriptors of this process. Closing takes a moment: waits for `most`, but not forever. */
export async function descriptorCount(most: number): Promise<number> {
  for (let tryCount = 0; ; tryCount++) {
    const count = readdirSync("/proc/self/fd").length;
    if (count <= most || tryCount > 100) return count;
    await delay(50);
  }
}

/** The same, when nothing is open that was for the check before. */
export async function settledCount(): Promise<number> {
  await delay(200);
  return descriptorCount(Number.POSITIVE_INFINITY);
}

export const echo = (socket: Socket) => void socket.pipe(socket);
