import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { PRIVVAL_REQUEST_BYTES_MAX } from "../../parent/grpc/privval-call.ts";
import {
  CERTIFICATE_CONNECTION_COUNT_MAX,
  CONNECTION_COUNT_MAX,
} from "../../parent/grpc/privval-listener.ts";
import { refusal } from "../../shared/errors.ts";
import { PRIVVAL_ANSWER_DEADLINE_MS, PRIVVAL_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import { err } from "../../shared/result.ts";
import { PrivvalGrpcRig, type Reply } from "../fakes/privval-grpc-rig.ts";
import { hexOf, proposalWire, voteWire, wire } from "../fakes/privval-node.ts";
import { answerTo } from "../fakes/scripted-privval.ts";
import { type Pair, TestCa } from "../fakes/tls-pki.ts";
import { until } from "../fakes/until.ts";

const CHAIN = "sei-1";
const KEY = wire({ 1: CHAIN });
const VOTE = wire({ 1: voteWire(), 2: CHAIN });
const PROPOSAL = wire({ 1: proposalWire(), 2: CHAIN });
const SIGNED = Uint8Array.of(0x0a, 0x01, 0x00, 0x7a, 0x02, 0xff, 0xff);

async function withRig(
  grpc: Parameters<typeof PrivvalGrpcRig.start>[0],
  run: (rig: PrivvalGrpcRig) => Promise<void>,
): Promise<void> {
  const rig = await PrivvalGrpcRig.start(grpc);
  try {
    await run(rig);
  } finally {
    await rig.close();
  }
}

/** The status's number, and the code of ours that its text begins with. */
function refusedWith(reply: Reply): readonly [number, string] | "answered" {
  return reply.ok ? "answered" : [reply.status, reply.text.split(":")[0] ?? ""];
}

test("each method's bytes come to the signer in their arm, and the answer's go back", async () => {
  await withRig(undefined, async (rig) => {
    const rows = [
      ["GetPubKey", KEY, 1],
      ["SignVote", VOTE, 3],
      ["SignProposal", PROPOSAL, 5],
    ] as const;
    const node = rig.node();
    for (const [method, request, arm] of rows) {
      rig.signer.script.push((message) => answerTo(message, SIGNED));
      assert.deepEqual(await rig.call(method, request, node), { ok: true, answer: SIGNED });
      const ask = rig.signer.asks.at(-1);
      assert.equal(ask?.chainId, CHAIN);
      assert.equal(hexOf(ask.message), hexOf(wire({ [arm]: request })));
      assert.equal(ask.deadlineMs, PRIVVAL_ANSWER_DEADLINE_MS);
    }
    assert.equal(rig.listener.connectionCount(), 1);
    assert.deepEqual(rig.tlsReasons, []);
  });
});

test("an empty answer is an answer", async () => {
  await withRig(undefined, async (rig) => {
    assert.deepEqual(await rig.call("SignVote", VOTE), { ok: true, answer: new Uint8Array(0) });
  });
});

const STRANGERS: readonly (readonly [
  what: string,
  pair: (rig: PrivvalGrpcRig) => Pair | null,
  reason: string,
])[] = [
  ["no certificate", () => null, "NO_CERTIFICATE"],
  [
    "a certificate of another CA",
    () => new TestCa("strangers").leaf("node-1"),
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ],
  [
    "a certificate of another CA of the same name",
    () => new TestCa("nodes").leaf("node-1"),
    "CERT_SIGNATURE_FAILURE",
  ],
  [
    "a certificate for servers",
    ({ ca }) => ca.leaf("node-1", { isServer: true }),
    "INVALID_PURPOSE",
  ],
];

for (const [what, pair, reason] of STRANGERS) {
  test(`a node with ${what} is cut off before it can ask, and the reason logged`, async () => {
    await withRig(undefined, async (rig) => {
      const reply = await rig.call("SignVote", VOTE, rig.node(pair(rig)));
      assert.equal(reply.ok ? null : reply.status, status.UNAVAILABLE);
      assert.equal(rig.tlsReasons[0], reason);
      const line = rig.log.lines.find(({ event }) => event === "tls.refused");
      assert.deepEqual([line?.fields.code, line?.fields.reason], ["TLS_CLIENT_REFUSED", reason]);
      assert.equal(rig.signer.asks.length, 0);
    });
  });
}

test("TLS 1.2 is not spoken", async () => {
  await withRig(undefined, async (rig) => {
    const old = rig.socket({ maxVersion: "TLSv1.2" });
    await assert.rejects(once(old, "secureConnect"), {
      code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    });
    assert.deepEqual(rig.tlsReasons, ["HANDSHAKE"]);
  });
});

/** A vote's request of just this length; what makes it so is a field that nobody knows. */
function requestOf(length: number): Uint8Array {
  const unknown = new Uint8Array(length - VOTE.length - 4);
  const request = wire({ 1: voteWire(), 2: CHAIN, 15: unknown });
  assert.equal(request.length, length);
  return request;
}

test("a request is taken at its limit, and not one byte over", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    const most = await rig.call("SignVote", requestOf(PRIVVAL_REQUEST_BYTES_MAX), node);
    assert.equal(most.ok, true);
    assert.equal(rig.signer.asks.at(-1)?.message.length, PRIVVAL_MESSAGE_BYTES_MAX);
    const over = await rig.call("SignVote", requestOf(PRIVVAL_REQUEST_BYTES_MAX + 1), node);
    assert.equal(over.ok ? null : over.status, status.RESOURCE_EXHAUSTED);
    assert.equal(rig.signer.asks.length, 1);
  });
});

