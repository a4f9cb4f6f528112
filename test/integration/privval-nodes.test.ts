// What a reload of the configuration does to the nodes of Tendermint chains, over the parts that
// the parent has.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { z } from "zod";
import { PrivvalNodes } from "../../parent/link/privval-nodes.ts";
import { type PrivvalConfig, privvalSchema } from "../../parent/ops/privval-config.ts";
import type { WatchedKey } from "../../parent/ops/signed-heights.ts";
import { PrivvalNode } from "../../scripts/local/privval-node.ts";
import { encodePubKeyRequest } from "../../scripts/local/privval-request.ts";
import { type Address, parseAddress } from "../../shared/address.ts";
import { ok } from "../../shared/result.ts";
import { PrivvalGrpcRig } from "../fakes/privval-grpc-rig.ts";
import { answerTo } from "../fakes/scripted-privval.ts";
import { activeAt } from "../fakes/served-enclave.ts";
import { SilentLog } from "../fakes/silent-log.ts";
import { until } from "../fakes/until.ts";

const TCP: Address = { kind: "tcp", host: "127.0.0.1", port: 0 };
const REQUEST = encodePubKeyRequest("a-1");
const ANSWER = answerTo(REQUEST, Uint8Array.of(0x0a, 0));

/** Whether somebody listens there. */
async function isOpen(address: string): Promise<boolean> {
  const parsed = parseAddress(address);
  assert(parsed.ok && parsed.value.kind === "tcp");
  const socket = connect(parsed.value.port, parsed.value.host);
  const isConnected = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isConnected;
}

class Rig {
  readonly log = new SilentLog();
  readonly folder = mkdtempSync(join(tmpdir(), "privval-nodes-"));
  readonly asked: (string | null)[] = [];
  watched: readonly WatchedKey[] = [];
  readonly nodes: PrivvalNodes;

  constructor(t: TestContext) {
    const active = activeAt("nowhere.sock");
    t.mock.method(active.present.link, "call", (_name: string, params: { key: unknown }) => {
      this.asked.push(params.key instanceof Uint8Array ? String(params.key[0]) : null);
      const answer = ANSWER.ok ? ANSWER.value : new Uint8Array(0);
      return Promise.resolve(ok({ answer, signed: null }));
    });
    this.nodes = new PrivvalNodes({
      active,
      log: this.log,
      observe: () => undefined,
      tlsRefused: () => undefined,
      watch: (keys) => {
        this.watched = keys;
      },
    });
    this.identity("a");
    t.after(async () => {
      await this.nodes.close();
      rmSync(this.folder, { recursive: true });
    });
  }

  identity(name: string): void {
    const seed = Buffer.alloc(32, name).toString("base64");
    writeFileSync(join(this.folder, "identity.key"), `${seed}\n`);
  }

  config(nodes: readonly object[], more: object = {}): PrivvalConfig {
    const path = z.string().transform((name) => join(this.folder, name));
    return privvalSchema(path).parse({ identityFile: "identity.key", nodes, ...more });
  }

  addressed(event: string): string {
    return String(this.log.lines.findLast((line) => line.event === event)?.fields.address);
  }
}

function at({ address }: { readonly address: string }) {
  return { chain: "a-1", address };
}

async function startNode(t: TestContext): Promise<{ node: PrivvalNode; address: string }> {
  const node = new PrivvalNode(TCP, { retryMs: 5, retryCount: 2000 });
  const address = await node.start();
  t.after(() => node.stop());
  return { node, address };
}

test("a reload leaves nodes that stay alone, closes those that go, and dials those that come", async (t) => {
  const rig = new Rig(t);
  const [stays, goes, comes] = [await startNode(t), await startNode(t), await startNode(t)];
  assert((await rig.nodes.serve(rig.config([at(stays), at(goes)]))).ok);
  await stays.node.ask(REQUEST);
  await goes.node.ask(REQUEST);
  await rig.nodes.reload(rig.config([at(comes), at(stays)]));
  await comes.node.ask(REQUEST);
  await stays.node.ask(REQUEST);
  assert.deepEqual([stays.node.acceptCount, goes.node.acceptCount], [1, 1]);
  assert.deepEqual(
    rig.nodes.states().map(({ address }) => address),
    [comes.address, stays.address],
  );
  assert.equal(rig.addressed("privval.removed"), goes.address);
  await assert.rejects(goes.node.askOnce(REQUEST));
  assert.equal(goes.node.queuedCount, 0);
  await rig.nodes.reload(undefined);
  assert.deepEqual(rig.nodes.states(), []);
  await assert.rejects(stays.node.askOnce(REQUEST));
});

