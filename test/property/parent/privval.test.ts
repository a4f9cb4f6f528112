// Laws of the privval link, for whatever bytes and cuts.

import assert from "node:assert/strict";
import { type Duplex, duplexPair, Transform } from "node:stream";
import { test } from "node:test";
import * as fc from "fast-check";
import { DelimitedReader } from "../../../parent/privval/delimited-reader.ts";
import { openNoiseConnection } from "../../../parent/privval/noise-connection.ts";
import { peerIdOfEd25519 } from "../../../parent/privval/peer-id.ts";
import { openSecretConnection } from "../../../parent/privval/secret-connection.ts";
import { acceptNoise } from "../../../scripts/local/noise-stream.ts";
import { encodeDelimited } from "../../../shared/bytes/protobuf.ts";
import { isErrorCode } from "../../../shared/errors.ts";
import { SIDE_A, SIDE_B } from "../../fakes/secret-vectors.ts";

const BODY_BYTES_MAX = 300;
const bodies = fc.array(fc.uint8Array({ maxLength: BODY_BYTES_MAX }), { maxLength: 8 });
const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 });

/** Writes in pieces of these sizes, over and over, then ends. */
function writeCut(stream: Duplex, bytes: Uint8Array, sizes: readonly number[]): void {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    stream.write(bytes.subarray(at, at + size));
    at += size;
  }
  stream.end();
}

async function readAll(stream: Duplex): Promise<readonly (Buffer | string)[]> {
  const reader = new DelimitedReader(stream, BODY_BYTES_MAX);
  const seen: (Buffer | string)[] = [];
  for (;;) {
    const message = await reader.next();
    if (!message.ok) return [...seen, message.error.code];
    seen.push(Buffer.from(message.value));
  }
}

test("messages come out as they went in, however the stream is cut", async () => {
  await fc.assert(
    fc.asyncProperty(bodies, cuts, async (sent, sizes) => {
      const [near, far] = duplexPair();
      writeCut(near, Buffer.concat(sent.map(encodeDelimited)), sizes);
      const expected = [...sent.map((body) => Buffer.from(body)), "PRIVVAL_CLOSED"];
      assert.deepEqual(await readAll(far), expected);
    }),
  );
});

test("any bytes are read to an end or a refusal", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), cuts, async (bytes, sizes) => {
      const [near, far] = duplexPair();
      writeCut(near, bytes, sizes);
      const last = (await readAll(far)).at(-1);
      assert(typeof last === "string" && isErrorCode(last));
    }),
  );
});

test("a SecretConnection carries messages as they are, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(bodies, cuts, async (sent, sizes) => {
      const carriers = duplexPair();
      const options = { peerId: null, deadlineMs: 60_000 };
      const [a, b] = await Promise.all([
        openSecretConnection(carriers[0], { identity: SIDE_A.identity, ...options }),
        openSecretConnection(carriers[1], { identity: SIDE_B.identity, ...options }),
      ]);
      assert(a.ok && b.ok);
      writeCut(a.value, Buffer.concat(sent.map(encodeDelimited)), sizes);
      const expected = [...sent.map((body) => Buffer.from(body)), "PRIVVAL_CLOSED"];
      assert.deepEqual(await readAll(b.value), expected);
      b.value.destroy();
    }),
    { numRuns: 50 },
  );
});

const NODE_ID = peerIdOfEd25519(SIDE_B.identity.publicKey);

/** What is written on one of them comes out of the other in pieces of these sizes. */
function cutting(sizes: readonly number[]): Duplex {
  let index = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; index++) {
        const size = sizes[index % sizes.length] ?? 1;
        this.push(chunk.subarray(at, at + size));
        at += size;
      }
      done();
    },
  });
}

/** Of two streams, what is written to one comes out of the other. */
function cutPair(sizes: readonly number[]): readonly [Duplex, Duplex] {
  const [left, leftInside] = duplexPair();
  const [right, rightInside] = duplexPair();
  leftInside.pipe(cutting(sizes)).pipe(rightInside);
  rightInside.pipe(cutting(sizes)).pipe(leftInside);
  return [left, right];
}

test("Noise carries messages as they are, however they and its frames are cut", async () => {
  await fc.assert(
    fc.asyncProperty(bodies, cuts, cuts, async (sent, sizes, carrierSizes) => {
      const carriers = cutPair(carrierSizes);
      const { identity } = SIDE_A;
      const [ours, theirs] = await Promise.all([
        openNoiseConnection(carriers[0], { identity, peerId: NODE_ID, deadlineMs: 60_000 }),
        acceptNoise(carriers[1], SIDE_B.identity, 60_000),
      ]);
      assert(ours.ok && theirs !== null);
      writeCut(theirs.stream, Buffer.concat(sent.map(encodeDelimited)), sizes);
      const expected = [...sent.map((body) => Buffer.from(body)), "PRIVVAL_CLOSED"];
      assert.deepEqual(await readAll(ours.value), expected);
      ours.value.destroy();
    }),
    { numRuns: 50 },
  );
});

test("a Noise handshake with any bytes is refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 1200 }), cuts, async (bytes, sizes) => {
      const [near, far] = duplexPair();
      near.on("error", () => {});
      near.resume();
      writeCut(near, bytes, sizes);
      const { identity } = SIDE_A;
      const options = { identity, peerId: NODE_ID, deadlineMs: 60_000 };
      const opened = await openNoiseConnection(far, options);
      assert(!opened.ok && opened.error.code.startsWith("PRIVVAL_"));
      assert(far.destroyed);
    }),
  );
});

test("a handshake with any bytes is refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 1200 }), cuts, async (bytes, sizes) => {
      const [near, far] = duplexPair();
      near.on("error", () => {});
      near.resume();
      writeCut(near, bytes, sizes);
      const { identity } = SIDE_A;
      const opened = await openSecretConnection(far, {
        identity,
        peerId: null,
        deadlineMs: 60_000,
      });
      assert(!opened.ok && opened.error.code.startsWith("PRIVVAL_"));
      assert(far.destroyed);
    }),
  );
});