test("an unknown method and an unknown service are unimplemented", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    for (const method of ["SignBytes", "/tendermint.privval.Other/SignVote"]) {
      const reply = await rig.call(method, VOTE, node);
      assert.equal(reply.ok ? null : reply.status, status.UNIMPLEMENTED, method);
    }
  });
});

test("a refused vote is an invalid argument with code and text, and the next one is signed", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    rig.signer.script.push(() => err(refusal("GUARD_STEP_DOUBLE", 100n, 7n, 3n)));
    const reply = await rig.call("SignVote", VOTE, node);
    assert.deepEqual(refusedWith(reply), [status.INVALID_ARGUMENT, "GUARD_STEP_DOUBLE"]);
    assert.ok(!reply.ok && reply.text.endsWith("(height 100, round 7, step 3)"));
    assert.equal((await rig.call("SignVote", VOTE, node)).ok, true);
    assert.equal(rig.listener.connectionCount(), 1);
  });
});

test("a node is told UNAVAILABLE while the enclave is away, and NOT_FOUND without a key", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    rig.signer.script.push(
      () => err(refusal("LINK_DOWN")),
      () => err(refusal("KEY_UNKNOWN")),
      () => err(refusal("LINK_TIMEOUT")),
    );
    assert.deepEqual(refusedWith(await rig.call("SignVote", VOTE, node)), [
      status.UNAVAILABLE,
      "LINK_DOWN",
    ]);
    assert.deepEqual(refusedWith(await rig.call("GetPubKey", KEY, node)), [
      status.NOT_FOUND,
      "KEY_UNKNOWN",
    ]);
    assert.deepEqual(refusedWith(await rig.call("SignVote", VOTE, node)), [
      status.DEADLINE_EXCEEDED,
      "LINK_TIMEOUT",
    ]);
  });
});

test("the signer has no more time than the node", async () => {
  await withRig(undefined, async (rig) => {
    rig.signer.holdNext();
    const deadline = Date.now() + 300;
    const reply = await rig.call("SignVote", VOTE, rig.node(), { deadline });
    assert.equal(reply.ok ? null : reply.status, status.DEADLINE_EXCEEDED);
    const left = rig.signer.asks[0]?.deadlineMs ?? 0;
    assert.ok(left > 0 && left <= 300, String(left));
  });
});

