// One session against a node in memory and a signer that does as it is told, on a clock that only
// the tests move.

import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { readRemoteError } from "../../../../scripts/local/privval-request.ts";
import { encodeDelimited, readVarint } from "../../../../shared/bytes/protobuf.ts";
import { ERRORS, refusal } from "../../../../shared/errors.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import {
  PRIVVAL_ANSWER_BYTES_MAX,
  PRIVVAL_ANSWER_DEADLINE_MS,
  PRIVVAL_IDLE_MS,
} from "../../../../shared/limits.ts";
import { PRIVVAL_ARMS, type PrivvalArm } from "../../../../shared/privval.ts";
import { err, ok } from "../../../../shared/result.ts";
import { settled } from "../../../fakes/manual-timers.ts";
import { answerTo } from "../../../fakes/scripted-privval.ts";
import { requestOf, SessionBench } from "../../../fakes/session-bench.ts";

const PING = "023a00";
const PONG = "024200";
const CHAIN = "test-chain";

function hexOf(message: Uint8Array): string {
  return Buffer.from(encodeDelimited(message)).toString("hex");
}

/** Number and text of the RemoteSignerError in the answer to a request of this arm. */
function errorOf(arm: PrivvalArm, hex: string): readonly [number, string] {
  const bytes = Buffer.from(hex, "hex");
  const length = readVarint(bytes, 0);
  assert(length !== undefined && length.end + Number(length.value) === bytes.length);
  const error = readRemoteError(arm, bytes.subarray(length.end));
  assert(error !== null);
  return [error.code, error.description];
}

test("a ping is answered at once, without the signer", async () => {
  const bench = new SessionBench();
  bench.peer.write(Buffer.from(PING + PING, "hex"));
  assert.equal(await bench.take(), PONG + PONG);
  assert.deepEqual(bench.signer.asks, []);
});

test("every other request goes to the signer as it came, and its answer goes back as it is", async () => {
  const bench = new SessionBench();
  for (const arm of [1, 3, 5, 9]) {
    const message = requestOf(arm);
    const answer = answerTo(message, Uint8Array.of(0x0a, 2, arm, arm));
    bench.signer.script.push(() => answer);
    await bench.send(message);
    assert(answer.ok);
    assert.equal(await bench.take(), hexOf(answer.value));
    const ask = bench.signer.asks.pop();
    assert.deepEqual(
      [ask?.chainId, Buffer.from(ask?.message ?? []), ask?.deadlineMs],
      [CHAIN, Buffer.from(message), PRIVVAL_ANSWER_DEADLINE_MS],
    );
  }
  assert.deepEqual(bench.answered, [null, null, null, null]);
});

test("a refusal is an answer in the request's arm, and the session goes on", async () => {
  const bench = new SessionBench();
  for (const arm of ["pubKey", "vote", "proposal", "bytes"] as const) {
    bench.signer.script.push(() => err(refusal("GUARD_BLOCK_BELOW", 5n, 7n)));
    await bench.send(requestOf(PRIVVAL_ARMS[arm].request));
    const text = `GUARD_BLOCK_BELOW: ${ERRORS.GUARD_BLOCK_BELOW.text} (slot 5, signedSlot 7)`;
    assert.deepEqual(errorOf(arm, await bench.take()), [701, text]);
  }
  bench.peer.write(Buffer.from(PING, "hex"));
  assert.equal(await bench.take(), PONG);
  assert.equal(bench.end, undefined);
  assert.equal(bench.answered.length, 4);
});

test("a refusal's text is bounded", async () => {
  const bench = new SessionBench();
  bench.signer.script.push(() => err(refusal("REQUEST_MALFORMED", "é".repeat(5000))));
  await bench.send(requestOf(3));
  assert.equal(errorOf("vote", await bench.take())[1].length, 512);
});

test("arms that nobody can answer get the single byte 00, and the session goes on", async () => {
  const bench = new SessionBench();
  await bench.send(requestOf(2), requestOf(8), requestOf(10), requestOf(11), new Uint8Array(0));
  assert.equal(await bench.take(), "00".repeat(5));
  assert.deepEqual(bench.signer.asks, []);
  assert.deepEqual(bench.answered, []);
});