test("a node that asks for another key, or is to see another identity, is dialled anew, once", async (t) => {
  const rig = new Rig(t);
  const { node, address } = await startNode(t);
  assert((await rig.nodes.serve(rig.config([{ chain: "a-1", address }]))).ok);
  await node.ask(REQUEST);
  const first = node.signerId;
  const keyed = [{ chain: "a-1", address, key: "0x07" }];
  await rig.nodes.reload(rig.config(keyed));
  await node.ask(REQUEST);
  assert.deepEqual([node.signerId, rig.asked], [first, [null, "7"]]);
  await rig.nodes.reload(rig.config(keyed));
  await node.ask(REQUEST);
  assert.equal(node.acceptCount, 2);
  rig.identity("b");
  await rig.nodes.reload(rig.config(keyed));
  await node.ask(REQUEST);
  assert.notEqual(node.signerId, first);
  assert.deepEqual([node.acceptCount, node.queuedCount], [3, 0]);
});

test("a reload gives the answer that is due before it closes a node", async (t) => {
  const rig = new Rig(t);
  const { node, address } = await startNode(t);
  assert((await rig.nodes.serve(rig.config([{ chain: "a-1", address }]))).ok);
  await until(() => node.isConnected);
  const asking = node.askOnce(REQUEST);
  await until(() => rig.asked.length === 1);
  await rig.nodes.reload(undefined);
  await asking;
});

test("a reload whose identity can't be read changes nothing, and says why", async (t) => {
  const rig = new Rig(t);
  const [one, other] = [await startNode(t), await startNode(t)];
  assert((await rig.nodes.serve(rig.config([{ chain: "a-1", address: one.address }]))).ok);
  await one.node.ask(REQUEST);
  writeFileSync(join(rig.folder, "identity.key"), "nothing");
  await rig.nodes.reload(rig.config([{ chain: "a-1", address: other.address }]));
  const line = rig.log.lines.at(-1);
  assert.deepEqual(
    [line?.event, line?.fields.code, line?.fields.reason],
    ["privval.reload.refused", "PRIVVAL_IDENTITY", `${rig.folder}/identity.key: MALFORMED`],
  );
  await one.node.ask(REQUEST);
  assert.equal(one.node.acceptCount, 1);
  assert.equal(other.node.acceptCount, 0);
});

test("the keys that nodes may ask for are told, of both kinds of nodes", async (t) => {
  const grpc = await PrivvalGrpcRig.start();
  t.after(() => grpc.close());
  const rig = new Rig(t);
  const nodes = [{ chain: "a-1", address: "unix:///nowhere/node.sock", key: "0x07" }];
  const told = () => rig.watched.map(({ chainId, key }) => [chainId, key?.[0] ?? null]);
  assert((await rig.nodes.serve({ ...rig.config(nodes), grpc: grpc.config({}) })).ok);
  assert.deepEqual(told(), [
    ["a-1", 7],
    ["sei-1", null],
  ]);
  const clients = [
    { name: "x", fingerprint: "ab".repeat(32), chains: [{ chain: "b-1", key: "0x08" }] },
  ];
  await rig.nodes.reload({ nodes: [], grpc: grpc.config({ clients }) });
  assert.deepEqual(told(), [["b-1", 8]]);
});

test("a configuration without the listener closes it, and one with it opens it again", async (t) => {
  const grpc = await PrivvalGrpcRig.start();
  t.after(() => grpc.close());
  const rig = new Rig(t);
  const config = { nodes: [], grpc: grpc.config({}) };
  assert((await rig.nodes.serve(config)).ok);
  const first = rig.addressed("privval.listening");
  await rig.nodes.reload(config);
  assert.equal(rig.log.lines.at(-1)?.event, "privval.reloaded");
  assert.deepEqual([await isOpen(first), rig.nodes.connectionCount()], [true, 0]);
  await rig.nodes.reload({ nodes: [] });
  assert.ok(rig.log.lines.some(({ event }) => event === "privval.closed"));
  assert.deepEqual([await isOpen(first), rig.nodes.connectionCount()], [false, null]);
  const { length } = rig.log.lines;
  await rig.nodes.reload(undefined);
  assert.equal(rig.log.lines.length, length);
  await rig.nodes.reload(config);
  assert.equal(await isOpen(rig.addressed("privval.listening")), true);
});

test("a listener moves to another address when it can, and stays where it is when it can't", async (t) => {
  const grpc = await PrivvalGrpcRig.start();
  t.after(() => grpc.close());
  const rig = new Rig(t);
  assert((await rig.nodes.serve({ nodes: [], grpc: grpc.config({}) })).ok);
  const first = rig.addressed("privval.listening");
  const { host } = new URL(first.replace("tcp:", "http:"));
  // That one is taken.
  const taken = grpc.config({ listen: `tcp://127.0.0.1:${grpc.port}` });
  await rig.nodes.reload({ nodes: [], grpc: taken });
  assert.equal(rig.log.lines.at(-1)?.fields.code, "LISTEN_FAILED");
  assert.equal(await isOpen(first), true);
  const moved = grpc.config({ listen: "tcp://localhost:0" });
  await rig.nodes.reload({ nodes: [], grpc: moved });
  const second = rig.addressed("privval.listening");
  assert.notEqual(second, `tcp://${host}`);
  assert.deepEqual([await isOpen(first), await isOpen(second)], [false, true]);
});