test("two nodes are served at once, each on its own connection", async () => {
  await withRig(undefined, async (rig) => {
    const release = rig.signer.holdNext();
    const first = rig.call("SignVote", VOTE, rig.node());
    await until(() => rig.signer.asks.length === 1);
    assert.equal((await rig.call("SignVote", VOTE, rig.node(rig.ca.leaf("node-2")))).ok, true);
    assert.equal(rig.listener.connectionCount(), 2);
    release(answerTo(wire({ 3: VOTE }), SIGNED));
    assert.deepEqual(await first, { ok: true, answer: SIGNED });
  });
});

test("a chain that is not listed is refused without asking, and counted for no chain", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    const rows = [
      ["SignVote", wire({ 1: voteWire(), 2: "sei-2" }), "REQUEST_CHAIN", status.INVALID_ARGUMENT],
      ["GetPubKey", wire({ 1: "sei-2" }), "REQUEST_CHAIN", status.NOT_FOUND],
      ["SignVote", wire({ 1: voteWire() }), "REQUEST_MALFORMED", status.INVALID_ARGUMENT],
      ["SignVote", Uint8Array.of(0xff), "REQUEST_MALFORMED", status.INVALID_ARGUMENT],
      ["GetPubKey", new Uint8Array(0), "REQUEST_MALFORMED", status.NOT_FOUND],
    ] as const;
    for (const [method, request, code, number] of rows) {
      assert.deepEqual(refusedWith(await rig.call(method, request, node)), [number, code]);
      assert.deepEqual(rig.observed.at(-1), ["", code]);
    }
    assert.equal(rig.signer.asks.length, 0);
  });
});

const CLIENTS = ({ pair }: PrivvalGrpcRig) => ({
  clients: [
    { name: "node-1", fingerprint: pair.fingerprint, chains: [{ chain: CHAIN }] },
    {
      name: "node-2",
      spiffe: "spiffe://example.org/node/2",
      chains: [{ chain: "sei-2" }],
    },
  ],
});

test("where clients are listed each has its own chains, and others are cut off before they can ask", async () => {
  await withRig(CLIENTS, async (rig) => {
    const second = rig.node(rig.ca.leaf("x", { uris: ["spiffe://example.org/node/2"] }));
    const stranger = rig.node(rig.ca.leaf("node-1"));
    assert.equal((await rig.call("GetPubKey", KEY)).ok, true);
    assert.equal((await rig.call("GetPubKey", wire({ 1: "sei-2" }), second)).ok, true);
    const other = await rig.call("GetPubKey", KEY, second);
    assert.deepEqual(refusedWith(other), [status.NOT_FOUND, "REQUEST_CHAIN"]);
    const nobody = await rig.call("GetPubKey", KEY, stranger);
    assert.equal(nobody.ok ? null : nobody.status, status.UNAVAILABLE);
    assert.equal(rig.tlsReasons[0], "CLIENT_UNKNOWN");
    assert.equal(rig.listener.connectionCount(), 2);
    const names = rig.log.lines
      .filter(({ event }) => event === "privval.connected")
      .map(({ fields }) => fields.client);
    assert.deepEqual(names, ["node-1", "node-2"]);
  });
});

test("a reload cuts off a removed client, and nobody else", async () => {
  await withRig(CLIENTS, async (rig) => {
    const [node, other] = [
      rig.node(),
      rig.node(rig.ca.leaf("x", { uris: ["spiffe://example.org/node/2"] })),
    ];
    const release = rig.signer.holdNext();
    const held = rig.call("GetPubKey", wire({ 1: "sei-2" }), other);
    await until(() => rig.signer.asks.length === 1);
    assert.equal((await rig.call("GetPubKey", KEY, node)).ok, true);
    assert.equal(rig.listener.connectionCount(), 2);
    const [, second] = CLIENTS(rig).clients;
    assert.equal((await rig.listener.reload(rig.config({ clients: [second] }))).ok, true);
    await until(() => rig.listener.connectionCount() === 1);
    assert.equal((await rig.call("GetPubKey", KEY, node)).ok, false);
    assert.equal(rig.signer.asks.length, 2);
    release(answerTo(wire({ 1: KEY }), SIGNED));
    assert.deepEqual(await held, { ok: true, answer: SIGNED });
  });
});

