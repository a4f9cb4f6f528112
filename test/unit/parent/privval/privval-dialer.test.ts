// The dialer against listeners that are not there, close at once, or never answer.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { listenOn } from "../../../../parent/platform/socket.ts";
import type { PrivvalState } from "../../../../parent/privval/ports.ts";
import type { PrivvalAddress } from "../../../../parent/privval/privval-address.ts";
import {
  type DialerOptions,
  PrivvalDialer,
  startPrivval,
} from "../../../../parent/privval/privval-dialer.ts";
import { type Address, encodeAddress } from "../../../../shared/address.ts";
import { ManualTimers } from "../../../fakes/manual-timers.ts";
import { ScriptedPrivval } from "../../../fakes/scripted-privval.ts";
import { SIDE_A } from "../../../fakes/secret-vectors.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";
import { until } from "../../../fakes/until.ts";

type NodeAddress = PrivvalAddress["address"];

const CHAIN = "test-chain";
/** Shorter than whatever else a dialer waits for. */
const DELAY_MS_MAX = 1000;
const PING = Buffer.from("023a00", "hex");
const NOWHERE: NodeAddress = { kind: "unix", path: "/nowhere/node.sock" };

function unpinned(address: NodeAddress): PrivvalAddress {
  return address.kind === "unix"
    ? { scheme: "unix", address, peerId: null }
    : { scheme: "tcp", address, peerId: null };
}

class Bench {
  readonly timers = new ManualTimers();
  readonly log = new SilentLog();
  readonly states: PrivvalState[] = [];
  readonly dialer: PrivvalDialer;

  constructor(context: TestContext, address: NodeAddress, options: Partial<DialerOptions> = {}) {
    this.dialer = new PrivvalDialer({
      node: { chainId: CHAIN, address: unpinned(address) },
      identity: SIDE_A.identity,
      signer: new ScriptedPrivval(),
      log: this.log,
      observer: { changed: (state) => this.states.push(state) },
      timers: this.timers,
      ...options,
    });
    this.dialer.start();
    context.after(() => this.dialer.close());
  }

  /** The delay before the next try, once the present one has failed. */
  async delayAfter(dialCount: number): Promise<number> {
    const isPausing = (): boolean => (this.timers.nextMs ?? DELAY_MS_MAX + 1) <= DELAY_MS_MAX;
    await until(() => this.dialer.state().dialCount === dialCount && isPausing());
    return this.timers.nextMs ?? 0;
  }
}