test("bytes that are no message end the session with a reset, and get no answer", async () => {
  for (const [hex, code] of [
    ["0108", "PRIVVAL_MALFORMED"],
    ["043a001a00", "PRIVVAL_MALFORMED"],
    ["8000", "PRIVVAL_MALFORMED"],
    ["81808001", "PRIVVAL_OVERSIZE"],
    [Buffer.from("GET / HTTP/1.1\r\n\r\n".repeat(9)).toString("hex"), "PRIVVAL_MALFORMED"],
  ] as const) {
    const bench = new SessionBench();
    bench.peer.write(Buffer.from(hex, "hex"));
    assert.equal(await bench.take(), "", hex);
    assert.deepEqual(await bench.ended(), [code, 1], hex);
  }
});

test("requests are asked one by one, and answered in their order", async () => {
  const bench = new SessionBench();
  const give = bench.signer.holdNext();
  const [first, second] = [requestOf(3), requestOf(5)];
  await bench.send(first, second);
  bench.peer.write(Buffer.from(PING, "hex"));
  assert.equal(await bench.take(), "");
  assert.equal(bench.signer.asks.length, 1);
  give(answerTo(first));
  assert.equal(await bench.take(), `022200023200${PONG}`);
  assert.equal(bench.signer.asks.length, 2);
});

test("an answer is sent until just before its deadline, and never from then on", async () => {
  for (const [delayMs, isSent] of [
    [PRIVVAL_ANSWER_DEADLINE_MS - 1, true],
    [PRIVVAL_ANSWER_DEADLINE_MS, false],
    [PRIVVAL_ANSWER_DEADLINE_MS + 1, false],
  ] as const) {
    const bench = new SessionBench();
    const give = bench.signer.holdNext();
    await bench.send(requestOf(3));
    bench.timers.advance(delayMs);
    give(answerTo(requestOf(3)));
    assert.equal(await bench.take(), isSent ? "022200" : "");
    if (!isSent) assert.deepEqual(await bench.ended(), ["PRIVVAL_LATE", 1]);
    else assert.equal(bench.end, undefined);
  }
});

test("an answer that is late without an alarm having rung is not sent either", async () => {
  const bench = new SessionBench();
  const give = bench.signer.holdNext();
  await bench.send(requestOf(3));
  bench.timers.jump(PRIVVAL_ANSWER_DEADLINE_MS);
  give(answerTo(requestOf(3)));
  assert.equal(await bench.take(), "");
  assert.deepEqual(await bench.ended(), ["PRIVVAL_LATE", 1]);
});

test("a refusal that is late is not sent either", async () => {
  const bench = new SessionBench();
  const give = bench.signer.holdNext();
  await bench.send(requestOf(3));
  bench.timers.jump(PRIVVAL_ANSWER_DEADLINE_MS);
  give(err(refusal("LINK_TIMEOUT")));
  assert.equal(await bench.take(), "");
  assert.deepEqual(await bench.ended(), ["PRIVVAL_LATE", 1]);
});

test("an answer that the node does not take in time ends the session with a reset", async () => {
  const pending = [Buffer.from(PING, "hex"), null];
  const stream = new Duplex({
    read() {
      const chunk = pending.shift();
      if (chunk instanceof Buffer) this.push(chunk);
    },
    write() {
      // Never done: the kernel's buffers are full.
    },
  });
  const bench = new SessionBench({ stream });
  await settled();
  bench.timers.advance(PRIVVAL_ANSWER_DEADLINE_MS - 1);
  await settled();
  assert.equal(bench.end, undefined);
  bench.timers.advance(1);
  assert.deepEqual(await bench.ended(), ["PRIVVAL_LATE", 1]);
});

test("a session without a whole message for three pings ends with a reset", async () => {
  for (const start of ["", PING, "0a"]) {
    const bench = new SessionBench();
    bench.peer.write(Buffer.from(start, "hex"));
    await settled();
    bench.timers.advance(PRIVVAL_IDLE_MS - 1);
    await settled();
    assert.equal(bench.end, undefined);
    bench.timers.advance(1);
    assert.deepEqual(await bench.ended(), ["PRIVVAL_IDLE", 1]);
  }
});

test("a message in time starts the wait anew", async () => {
  const bench = new SessionBench();
  await settled();
  for (let count = 0; count < 5; count++) {
    bench.timers.advance(PRIVVAL_IDLE_MS - 1);
    bench.peer.write(Buffer.from(PING, "hex"));
    assert.equal(await bench.take(), PONG);
  }
  assert.equal(bench.timers.count, 1);
});