test("a reload of other authorities ends connections after the answer that is due", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    const release = rig.signer.holdNext();
    const due = rig.call("SignVote", VOTE, node);
    await until(() => rig.signer.asks.length === 1);
    const other = new TestCa("others");
    await rig.write("ca.crt", other.cert);
    assert.equal((await rig.listener.reload(rig.config())).ok, true);
    release(answerTo(wire({ 3: VOTE }), SIGNED));
    assert.deepEqual(await due, { ok: true, answer: SIGNED });
    await until(() => rig.listener.connectionCount() === 0);
    assert.equal((await rig.call("SignVote", VOTE, node)).ok, false);
    assert.equal((await rig.call("SignVote", VOTE, rig.node(other.leaf("node-1")))).ok, true);
  });
});

test("a reload of files that don't pass changes nothing", async () => {
  await withRig(undefined, async (rig) => {
    await rig.write("ca.crt", "nothing");
    const reloaded = await rig.listener.reload(rig.config());
    assert.equal(reloaded.ok ? null : reloaded.error.code, "TLS_MATERIAL");
    assert.equal((await rig.call("SignVote", VOTE)).ok, true);
  });
});

test("closing gives the answer that is due, and takes no more calls", async () => {
  await withRig(undefined, async (rig) => {
    const node = rig.node();
    const release = rig.signer.holdNext();
    const due = rig.call("SignVote", VOTE, node);
    await until(() => rig.signer.asks.length === 1);
    const closed = rig.listener.close();
    assert.equal((await rig.call("SignVote", VOTE, node)).ok, false);
    assert.equal(rig.signer.asks.length, 1);
    release(answerTo(wire({ 3: VOTE }), SIGNED));
    assert.deepEqual(await due, { ok: true, answer: SIGNED });
    await closed;
    assert.equal(rig.listener.connectionCount(), 0);
  });
});

test("as many connections are held as the limits say, of one certificate and of all", async () => {
  await withRig(undefined, async (rig) => {
    const open = (pair: Pair) => rig.socket({ pair });
    const count = () => rig.listener.connectionCount();
    const each = CERTIFICATE_CONNECTION_COUNT_MAX;
    const pairs = [rig.pair, ...["b", "c", "d"].map((name) => rig.ca.leaf(name))];
    const sockets = pairs.flatMap((pair) => Array.from({ length: each }, () => open(pair)));
    await until(() => count() === CONNECTION_COUNT_MAX);
    const [first] = sockets;
    const late = open(rig.ca.leaf("e"));
    await new Promise((settle) => late.once("close", settle));
    first?.destroy();
    await until(() => count() === CONNECTION_COUNT_MAX - 1);
    // Room for one, but of this certificate there are enough.
    const [, second] = pairs;
    assert(second !== undefined);
    const more = open(second);
    await new Promise((settle) => more.once("close", settle));
    assert.equal(count(), CONNECTION_COUNT_MAX - 1);
    assert.ok(rig.tlsReasons.includes("CONNECTION_COUNT"));
    for (const socket of sockets) socket.destroy();
  });
});

test("connections that show no certificate take no node's place", async () => {
  await withRig(undefined, async (rig) => {
    const { address } = rig.listener;
    assert(address.kind === "tcp");
    const idle = Array.from({ length: CONNECTION_COUNT_MAX }, () =>
      connect(address.port, address.host),
    );
    await Promise.all(
      idle.map((socket) => new Promise((settle) => socket.once("connect", settle))),
    );
    const answer = await rig.call("SignVote", VOTE, rig.node());
    assert.equal(answer.ok, true);
    for (const socket of idle) socket.destroy();
  });
});
