import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { test } from "node:test";
import type { RecordWrite, Ticker } from "../../../../enclave/core/ports.ts";
import {
  createParentStore,
  type Dial,
  StoreConnection,
} from "../../../../enclave/state/store-client.ts";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { refusal } from "../../../../shared/errors.ts";
import { COMMIT_DEADLINE_MS } from "../../../../shared/limits.ts";
import { err, ok } from "../../../../shared/result.ts";
import { Answerer, type Handlers } from "../../../../shared/wire/link.ts";
import { STORE_METHODS } from "../../../../shared/wire/methods.ts";

type StoreHandlers = Handlers<typeof STORE_METHODS>;

const SCOPE = new Uint8Array(32);
const NO_FRAME = new Uint8Array([0xff, 0xff, 0xff, 0xff]);
const NOTHING: StoreHandlers = {
  "store.read": () => new Promise(() => {}),
  "store.commit": () => new Promise(() => {}),
  "store.append": () => new Promise(() => {}),
};

function write(number: number): RecordWrite {
  return {
    key: new Uint8Array(48).fill(number),
    seq: 1,
    record: new Uint8Array(4).fill(number),
    receipt: new Uint8Array(2),
  };
}

/** The store's side of a stream in memory, and a clock that a test moves. */
class Rig {
  nowMs = 0;
  dialCount = 0;
  isReachable = true;
  /** Streams that were destroyed and are to say so: at once, or when a test lets them. */
  isClosingLate = false;
  readonly closing: (() => void)[] = [];
  readonly #handlers: StoreHandlers;
  #ticks: (() => void)[] = [];
  #socket: Duplex | null = null;

  constructor(handlers: Partial<StoreHandlers>) {
    this.#handlers = { ...NOTHING, ...handlers };
  }

