import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StreamServer, StreamSocket } from "../../../../shared/wire/descriptor-stream.ts";
import {
  createVsock,
  isVsockBinding,
  type Offer,
  type VsockBinding,
  type VsockPorts,
} from "../../../../shared/wire/vsock.ts";
import { verifyVsock } from "../../../../shared/wire/vsock-check.ts";

/** Takes every descriptor but `BAD_FD`. */
class Pipe {
  isClosed = false;
  open(fd: number): number {
    return fd === BAD_FD ? -9 : 0;
  }
  close(): void {
    this.isClosed = true;
  }
  readStart(): number {
    return 0;
  }
}

const BAD_FD = 99;
const GOOD_FD = 7;

class FakeSocket implements StreamSocket {
  readonly _handle: unknown;
  constructor(options: { readonly fd?: number; readonly allowHalfOpen?: boolean }) {
    this._handle = Reflect.get(options, "handle") ?? new Pipe();
  }
  on(): this {
    return this;
  }
  end(): void {}
  destroy(): void {}
}

/** As much of a server of Node as is relied on. */
class FakeServer implements StreamServer {
  _handle: unknown = null;
  readonly #onSocket: (socket: FakeSocket) => void;
  #onListening = () => {};
  constructor(onSocket: (socket: FakeSocket) => void) {
    this.#onSocket = onSocket;
  }
  once(_event: "listening", listener: () => void): void {
    this.#onListening = listener;
  }
  _listen2(): void {
    const onconnection = (_error: number, handle: unknown) => {
      const options = { handle, allowHalfOpen: false };
      this.#onSocket(new FakeSocket(options));
    };
    assert.ok(typeof this._handle === "object" && this._handle !== null);
    Object.assign(this._handle, { onconnection });
    queueMicrotask(this.#onListening);
  }
  close(): void {
    assert.ok(typeof this._handle === "object" && this._handle !== null);
    const stop: unknown = Reflect.get(this._handle, "close");
    assert.ok(typeof stop === "function");
    Reflect.apply(stop, this._handle, []);
  }
}

const net = {
  Socket: FakeSocket,
  createServer: (_options: object, onSocket: (socket: FakeSocket) => void) =>
    new FakeServer(onSocket),
};

/** A kernel by hand, and a clock that only moves when somebody waits. */
class Rig {
  nowMs = 0;
  /** What the next attempts end with: an errno, a thrown errno, or a descriptor. */
  readonly script: (string | number | { readonly thrown: string })[] = [];
  readonly attempts: { readonly atMs: number; readonly timeoutMs: number }[] = [];
  readonly calls: string[] = [];
  readonly closed: number[] = [];
  readonly timers: { readonly run: () => void; readonly delayMs: number; isOff: boolean }[] = [];
  offer: Offer | null = null;
  attemptMs = 0;
  canAccept = true;
  random = 0;

  readonly binding: VsockBinding = {
    listen: (cid, port, backlog) => {
      this.calls.push(`listen ${cid} ${port} ${backlog}`);
      return 5;
    },
    accept: (fd, offer) => {
      if (!this.canAccept) throw Object.assign(new Error("accept"), { code: "ENOMEM" });
      this.calls.push(`accept ${fd}`);
      this.offer = offer;
      return {};
    },
    resume: () => void this.calls.push("resume"),
    stop: () => void this.calls.push("stop"),
    connect: (_cid, _port, timeoutMs, offer) => {
      this.attempts.push({ atMs: this.nowMs, timeoutMs });
      const next = this.script.length > 1 ? this.script.shift() : this.script[0];
      assert.ok(next !== undefined);
      if (typeof next === "object") {
        throw Object.assign(new Error("connect"), { code: next.thrown });
      }
      this.nowMs += next === "ETIMEDOUT" ? timeoutMs : this.attemptMs;
      queueMicrotask(() => {
        if (typeof next === "string") offer(next, -1, 0);
        else if (!offer(null, next, 1)) this.closed.push(next);
      });
    },
    peer: () => ({ cid: 1, port: 1 }),
    localPort: () => 1,
    localCid: () => 1,
    pair: (offer) => {
      offer(null, 3, 0);
      offer(null, 4, 0);
    },
    close: (fd) => void this.closed.push(fd),
  };

