// The parent's privval link over Noise, against a node that shares no code with its handshake: what
// holds over SecretConnection holds here, and neither side takes another than the one it names.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { listenOn } from "../../parent/platform/socket.ts";
import { peerIdOfEd25519 } from "../../parent/privval/peer-id.ts";
import { encodePubKeyRequest, readRemoteError } from "../../scripts/local/privval-request.ts";
import { encodeVarint, protoMessage } from "../../shared/bytes/protobuf.ts";
import { refusal } from "../../shared/errors.ts";
import { PRIVVAL_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import { err } from "../../shared/result.ts";
import { codesOf, dial, PROPOSAL, startNode, startRig, TCP, VOTE } from "../fakes/privval-rig.ts";
import { answerTo } from "../fakes/scripted-privval.ts";
import { SIDE_A, SIDE_B } from "../fakes/secret-vectors.ts";
import { until } from "../fakes/until.ts";

const OUR_ID = peerIdOfEd25519(SIDE_A.identity.publicKey);
const OTHER_ID = peerIdOfEd25519(SIDE_B.identity.publicKey);
const NOISE = { admitted: OUR_ID };

function startNoiseNode(context: TestContext, admitted = OUR_ID) {
  return startNode(context, TCP, {}, admitted);
}

test("a node gets its key, votes and proposals over Noise, and pongs between", async (context) => {
  const { node, signer, privval, log, address } = await startRig(context, NOISE);
  for (const request of [encodePubKeyRequest("test-chain"), VOTE, PROPOSAL, VOTE]) {
    const answer = answerTo(request, Uint8Array.of(0x0a, 1, 66));
    signer.script.push(() => answer);
    assert(answer.ok);
    assert.deepEqual(Buffer.from(await node.ask(request)), Buffer.from(answer.value));
    assert.deepEqual(Buffer.from(signer.asks.pop()?.message ?? []), Buffer.from(request));
  }
  await until(() => node.pingCount >= 2);
  assert.deepEqual([node.acceptCount, node.failures, node.signerId], [1, [], OUR_ID]);
  const [state] = privval.states();
  assert.deepEqual([state?.isConnected, state?.requestCount, state?.dialCount], [true, 4, 1]);
  assert.equal(log.lines[0]?.fields.peer, node.id);
  // The pinned name is in none of what is logged and counted by.
  assert.equal(state?.address, address.replace(`${node.id}@`, ""));
});

test("over Noise a refusal reaches the node as an error, and costs no connection", async (context) => {
  const { node, signer } = await startRig(context, NOISE);
  signer.script.push(() => err(refusal("GUARD_VOTE_DOUBLE", 7n)));
  assert(readRemoteError("vote", await node.ask(VOTE)) !== null);
  assert.equal(readRemoteError("vote", await node.ask(VOTE)), null);
  assert.deepEqual([node.acceptCount, node.failures], [1, []]);
});

test("over Noise a node that restarts is dialled again, by the same name", async (context) => {
  const { node, signer, log } = await startRig(context, NOISE);
  await node.ask(VOTE);
  const give = signer.holdNext();
  const asking = node.ask(VOTE);
  await until(() => signer.asks.length === 2);
  node.restart();
  assert.equal(readRemoteError("vote", await asking), null);
  give(answerTo(VOTE));
  assert.deepEqual([node.acceptCount, signer.asks.length], [2, 3]);
  const peers = log.lines.flatMap(({ fields }) => fields.peer ?? []);
  assert.deepEqual(peers, [node.id, node.id]);
});

test("over Noise a signer that restarts in the middle of a request loses the node nothing", async (context) => {
  const { node, address, privval } = await startRig(context, NOISE);
  await node.ask(VOTE);
  await privval.close();
  const second = dial(context, [address]);
  const give = second.signer.holdNext();
  const asking = node.ask(VOTE);
  await until(() => second.signer.asks.length === 1);
  const closing = second.privval.close();
  give(answerTo(VOTE, Uint8Array.of(0x0a, 0)));
  await closing;
  assert.deepEqual(Buffer.from(await asking), Buffer.from("22020a00", "hex"));
  const third = dial(context, [address]);
  await node.ask(PROPOSAL);
  assert.equal(third.signer.asks.length, 1);
});

test("over Noise a node that hangs is given up after three pings, and found again", async (context) => {
  const { node, states, privval } = await startRig(context, { ...NOISE, dial: { idleMs: 300 } });
  await until(() => node.pingCount > 0);
  node.freeze();
  await until(() => privval.states()[0]?.isConnected === false);
  assert.equal(states[1]?.code, "PRIVVAL_IDLE");
  await node.ask(VOTE);
  assert.ok(node.acceptCount >= 2);
});

test("over Noise an answer that is too slow is never sent, and the node asks again", async (context) => {
  const { node, signer, states } = await startRig(context, { ...NOISE, dial: { answerMs: 60 } });
  await until(() => node.isConnected);
  const late = signer.holdNext();
  signer.script.push((message) => {
    late(answerTo(message, Uint8Array.of(0x0a, 1, 1)));
    return answerTo(message);
  });
  assert.deepEqual(Buffer.from(await node.ask(VOTE)), Buffer.from("2200", "hex"));
  assert.ok(signer.asks.length >= 2);
  assert.ok(codesOf(states).includes("PRIVVAL_LATE"));
});

test("over Noise a message of 2 MiB is signed, a longer one and garbage end the connection", async (context) => {
  const { node, signer, states } = await startRig(context, NOISE);
  await node.ask(protoMessage(3, new Uint8Array(PRIVVAL_MESSAGE_BYTES_MAX - 4)));
  assert.equal(signer.asks.pop()?.message.length, PRIVVAL_MESSAGE_BYTES_MAX);
  await node.sendRaw(encodeVarint(BigInt(PRIVVAL_MESSAGE_BYTES_MAX + 1)));
  await until(() => codesOf(states).includes("PRIVVAL_OVERSIZE"));
  await node.ask(VOTE);
  await node.sendRaw(new Uint8Array(100).fill(255));
  await until(() => codesOf(states).includes("PRIVVAL_MALFORMED"));
  await node.ask(VOTE);
  assert.equal(node.acceptCount, 3);
});

test("over Noise another node than the pinned one is refused and never answered, the right one is", async (context) => {
  const { node, address } = await startNoiseNode(context);
  const wrong = dial(context, [address.replace(node.id, OTHER_ID)]);
  await until(() => (wrong.privval.states()[0]?.dialCount ?? 0) >= 5);
  assert.deepEqual(codesOf(wrong.states), ["PRIVVAL_PEER_ID"]);
  assert.equal(wrong.log.lines.length, 1);
  await wrong.privval.close();
  assert.deepEqual([node.acceptCount, wrong.signer.asks.length], [0, 0]);
  const right = dial(context, [address]);
  await node.ask(VOTE);
  assert.equal(right.log.lines[0]?.fields.peer, node.id);
});

test("a node that admits another signer closes the connection, and is dialled on", async (context) => {
  const { node, address } = await startNoiseNode(context, OTHER_ID);
  const { states, privval, signer, log } = dial(context, [address]);
  await until(() => (privval.states()[0]?.dialCount ?? 0) >= 5);
  assert.deepEqual(codesOf(states), ["PRIVVAL_CLOSED"]);
  assert.deepEqual([node.signerId, node.acceptCount, log.lines.length], [OUR_ID, 0, 1]);
  assert.equal(signer.asks.length, 0);
});

test("what does not speak Noise is refused, and logged once", async (context) => {
  const server = await listenOn(TCP, (socket) => {
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".repeat(500));
  });
  context.after(() => server.close());
  const bound = server.address();
  assert(bound !== null && typeof bound === "object");
  const { log, privval } = dial(context, [`noise://${OTHER_ID}@127.0.0.1:${bound.port}`]);
  await until(() => (privval.states()[0]?.dialCount ?? 0) >= 5);
  assert.deepEqual(
    log.lines.map(({ fields }) => fields.code),
    ["PRIVVAL_HANDSHAKE"],
  );
});

test("signer and node of other schemes do not understand each other", async (context) => {
  const secret = await startNode(context);
  const noisy = dial(context, [secret.address.replace("tcp://", `noise://${OTHER_ID}@`)], {
    dialMs: 50,
  });
  const noise = await startNoiseNode(context);
  const plain = dial(context, [noise.address.replace(/noise:\/\/[^@]*@/, "tcp://")], {
    dialMs: 50,
  });
  for (const { privval } of [noisy, plain]) {
    await until(() => (privval.states()[0]?.dialCount ?? 0) >= 3);
    assert.equal(privval.states()[0]?.connectCount, 0);
  }
  assert.deepEqual([secret.node.acceptCount, noise.node.acceptCount], [0, 0]);
});

test("a second signer of a node waits in vain over Noise, and takes over when the first is gone", async (context) => {
  const { node, address, privval } = await startRig(context, NOISE);
  await until(() => node.pingCount > 0);
  const second = dial(context, [address], { dialMs: 50 });
  await until(() => second.states.length > 0);
  assert.equal(second.states[0]?.code, "PRIVVAL_TIMEOUT");
  await privval.close();
  await node.ask(VOTE);
  assert.equal(second.signer.asks.length, 1);
});
