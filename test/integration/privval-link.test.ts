// The parent's privval link against a node that behaves as Go's does: restarts of either side,
// nodes that hang or talk nonsense, a signer that is slow, and several nodes of one chain.

import assert from "node:assert/strict";
import { test } from "node:test";
import { listenOn } from "../../parent/platform/socket.ts";
import { encodePubKeyRequest, readRemoteError } from "../../scripts/local/privval-request.ts";
import { encodeVarint, protoMessage } from "../../shared/bytes/protobuf.ts";
import { ERRORS, refusal } from "../../shared/errors.ts";
import { PRIVVAL_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import { err } from "../../shared/result.ts";
import {
  CHAIN,
  codesOf,
  dial,
  PROPOSAL,
  startNode,
  startRig,
  TCP,
  unixAddress,
  VOTE,
} from "../fakes/privval-rig.ts";
import { answerTo } from "../fakes/scripted-privval.ts";
import { SIDE_A } from "../fakes/secret-vectors.ts";
import { until } from "../fakes/until.ts";

test("a node gets its key, votes and proposals over both kinds of address, and pongs between", async (context) => {
  for (const listen of [TCP, unixAddress(context)]) {
    const { node, signer, privval } = await startRig(context, { listen });
    for (const request of [encodePubKeyRequest(CHAIN), VOTE, PROPOSAL, VOTE]) {
      const answer = answerTo(request, Uint8Array.of(0x0a, 1, 66));
      signer.script.push(() => answer);
      assert(answer.ok);
      assert.deepEqual(Buffer.from(await node.ask(request)), Buffer.from(answer.value));
      const ask = signer.asks.pop();
      assert.equal(ask?.chainId, CHAIN);
      assert.deepEqual(Buffer.from(ask?.message ?? []), Buffer.from(request));
    }
    await until(() => node.pingCount >= 2);
    assert.equal(node.acceptCount, 1);
    assert.deepEqual(node.failures, []);
    assert.equal(node.signerId, listen.kind === "tcp" ? SIDE_A.identity.id : null);
    const [state] = privval.states();
    assert.deepEqual([state?.isConnected, state?.requestCount, state?.dialCount], [true, 4, 1]);
  }
});

test("a refusal reaches the node as an error, and costs no connection", async (context) => {
  const { node, signer, privval } = await startRig(context);
  signer.script.push(() => err(refusal("GUARD_VOTE_DOUBLE", 7n)));
  const error = readRemoteError("vote", await node.ask(VOTE));
  const { number, text } = ERRORS.GUARD_VOTE_DOUBLE;
  assert.deepEqual(error, {
    code: number,
    description: `GUARD_VOTE_DOUBLE: ${text} (target 7)`,
  });
  assert.equal(readRemoteError("vote", await node.ask(VOTE)), null);
  assert.deepEqual([node.acceptCount, node.failures], [1, []]);
  assert.deepEqual([privval.states()[0]?.requestCount, privval.states()[0]?.refusedCount], [2, 1]);
});

test("a node that restarts is dialled again, under its new identity, and repeats its request", async (context) => {
  const { node, signer, log } = await startRig(context);
  await node.ask(VOTE);
  const firstId = node.id;
  const give = signer.holdNext();
  const asking = node.ask(VOTE);
  await until(() => signer.asks.length === 2);
  node.restart();
  assert.equal(readRemoteError("vote", await asking), null);
  give(answerTo(VOTE));
  assert.deepEqual([node.acceptCount, signer.asks.length], [2, 3]);
  const peers = log.lines.flatMap(({ fields }) => fields.peer ?? []);
  assert.deepEqual(peers, [firstId, node.id]);
});

test("a node that is not there yet, goes and comes back, is dialled until it is", async (context) => {
  const listen = unixAddress(context);
  assert(listen.kind === "unix");
  const { states, privval } = dial(context, [`unix://${listen.path}`]);
  await until(() => (privval.states()[0]?.dialCount ?? 0) >= 3);
  const first = await startNode(context, listen);
  await until(() => privval.states()[0]?.isConnected === true);
  await first.node.stop();
  await until(() => privval.states()[0]?.code === "PRIVVAL_UNREACHABLE");
  const second = await startNode(context, listen);
  await second.node.ask(VOTE);
  assert.deepEqual(codesOf(states), [
    "PRIVVAL_UNREACHABLE",
    "connected",
    "PRIVVAL_CLOSED",
    "PRIVVAL_UNREACHABLE",
    "connected",
  ]);
});

test("a signer that restarts between requests or in the middle of one loses the node nothing", async (context) => {
  const { node, address, privval, signer } = await startRig(context);
  await node.ask(VOTE);
  await privval.close();
  const second = dial(context, [address]);
  await node.ask(VOTE);
  const give = second.signer.holdNext();
  const asking = node.ask(VOTE);
  await until(() => second.signer.asks.length === 2);
  const closing = second.privval.close();
  give(answerTo(VOTE, Uint8Array.of(0x0a, 0)));
  await closing;
  assert.deepEqual(Buffer.from(await asking), Buffer.from("22020a00", "hex"));
  const third = dial(context, [address]);
  await node.ask(PROPOSAL);
  assert.deepEqual(
    [signer, second.signer, third.signer].map(({ asks }) => asks.length),
    [1, 2, 1],
  );
});

test("a node that hangs is given up after three pings, and found again", async (context) => {
  const { node, states, privval } = await startRig(context, { dial: { idleMs: 300 } });
  await until(() => node.pingCount > 0);
  node.freeze();
  await until(() => privval.states()[0]?.isConnected === false);
  assert.equal(states[1]?.code, "PRIVVAL_IDLE");
  await node.ask(VOTE);
  assert.ok(node.acceptCount >= 2);
});

test("an answer that is too slow is never sent, and the node asks again on a new connection", async (context) => {
  const { node, signer, states } = await startRig(context, { dial: { answerMs: 60 } });
  await until(() => node.isConnected);
  const late = signer.holdNext();
  signer.script.push((message) => {
    late(answerTo(message, Uint8Array.of(0x0a, 1, 1)));
    return answerTo(message);
  });
  const answer = await node.ask(VOTE);
  assert.deepEqual(Buffer.from(answer), Buffer.from("2200", "hex"));
  assert.ok(signer.asks.length >= 2);
  assert.ok(codesOf(states).includes("PRIVVAL_LATE"));
  assert.deepEqual(Buffer.from(await node.ask(PROPOSAL)), Buffer.from("3200", "hex"));
});

test("a message of 2 MiB is signed, a longer one and garbage end the connection", async (context) => {
  const { node, signer, states } = await startRig(context);
  const large = protoMessage(3, new Uint8Array(PRIVVAL_MESSAGE_BYTES_MAX - 4));
  assert.equal(large.length, PRIVVAL_MESSAGE_BYTES_MAX);
  await node.ask(large);
  assert.equal(signer.asks.pop()?.message.length, PRIVVAL_MESSAGE_BYTES_MAX);
  await node.sendRaw(encodeVarint(BigInt(PRIVVAL_MESSAGE_BYTES_MAX + 1)));
  await until(() => codesOf(states).includes("PRIVVAL_OVERSIZE"));
  await node.ask(VOTE);
  await node.sendRaw(new Uint8Array(100).fill(255));
  await until(() => codesOf(states).includes("PRIVVAL_MALFORMED"));
  await node.ask(VOTE);
  assert.equal(node.acceptCount, 3);
});

test("what is no node at all is refused, and logged once", async (context) => {
  const server = await listenOn(TCP, (socket) => {
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
  });
  context.after(() => server.close());
  const bound = server.address();
  assert(bound !== null && typeof bound === "object");
  const { log, privval } = dial(context, [`tcp://127.0.0.1:${bound.port}`]);
  await until(() => (privval.states()[0]?.dialCount ?? 0) >= 5);
  assert.deepEqual(
    log.lines.map(({ fields }) => fields.code),
    ["PRIVVAL_HANDSHAKE"],
  );
});

test("a node with another identity than the pinned one is refused, the right one is not", async (context) => {
  const { node, address } = await startNode(context);
  const pinned = (id: string): string => address.replace("tcp://", `tcp://${id}@`);
  const wrong = dial(context, [pinned("00".repeat(20))]);
  await until(() => (wrong.privval.states()[0]?.dialCount ?? 0) >= 5);
  assert.deepEqual(codesOf(wrong.states), ["PRIVVAL_PEER_ID"]);
  assert.equal(wrong.log.lines.length, 1);
  await wrong.privval.close();
  const right = dial(context, [pinned(node.id.toUpperCase())]);
  await node.ask(VOTE);
  assert.equal(right.log.lines[0]?.fields.peer, node.id);
});

test("two nodes of a chain are served side by side, and neither waits for the other", async (context) => {
  const sentries = [await startNode(context), await startNode(context)] as const;
  const { signer, privval } = dial(
    context,
    sentries.map(({ address }) => address),
  );
  const give = signer.holdNext();
  const first = sentries[0].node.ask(VOTE);
  await until(() => signer.asks.length === 1);
  await sentries[1].node.ask(VOTE);
  sentries[1].node.restart();
  await sentries[1].node.ask(PROPOSAL);
  give(answerTo(VOTE));
  await first;
  assert.deepEqual([sentries[0].node.acceptCount, sentries[1].node.acceptCount], [1, 2]);
  assert.deepEqual(
    privval.states().map(({ connectCount }) => connectCount),
    [1, 2],
  );
});

test("a second signer of a node waits in vain, and takes over when the first is gone", async (context) => {
  const { node, address, privval } = await startRig(context);
  await until(() => node.pingCount > 0);
  const second = dial(context, [address], { dialMs: 50 });
  await until(() => second.states.length > 0);
  assert.equal(second.states[0]?.code, "PRIVVAL_TIMEOUT");
  await privval.close();
  await node.ask(VOTE);
  assert.equal(second.signer.asks.length, 1);
});
