import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { Client, ClientTable } from "../../../../parent/api/client.ts";
import { Peer, PeerTable } from "../../../../parent/api/peer.ts";

const FINGERPRINT = "ab".repeat(32);
const config = { name: "a", fingerprint: FINGERPRINT, keys: "all", operations: 1 } as const;
const client = new Client(config, 0);

function peerAt(openedAtMs: number): Peer {
  return new Peer(new Socket(), { fingerprint: FINGERPRINT, spiffe: null }, client, openedAtMs);
}

test("PeerTable counts the connections of a client, and forgets the closed ones", async () => {
  const peers = new PeerTable(1000);
  const [first, second] = [peerAt(0), peerAt(0)];
  peers.add(first);
  peers.add(second);
  assert.equal(peers.countOf(client), 2);
  assert.equal(peers.countOf(new Client(config, 0)), 0);
  first.socket.destroy();
  await new Promise((settle) => first.socket.once("close", settle));
  assert.equal(peers.countOf(client), 1);
  assert.equal(peers.of(first.socket), undefined);
  assert.equal(peers.of(second.socket), second);
});

test("PeerTable asks an old connection to leave, and closes it when it does not", () => {
  const peers = new PeerTable(1000);
  const peer = peerAt(0);
  peers.add(peer);
  peers.sweep(999);
  assert.equal(peer.leaveByMs, null);
  peers.sweep(1000);
  const { leaveByMs } = peer;
  assert.ok(leaveByMs !== null && leaveByMs > 1000);
  peers.sweep(leaveByMs - 1);
  assert.equal(peer.socket.destroyed, false);
  peers.sweep(leaveByMs);
  assert.equal(peer.socket.destroyed, true);
});

test("leaveAll closes idle connections at once and busy ones at their deadline", () => {
  const peers = new PeerTable(1000);
  const [idle, busy] = [peerAt(0), peerAt(0)];
  busy.inFlightCount = 1;
  peers.add(idle);
  peers.add(busy);
  peers.leaveAll(500);
  assert.deepEqual([idle.socket.destroyed, busy.socket.destroyed], [true, false]);
  peers.sweep(500);
  assert.equal(busy.socket.destroyed, true);
});

test("reassign gives a connection its client of the new table, or closes it", () => {
  const peers = new PeerTable(1000);
  const peer = peerAt(0);
  peers.add(peer);
  const renamed = new ClientTable([{ ...config, name: "b" }], 0);
  assert.equal(peers.reassign(renamed, null), 0);
  assert.equal(peer.client?.name, "b");
  assert.equal(peers.reassign(new ClientTable([], 0), null), 1);
  assert.deepEqual([peer.client, peer.socket.destroyed], [null, true]);
});
