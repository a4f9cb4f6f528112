// Sessions that share the room for large messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageRoom, SMALL_MESSAGE_BYTES_MAX } from "../../../../parent/privval/message-room.ts";
import { encodeDelimited } from "../../../../shared/bytes/protobuf.ts";
import { PRIVVAL_IDLE_MS } from "../../../../shared/limits.ts";
import { settled } from "../../../fakes/manual-timers.ts";
import { answerTo } from "../../../fakes/scripted-privval.ts";
import { requestOf, SessionBench } from "../../../fakes/session-bench.ts";

test("a large message waits for room, a small one never, and the room is given back", async () => {
  const large = requestOf(3, new Uint8Array(SMALL_MESSAGE_BYTES_MAX));
  const room = new MessageRoom(large.length);
  const [first, second] = [new SessionBench({ room }), new SessionBench({ room })];
  const give = first.signer.holdNext();
  await first.send(large);
  await second.send(large);
  assert.deepEqual([first.signer.asks.length, second.signer.asks.length], [1, 0]);
  const third = new SessionBench({ room });
  await third.send(requestOf(3));
  assert.equal(await third.take(), "022200");
  give(answerTo(requestOf(3)));
  assert.equal(await first.take(), "022200");
  assert.equal(await second.take(), "022200");
  await first.send(large);
  assert.equal(await first.take(), "022200");
});

test("a large message keeps its room while the signer has it, also without its node", async () => {
  const large = requestOf(3, new Uint8Array(SMALL_MESSAGE_BYTES_MAX));
  const room = new MessageRoom(large.length);
  const [gone, next] = [new SessionBench({ room }), new SessionBench({ room })];
  const give = gone.signer.holdNext();
  await gone.send(large);
  gone.peer.destroy();
  await settled();
  await next.send(large);
  assert.equal(await next.take(), "");
  give(answerTo(requestOf(3)));
  assert.equal(await next.take(), "022200");
});

test("a node that waits for room, or drips, is gone after three pings, and its room free", async () => {
  const large = requestOf(3, new Uint8Array(SMALL_MESSAGE_BYTES_MAX));
  const room = new MessageRoom(large.length);
  const drip = new SessionBench({ room });
  drip.peer.write(encodeDelimited(large).subarray(0, 100));
  const second = new SessionBench({ room });
  await second.send(large);
  assert.equal(second.signer.asks.length, 0);
  drip.timers.advance(PRIVVAL_IDLE_MS);
  assert.deepEqual(await drip.ended(), ["PRIVVAL_IDLE", 1]);
  assert.equal(await second.take(), "022200");
  assert.notEqual(room.take(large.length), null);
  const third = new SessionBench({ room });
  await third.send(large);
  third.timers.advance(PRIVVAL_IDLE_MS);
  assert.deepEqual(await third.ended(), ["PRIVVAL_IDLE", 1]);
});
