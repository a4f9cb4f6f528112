import assert from "node:assert/strict";
import { test } from "node:test";
import { EnclavePeer, isPeerCells } from "../../../../parent/link/enclave-peer.ts";

test("nobody is let in before an enclave has been found, the hypervisor's CID 0 neither", () => {
  const peer = new EnclavePeer();
  assert.equal(peer.cid, null);
  for (const cid of [0, 1, 3, 16, 0xffff_ffff]) assert.equal(peer.isAllowed(cid), false);
  assert.equal(peer.refusedCount, 5);
});

test("exactly one CID is let in, the last one that was found", () => {
  const peer = new EnclavePeer();
  peer.allow(16);
  peer.allow(17);
  assert.deepEqual(
    [15, 16, 17, 18].map((cid) => peer.isAllowed(cid)),
    [false, false, true, false],
  );
  peer.allow(0xffff_fffe);
  assert.equal(peer.isAllowed(0xffff_fffe), true);
  peer.allowNobody();
  assert.equal(peer.isAllowed(0xffff_fffe), false);
  assert.equal(peer.cid, null);
});

test("another thread's peer sees what is allowed, and its refusals are counted here", () => {
  const peer = new EnclavePeer();
  const cells: unknown = structuredClone(peer.cells);
  assert.ok(isPeerCells(cells));
  const other = new EnclavePeer(cells);
  peer.allow(20);
  assert.equal(other.isAllowed(20), true);
  assert.equal(other.isAllowed(21), false);
  assert.equal(peer.refusedCount, 1);
});

test("isPeerCells knows other memory from its own", () => {
  for (const value of [null, {}, new ArrayBuffer(8), new SharedArrayBuffer(4)]) {
    assert.equal(isPeerCells(value), false);
  }
});