async function listen(
  context: TestContext,
  address: Address,
  onSocket: (socket: Socket) => void,
): Promise<Server> {
  const sockets: Socket[] = [];
  const server = await listenOn(address, (socket) => {
    sockets.push(socket);
    onSocket(socket);
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

function unixAddress(context: TestContext): NodeAddress {
  const folder = mkdtempSync(join(tmpdir(), "privval-dialer-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return { kind: "unix", path: join(folder, "node.sock") };
}

/** A listener on loopback, and where to dial it. */
async function tcpAddress(
  context: TestContext,
  onSocket: (socket: Socket) => void,
): Promise<NodeAddress> {
  const server = await listen(context, { kind: "tcp", host: "127.0.0.1", port: 0 }, onSocket);
  const bound = server.address();
  assert(bound !== null && typeof bound === "object");
  return { kind: "tcp", host: "127.0.0.1", port: bound.port };
}

function isHalfToWhole(delayMs: number, wholeMs: number): boolean {
  return delayMs >= wholeMs / 2 && delayMs <= wholeMs;
}

test("tries that fail are 100 ms to 1 s apart, logged once, and told once", async (context) => {
  const bench = new Bench(context, NOWHERE);
  for (const [index, wholeMs] of [100, 200, 400, 800, 1000, 1000, 1000].entries()) {
    const delayMs = await bench.delayAfter(index + 1);
    assert.ok(isHalfToWhole(delayMs, wholeMs), `try ${index + 1}: ${delayMs}`);
    bench.timers.advance(delayMs);
  }
  const address = encodeAddress(NOWHERE);
  const fields = { chain: CHAIN, address, code: "PRIVVAL_UNREACHABLE" };
  assert.deepEqual(bench.log.lines, [{ level: "warn", event: "privval.disconnected", fields }]);
  assert.equal(bench.states.length, 1);
  const { dialCount: _, ...rest } = bench.dialer.state();
  assert.deepEqual(rest, {
    chainId: CHAIN,
    address,
    isConnected: false,
    code: "PRIVVAL_UNREACHABLE",
    connectCount: 0,
    requestCount: 0,
    refusedCount: 0,
  });
});

test("only a node that has sent a message counts as connected, and is redialled at once", async (context) => {
  const address = unixAddress(context);
  const bench = new Bench(context, address);
  // Nobody listens, then somebody who only closes: both are no node that serves us.
  await bench.delayAfter(1);
  let greeting: Buffer | null = null;
  await listen(context, address, (socket) => {
    if (greeting === null) socket.end();
    else socket.write(greeting, () => setImmediate(() => socket.end()));
  });
  bench.timers.advance(100);
  const second = await bench.delayAfter(2);
  assert.ok(isHalfToWhole(second, 200), `${second}`);
  greeting = PING;
  bench.timers.advance(second);
  const third = await bench.delayAfter(3);
  assert.ok(isHalfToWhole(third, 100), `${third}`);
  assert.deepEqual(
    bench.states.map(({ isConnected, code }) => (isConnected ? "connected" : code)),
    ["PRIVVAL_UNREACHABLE", "PRIVVAL_CLOSED", "connected", "PRIVVAL_CLOSED"],
  );
  assert.deepEqual(
    bench.log.lines.map(({ event, fields }) => [event, fields.code]),
    [
      ["privval.disconnected", "PRIVVAL_UNREACHABLE"],
      ["privval.disconnected", "PRIVVAL_CLOSED"],
      ["privval.connected", undefined],
      ["privval.disconnected", "PRIVVAL_CLOSED"],
    ],
  );
  assert.equal(bench.dialer.state().connectCount, 1);
});

test("without an identity no node is dialled over tcp", async (context) => {
  const address = await tcpAddress(context, () => {});
  const bench = new Bench(context, address, { identity: null });
  await bench.delayAfter(1);
  assert.equal(bench.dialer.state().code, "PRIVVAL_IDENTITY");
});

test("dial and handshake share one deadline", async (context) => {
  const accepted = Promise.withResolvers<Socket>();
  const address = await tcpAddress(context, accepted.resolve);
  const bench = new Bench(context, address, { timing: { dialMs: 2000 } });
  await accepted.promise;
  await until(() => bench.timers.nextMs === 2000);
  bench.timers.advance(2000);
  await until(() => bench.states.length === 1);
  assert.equal(bench.dialer.state().code, "PRIVVAL_TIMEOUT");
});

test("close ends a dialer wherever it is, and leaves no alarm and no connection behind", async (context) => {
  const waiting = new Bench(context, NOWHERE);
  await waiting.delayAfter(1);
  await waiting.dialer.close();
  assert.equal(waiting.timers.count, 0);
  assert.equal(waiting.dialer.state().dialCount, 1);

  const closed = Promise.withResolvers<null>();
  const silent = await tcpAddress(context, (socket) => {
    socket.resume();
    socket.once("close", () => closed.resolve(null));
  });
  const shaking = new Bench(context, silent);
  await until(() => shaking.timers.count > 0);
  await shaking.dialer.close();
  await closed.promise;
  assert.equal(shaking.timers.count, 0);

  const unix = unixAddress(context);
  await listen(context, unix, (socket) => socket.write(PING));
  const serving = new Bench(context, unix);
  await until(() => serving.dialer.state().isConnected);
  await serving.dialer.close();
  assert.equal(serving.timers.count, 0);
  assert.deepEqual(
    serving.states.map(({ isConnected, code }) => [isConnected, code]),
    [
      [true, null],
      [false, null],
    ],
  );

  const dialling = new Bench(context, unix);
  await dialling.dialer.close();
  assert.equal(dialling.timers.count, 0);
  assert.equal(dialling.dialer.state().isConnected, false);
});

test("startPrivval dials every node, and names their states in order", async (context) => {
  const paths = ["/nowhere/a.sock", "/nowhere/b.sock"];
  const privval = startPrivval({
    nodes: paths.map((path) => ({
      chainId: CHAIN,
      address: { scheme: "unix", address: { kind: "unix", path }, peerId: null },
    })),
    identity: null,
    signer: new ScriptedPrivval(),
    log: new SilentLog(),
  });
  context.after(() => privval.close());
  await until(() => privval.states().every(({ code }) => code === "PRIVVAL_UNREACHABLE"));
  assert.deepEqual(
    privval.states().map(({ address }) => address),
    paths.map((path) => `unix://${path}`),
  );
});