test("an answer may be as long as the node reads; one byte more is refused instead", async () => {
  for (const [byteCount, isSent] of [
    [PRIVVAL_ANSWER_BYTES_MAX - 1, true],
    [PRIVVAL_ANSWER_BYTES_MAX, true],
    [PRIVVAL_ANSWER_BYTES_MAX + 1, false],
  ] as const) {
    const bench = new SessionBench();
    const answer = answerTo(requestOf(3), new Uint8Array(byteCount - 3));
    assert(answer.ok);
    assert.equal(answer.value.length, byteCount);
    bench.signer.script.push(() => answer);
    await bench.send(requestOf(3));
    const received = await bench.take();
    if (isSent) assert.equal(received, hexOf(answer.value));
    else assert.equal(errorOf("vote", received)[0], ERRORS.PRIVVAL_ANSWER.number);
    assert.equal(bench.answered[0]?.code, isSent ? undefined : "PRIVVAL_ANSWER");
  }
});

test("an answer in another arm, or none at all, is refused instead", async () => {
  const bench = new SessionBench();
  bench.signer.script.push(
    () => answerTo(requestOf(5)),
    () => ok(new Uint8Array(0)),
    () => ok(Uint8Array.of(1, 2, 3)),
    () => Promise.reject(new Error("broken")),
    () => {
      throw new Error("broken");
    },
  );
  for (let count = 0; count < 5; count++) {
    await bench.send(requestOf(3));
    assert.equal(errorOf("vote", await bench.take())[0], ERRORS.PRIVVAL_ANSWER.number);
  }
  assert.equal(bench.end, undefined);
});

test("a bug of the signer's side is thrown where nothing catches it", async (context) => {
  const bench = new SessionBench();
  const tasks: (() => void)[] = [];
  const queue = context.mock.method(globalThis, "queueMicrotask", (task: () => void) => {
    tasks.push(task);
  });
  bench.signer.script.push(() => Promise.reject(new InvariantError("a test")));
  await bench.send(requestOf(3));
  queue.mock.restore();
  assert.throws(() => tasks[0]?.(), InvariantError);
});

test("a session that is closed while it waits ends at once, with a reset", async () => {
  const bench = new SessionBench();
  await settled();
  bench.session.close();
  assert.deepEqual(await bench.ended(), [null, 1]);
});

test("a session that is closed while a request is in flight gives the answer, and ends after it", async () => {
  const bench = new SessionBench();
  const give = bench.signer.holdNext();
  await bench.send(requestOf(3), requestOf(5));
  bench.session.close();
  await settled();
  assert.equal(bench.end, undefined);
  give(answerTo(requestOf(3)));
  assert.equal(await bench.take(), "022200");
  assert.deepEqual(await bench.ended(), [null, 0]);
  assert.equal(bench.signer.asks.length, 1);
});

test("a session that is closed does not wait longer than for the answer's deadline", async () => {
  const bench = new SessionBench();
  bench.signer.holdNext();
  await bench.send(requestOf(3));
  bench.session.close();
  bench.timers.advance(PRIVVAL_ANSWER_DEADLINE_MS);
  assert.deepEqual(await bench.ended(), ["PRIVVAL_LATE", 1]);
});

test("a node that goes away is noticed at once, waiting or in flight", async () => {
  const idle = new SessionBench();
  idle.peer.end();
  assert.deepEqual(await idle.ended(), ["PRIVVAL_CLOSED", 1]);
  const busy = new SessionBench();
  const give = busy.signer.holdNext();
  await busy.send(requestOf(3));
  busy.peer.end();
  assert.deepEqual(await busy.ended(), ["PRIVVAL_CLOSED", 1]);
  give(answerTo(requestOf(3)));
  assert.equal(await busy.take(), "");
});

test("requests that came before the node went away are not answered into nothing", async () => {
  const bench = new SessionBench();
  const give = bench.signer.holdNext();
  bench.peer.write(encodeDelimited(requestOf(3)));
  bench.peer.end(Buffer.from(PING, "hex"));
  await settled();
  give(answerTo(requestOf(3)));
  await settled();
  assert.deepEqual(await bench.ended(), ["PRIVVAL_CLOSED", 1]);
});