  readonly #ticker: Ticker = {
    every: (_intervalMs, run) => {
      this.#ticks.push(run);
      return { stop: () => {} };
    },
    after: () => ({ stop: () => {} }),
  };

  readonly #dial: Dial = () => {
    this.dialCount += 1;
    if (!this.isReachable) return Promise.resolve(err(refusal("LINK_DOWN")));
    const socket = new Duplex({
      read: () => {},
      write: (chunk: Uint8Array, _encoding, done) => {
        answerer.receive(chunk);
        done();
      },
      destroy: (error, done) => {
        this.closing.push(() => done(error));
        if (!this.isClosingLate) done(error);
      },
    });
    const stream = {
      writableLength: 0,
      destroy: () => {},
      write: (bytes: Uint8Array) => socket.push(Buffer.from(bytes)),
    };
    const answerer = new Answerer(STORE_METHODS, this.#handlers, stream, queueMicrotask);
    this.#socket = socket;
    return Promise.resolve(ok(socket));
  };

  readonly store = createParentStore(
    new StoreConnection(this.#dial, { nowMs: () => this.nowMs }, this.#ticker),
  );

  pass(ms: number): void {
    this.nowMs += ms;
    for (const tick of this.#ticks) tick();
  }

  /** Bytes of the store's side that no Answerer would send. */
  push(bytes: Uint8Array): void {
    this.#socket?.push(bytes);
  }

  cut(error?: Error): void {
    this.#socket?.destroy(error);
  }

  /** The store's side says that it sends no more. */
  end(): void {
    this.#socket?.push(null);
  }

  async outcomes(...writes: readonly RecordWrite[]): Promise<readonly string[]> {
    const outcomes = await this.store.commit(SCOPE, writes);
    return outcomes.map((outcome) =>
      outcome.kind === "unknown" ? `unknown ${outcome.cause.code}` : outcome.kind,
    );
  }
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}

test("outcomes are told write by write, with the record that is stored instead", async () => {
  const stored = { seq: 7, record: Uint8Array.of(7) };
  const rig = new Rig({
    "store.commit": () => ok([null, stored, { seq: 0, record: new Uint8Array(0) }]),
  });
  assert.deepEqual(await rig.store.commit(SCOPE, [write(1), write(2), write(3)]), [
    { kind: "committed" },
    { kind: "conflict", stored },
    { kind: "conflict", stored: null },
  ]);
});

test("an answer for more or fewer writes than asked for says nothing of any of them", async () => {
  for (const answers of [[], [null], [null, null, null]]) {
    const rig = new Rig({ "store.commit": () => ok(answers) });
    assert.deepEqual(await rig.outcomes(write(1), write(2)), [
      "unknown STATE_UNKNOWN",
      "unknown STATE_UNKNOWN",
    ]);
  }
});

test("what the store itself refuses is passed on, and anything else is unknown", async () => {
  for (const [code, told] of [
    ["STORE_FULL", "unknown STORE_FULL"],
    ["STATE_UNKNOWN", "unknown STATE_UNKNOWN"],
    ["GUARD_BLOCK_DOUBLE", "unknown STATE_UNKNOWN"],
    ["PHASE_REFUSED", "unknown STATE_UNKNOWN"],
  ] as const) {
    const rig = new Rig({ "store.commit": () => err(refusal(code)) });
    assert.deepEqual(await rig.outcomes(write(1)), [told]);
    const read = await new Rig({ "store.read": () => err(refusal(code)) }).store.read(SCOPE, []);
    const expected = code.startsWith("STORE_") ? code : "STORE_UNAVAILABLE";
    assert.equal(read.ok ? "ok" : read.error.code, expected);
  }
});

test("a store that can't be reached is tried again by the next request", async () => {
  const rig = new Rig({ "store.commit": () => ok([null]) });
  rig.isReachable = false;
  assert.deepEqual(await rig.outcomes(write(1)), ["unknown STORE_UNAVAILABLE"]);
  const read = await rig.store.read(SCOPE, [write(1).key]);
  assert.equal(read.ok ? "ok" : read.error.code, "STORE_UNAVAILABLE");
  rig.isReachable = true;
  assert.deepEqual(await rig.outcomes(write(1)), ["committed"]);
  assert.equal(rig.dialCount, 3);
});

test("requests that come while the store is dialled share one connection", async () => {
  const rig = new Rig({ "store.commit": () => ok([null]) });
  await Promise.all([rig.outcomes(write(1)), rig.outcomes(write(2))]);
  assert.equal(rig.dialCount, 1);
});

test("no answer within the deadline is an unknown outcome, and a late one changes nothing", async () => {
  const late = Promise.withResolvers<ReturnType<typeof ok<null[]>>>();
  const rig = new Rig({ "store.commit": () => late.promise });
  const outcomes = rig.outcomes(write(1));
  await turn();
  rig.pass(COMMIT_DEADLINE_MS - 1);
  await turn();
  rig.pass(2);
  assert.deepEqual(await outcomes, ["unknown STATE_UNKNOWN"]);
  late.resolve(ok([null]));
  await turn();
  assert.equal(rig.dialCount, 1);
});

test("a connection that breaks makes what is under way unknown, and is dialled anew", async () => {
  let isAnswering = false;
  const rig = new Rig({
    "store.commit": () => (isAnswering ? ok([null]) : new Promise(() => {})),
  });
  const outcomes = rig.outcomes(write(1));
  await turn();
  rig.cut();
  assert.deepEqual(await outcomes, ["unknown STATE_UNKNOWN"]);
  isAnswering = true;
  assert.deepEqual(await rig.outcomes(write(1)), ["committed"]);
  assert.equal(rig.dialCount, 2);
});

for (const { title, happen } of [
  { title: "ends", happen: (rig: Rig) => rig.end() },
  { title: "fails", happen: (rig: Rig) => rig.cut(new Error("reset")) },
]) {
  test(`a connection that ${title} is destroyed, and replaced by the next request`, async () => {
    let isAnswering = false;
    const rig = new Rig({
      "store.commit": () => (isAnswering ? ok([null]) : new Promise(() => {})),
    });
    const outcomes = rig.outcomes(write(1));
    await turn();
    happen(rig);
    assert.deepEqual(await outcomes, ["unknown STATE_UNKNOWN"]);
    assert.equal(rig.closing.length, 1);
    isAnswering = true;
    assert.deepEqual(await rig.outcomes(write(1)), ["committed"]);
    assert.equal(rig.dialCount, 2);
  });
}

test("a connection that closes late leaves the one that replaced it alone", async () => {
  let isAnswering = false;
  const rig = new Rig({
    "store.commit": () => (isAnswering ? ok([null]) : new Promise(() => {})),
  });
  rig.isClosingLate = true;
  const outcomes = rig.outcomes(write(1));
  await turn();
  rig.push(NO_FRAME);
  assert.deepEqual(await outcomes, ["unknown STATE_UNKNOWN"]);
  isAnswering = true;
  assert.deepEqual(await rig.outcomes(write(1)), ["committed"]);
  assert.equal(rig.closing.length, 1);
  rig.closing[0]?.();
  await turn();
  assert.deepEqual(await rig.outcomes(write(1)), ["committed"]);
  assert.equal(rig.dialCount, 2);
});

test("the parent's store takes what was decided in one turn as one group", () => {
  assert.equal(new Rig({}).store.pacing, "group");
});

test("requests that follow each other share one connection", async () => {
  const rig = new Rig({ "store.commit": () => ok([null]) });
  assert.deepEqual(await rig.outcomes(write(1)), ["committed"]);
  assert.deepEqual(await rig.outcomes(write(2)), ["committed"]);
  assert.equal(rig.dialCount, 1);
});

test("bytes that are no frame, and answers that are none, end the connection or the call", async () => {
  const answers: readonly (readonly [string, Uint8Array])[] = [
    ["no frame", NO_FRAME],
    ["no message", framed(encodeCbor("hello"))],
  ];
  for (const [name, bytes] of answers) {
    const rig = new Rig({});
    const outcomes = rig.outcomes(write(1));
    await turn();
    rig.push(bytes);
    assert.deepEqual(await outcomes, ["unknown STATE_UNKNOWN"], name);
  }
});

function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, 4);
  return frame;
}

test("what is read stays as it was read", async () => {
  const record: CborValue & Uint8Array = Uint8Array.of(1, 2, 3);
  const rig = new Rig({ "store.read": () => ok([{ seq: 3, record }, null]) });
  const read = await rig.store.read(SCOPE, [write(1).key, write(2).key]);
  assert(read.ok);
  assert.deepEqual(read.value, [{ seq: 3, record: Uint8Array.of(1, 2, 3) }, null]);
  // Its own memory: not a view that keeps the whole frame.
  assert.equal(read.value[0]?.record.buffer.byteLength, 3);
});