  get ports(): VsockPorts<FakeSocket, FakeServer> {
    return {
      binding: this.binding,
      net,
      nowMs: () => this.nowMs,
      after: (delayMs, run) => {
        const timer = { run, delayMs, isOff: false };
        this.timers.push(timer);
        queueMicrotask(() => {
          if (timer.isOff) return;
          this.nowMs += delayMs;
          run();
        });
        return () => {
          timer.isOff = true;
        };
      },
      random: () => this.random,
    };
  }

  async connect(deadlineMs: number): Promise<string> {
    const vsock = createVsock(this.ports);
    assert.ok(vsock.ok);
    const socket = await vsock.value.connect(3, 8000, { deadlineMs });
    return socket.ok ? "connected" : socket.error.code;
  }

  async listen(isPeerAllowed: (cid: number) => boolean): Promise<FakeSocket[]> {
    const vsock = createVsock(this.ports);
    assert.ok(vsock.ok);
    const sockets: FakeSocket[] = [];
    const onSocket = (socket: FakeSocket) => void sockets.push(socket);
    this.server = await vsock.value.listen(9, 8000, onSocket, { isPeerAllowed, backlog: 16 });
    return sockets;
  }

  server: FakeServer | null = null;
}

describe("connecting over vsock", () => {
  for (const code of ["ECONNRESET", "ECONNREFUSED", "ENOBUFS", "EAGAIN", "EINTR"]) {
    test(`tries again after ${code}`, async () => {
      const rig = new Rig();
      rig.script.push(code, code, GOOD_FD);
      assert.equal(await rig.connect(1000), "connected");
      assert.equal(rig.attempts.length, 3);
    });

    test(`is LINK_DOWN when ${code} goes on until the deadline`, async () => {
      const rig = new Rig();
      rig.script.push(code);
      assert.equal(await rig.connect(1000), "LINK_DOWN");
      assert.ok(rig.nowMs <= 1000);
      assert.ok(rig.attempts.length > 4);
    });
  }

  test("is LINK_TIMEOUT when nobody ever answers, after attempts of at most 2 s", async () => {
    const rig = new Rig();
    rig.script.push("ETIMEDOUT");
    assert.equal(await rig.connect(5000), "LINK_TIMEOUT");
    assert.deepEqual(
      rig.attempts.map(({ timeoutMs }) => timeoutMs),
      [2000, 2000, 1000 - 6],
    );
    assert.ok(rig.nowMs <= 5000);
  });

  for (const code of ["ENODEV", "EACCES", "EMFILE", "EAFNOSUPPORT", "ENETUNREACH", "nonsense"]) {
    test(`is LINK_DOWN at once after ${code}, answered or thrown`, async () => {
      for (const next of [code, { thrown: code }]) {
        const rig = new Rig();
        rig.script.push(next);
        assert.equal(await rig.connect(1000), "LINK_DOWN");
        assert.equal(rig.attempts.length, 1);
      }
    });
  }

  test("is LINK_TIMEOUT without an attempt when there is no time for one", async () => {
    for (const deadlineMs of [-1, 0, 0.9]) {
      const rig = new Rig();
      rig.script.push(GOOD_FD);
      assert.equal(await rig.connect(deadlineMs), "LINK_TIMEOUT");
      assert.equal(rig.attempts.length, 0);
    }
  });

  for (const [random, factor] of [
    [0, 0.5],
    [0.5, 0.75],
  ] as const) {
    test(`waits longer each time up to 250 ms, with jitter (${random})`, async () => {
      const rig = new Rig();
      rig.random = random;
      rig.script.push("ECONNRESET");
      await rig.connect(2000);
      const waits = rig.attempts.map(
        ({ atMs }, index) => (rig.attempts[index + 1]?.atMs ?? 0) - atMs,
      );
      const expected = [4, 8, 16, 32, 64, 128, 250, 250].map((waitMs) => waitMs * factor);
      assert.deepEqual(waits.slice(0, 8), expected);
    });
  }

  test("gives a descriptor back that it can't make a stream of", async () => {
    const rig = new Rig();
    rig.script.push(BAD_FD);
    assert.equal(await rig.connect(1000), "LINK_DOWN");
    assert.deepEqual(rig.closed, [BAD_FD]);
  });
});

describe("listening over vsock", () => {
  test("makes streams of allowed peers and gives back what others sent", async () => {
    const rig = new Rig();
    const sockets = await rig.listen((cid) => cid === 3);
    assert.deepEqual(rig.calls, ["listen 9 8000 16", "accept 5"]);
    assert.equal(rig.offer?.(null, GOOD_FD, 4), false);
    assert.equal(sockets.length, 0);
    assert.equal(rig.offer?.(null, GOOD_FD, 3), true);
    assert.equal(sockets.length, 1);
    assert.equal(rig.offer?.(null, BAD_FD, 3), false);
    assert.equal(sockets.length, 1);
  });

  test("rests when there are no descriptors, and goes on", async () => {
    const rig = new Rig();
    await rig.listen(() => true);
    assert.equal(rig.offer?.("EMFILE", -1, 0), false);
    assert.equal(rig.timers[0]?.delayMs, 100);
    await Promise.resolve();
    assert.equal(rig.calls.at(-1), "resume");
  });

  test("does not go on when it was closed meanwhile", async () => {
    const rig = new Rig();
    await rig.listen(() => true);
    rig.offer?.("EMFILE", -1, 0);
    rig.server?.close();
    await Promise.resolve();
    assert.equal(rig.calls.at(-1), "stop");
  });

  test("closes its descriptor when accepting can't start", async () => {
    const rig = new Rig();
    rig.canAccept = false;
    await assert.rejects(
      rig.listen(() => true),
      { code: "ENOMEM" },
    );
    assert.deepEqual(rig.closed, [5]);
  });
});

describe("a Node that is not as it was is BOOT_ADDON", () => {
  class Other {
    open(): number {
      return 0;
    }
    close(): void {}
  }
  for (const [title, handle] of [
    ["without a handle", null],
    ["with a handle of another class", new Other()],
    ["with a handle that is no object", 1],
  ] as const) {
    test(title, async () => {
      class Socket extends FakeSocket {
        override readonly _handle: unknown = handle;
      }
      const ports = { ...new Rig().ports, net: { ...net, Socket } };
      for (const vsock of [createVsock(ports), await verifyVsock(ports)]) {
        assert.equal(vsock.ok ? "" : vsock.error.code, "BOOT_ADDON");
      }
    });
  }

  test("whose servers take no handle", async () => {
    const ports = { ...new Rig().ports, net: { ...net, createServer: createClosedServer } };
    const vsock = await verifyVsock(ports);
    assert.equal(vsock.ok ? "" : vsock.error.code, "BOOT_ADDON");
  });

  test("whose streams carry nothing, found out within a bound", async () => {
    const vsock = await verifyVsock(new Rig().ports);
    assert.equal(vsock.ok ? "" : vsock.error.code, "BOOT_ADDON");
  });

  test("or whose kernel has no AF_VSOCK", async () => {
    const rig = new Rig();
    const binding = { ...rig.binding, listen: failToListen };
    const vsock = await verifyVsock({ ...rig.ports, binding });
    assert.equal(vsock.ok ? "" : vsock.error.code, "BOOT_ADDON");
  });
});

function createClosedServer(_: object, onSocket: (socket: FakeSocket) => void) {
  return Object.assign(new FakeServer(onSocket), { _listen2: null });
}

function failToListen(): never {
  throw Object.assign(new Error("socket"), { code: "EAFNOSUPPORT" });
}

test("isVsockBinding wants every method", () => {
  const { binding } = new Rig();
  assert.ok(isVsockBinding(binding));
  for (const name of Object.keys(binding)) {
    assert.ok(!isVsockBinding({ ...binding, [name]: undefined }), name);
  }
  for (const value of [null, undefined, 1, "vsock", () => {}, []]) {
    assert.ok(!isVsockBinding(value));
  }
});
