import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { DelimitedReader } from "../../../../parent/privval/delimited-reader.ts";
import { StreamFault } from "../../../../parent/privval/secured-stream.ts";
import { encodeDelimited } from "../../../../shared/bytes/protobuf.ts";
import { PRIVVAL_MESSAGE_BYTES_MAX } from "../../../../shared/limits.ts";
import { settled } from "../../../fakes/manual-timers.ts";
import { until } from "../../../fakes/until.ts";

const MAX = 1000;

type Bench = { readonly reader: DelimitedReader; readonly stream: Duplex; readonly peer: Duplex };

function bench(bodyBytesMax = MAX, onOver: () => void = () => {}): Bench {
  const [stream, peer] = duplexPair();
  stream.on("error", () => {});
  return { reader: new DelimitedReader(stream, bodyBytesMax, onOver), stream, peer };
}

function bodyOf(byteCount: number, fill = byteCount): Buffer {
  return Buffer.alloc(byteCount, fill);
}

/** The bodies' sizes until the first refusal, and its code. */
async function readAll({ reader }: Bench): Promise<readonly (number | string)[]> {
  const seen: (number | string)[] = [];
  for (;;) {
    const message = await reader.next();
    if (!message.ok) return [...seen, message.error.code];
    seen.push(message.value.length);
  }
}

test("messages come whole and in order, wherever the stream is cut", async () => {
  const sizes = [0, 1, 127, 128, 300, MAX, 3];
  const sent = Buffer.concat(sizes.map((size) => encodeDelimited(bodyOf(size))));
  for (const cut of [1, 2, 3, 7, 129, sent.length]) {
    const { reader, peer } = bench();
    for (let at = 0; at < sent.length; at += cut) peer.write(sent.subarray(at, at + cut));
    for (const size of sizes) {
      const message = await reader.next();
      assert(message.ok);
      assert.deepEqual(Buffer.from(message.value), bodyOf(size));
    }
  }
});

test("a message of the limit is read, one byte more is PRIVVAL_OVERSIZE by its length alone", async () => {
  for (const [size, outcome] of [
    [MAX - 1, MAX - 1],
    [MAX, MAX],
    [MAX + 1, "PRIVVAL_OVERSIZE"],
  ] as const) {
    const over = bench();
    over.peer.write(encodeDelimited(bodyOf(size)).subarray(0, size <= MAX ? undefined : 2));
    const message = await over.reader.next();
    assert.equal(message.ok ? message.value.length : message.error.code, outcome);
  }
});

test("a message of 2 MiB may drip", async () => {
  const { reader, peer } = bench(PRIVVAL_MESSAGE_BYTES_MAX);
  const sent = encodeDelimited(bodyOf(PRIVVAL_MESSAGE_BYTES_MAX, 9));
  const reading = reader.next();
  for (let at = 0; at < sent.length; at += 1021) {
    if (!peer.write(sent.subarray(at, at + 1021))) await settled();
  }
  const message = await reading;
  assert(message.ok);
  assert.equal(message.value.length, PRIVVAL_MESSAGE_BYTES_MAX);
});

test("a length in another form than its shortest, or of more than 64 bits, is PRIVVAL_MALFORMED", async () => {
  for (const hex of ["8000", "808000", "ff".repeat(10), `${"ff".repeat(9)}02`, "80".repeat(10)]) {
    const wrong = bench();
    wrong.peer.write(Buffer.from(`${hex}00`, "hex"));
    assert.deepEqual(await readAll(wrong), ["PRIVVAL_MALFORMED"], hex);
    assert.deepEqual(await readAll(wrong), ["PRIVVAL_MALFORMED"], "and stays so");
  }
  const huge = bench();
  huge.peer.write(Buffer.from(`${"ff".repeat(9)}01`, "hex"));
  assert.deepEqual(await readAll(huge), ["PRIVVAL_OVERSIZE"]);
});

test("the end of the stream is PRIVVAL_CLOSED, after what came before it", async () => {
  const clean = bench();
  clean.peer.end(Buffer.concat([encodeDelimited(bodyOf(5)), encodeDelimited(bodyOf(6))]));
  assert.deepEqual(await readAll(clean), [5, 6, "PRIVVAL_CLOSED"]);
  for (const rest of ["80", "05", "0501020304"]) {
    const cut = bench();
    cut.peer.end(Buffer.from(`0107${rest}`, "hex"));
    assert.deepEqual(await readAll(cut), [1, "PRIVVAL_CLOSED"], rest);
  }
  const destroyed = bench();
  destroyed.stream.destroy();
  assert.deepEqual(await readAll(destroyed), ["PRIVVAL_CLOSED"]);
  const late = new DelimitedReader(destroyed.stream, MAX);
  assert.deepEqual(await readAll({ ...destroyed, reader: late }), ["PRIVVAL_CLOSED"]);
});

test("a stream that failed for a forged frame is PRIVVAL_MALFORMED", async () => {
  for (const [fault, code] of [
    [new StreamFault("PRIVVAL_MALFORMED"), "PRIVVAL_MALFORMED"],
    [new Error("ECONNRESET"), "PRIVVAL_CLOSED"],
  ] as const) {
    const failed = bench();
    const reading = readAll(failed);
    failed.stream.destroy(fault);
    assert.deepEqual(await reading, [code]);
  }
});

test("the end is noticed while nobody asks, once", async () => {
  let overCount = 0;
  const { peer, stream } = bench(MAX, () => {
    overCount += 1;
  });
  peer.end();
  await until(() => overCount === 1);
  stream.destroy();
  await settled();
  assert.equal(overCount, 1);
});

test("a peer that sends while nobody asks meets the stream's own limit", async () => {
  const { reader, peer } = bench();
  let sentCount = 0;
  const send = (): void => {
    sentCount += 1;
    if (sentCount < 1000) peer.write(encodeDelimited(bodyOf(MAX)), () => send());
  };
  send();
  await settled();
  const before = sentCount;
  await settled();
  assert.equal(sentCount, before);
  assert.ok(before < 400);
  for (let count = 0; count < 1000 - 1; count++) assert.equal((await reader.next()).ok, true);
  assert.equal(sentCount, 1000);
});
