import assert from "node:assert/strict";
import { test } from "node:test";
import { EnclavePeer, isPeerCells } from "../../../../parent/link/enclave-peer.ts";
import { InvariantError } from "../../../../shared/invariant.ts";

test("nobody is let in before an enclave has been found, the hypervisor's CID 0 neither", () => {
  const peer = new EnclavePeer();
  assert.equal(peer.takeSeat().cid, null);
  for (const cid of [0, 1, 3, 16, 0xffff_ffff]) assert.equal(peer.isAllowed(cid), false);
  assert.equal(peer.refusedCount, 5);
});

test("exactly one CID is let in for a seat, the last one that was found", () => {
  const peer = new EnclavePeer();
  const seat = peer.takeSeat();
  seat.allow(16);
  seat.allow(17);
  assert.deepEqual(
    [15, 16, 17, 18].map((cid) => peer.isAllowed(cid)),
    [false, false, true, false],
  );
  seat.allow(0xffff_fffe);
  assert.equal(peer.isAllowed(0xffff_fffe), true);
  seat.allowNobody();
  assert.equal(peer.isAllowed(0xffff_fffe), false);
  assert.equal(seat.cid, null);
});

test("two enclaves have seats, a third has none before one is left, and who left is out for good", () => {
  const peer = new EnclavePeer();
  const [first, second] = [peer.takeSeat(), peer.takeSeat()];
  first.allow(16);
  second.allow(17);
  assert.deepEqual(
    [16, 17, 18].map((cid) => peer.isAllowed(cid)),
    [true, true, false],
  );
  assert.throws(() => peer.takeSeat(), InvariantError);
  first.leave();
  first.leave();
  const third = peer.takeSeat();
  assert.throws(() => peer.takeSeat(), InvariantError);
  third.allow(18);
  // A look-up that was under way when its seat was left must not let anybody in.
  first.allow(16);
  assert.equal(first.cid, null);
  assert.deepEqual(
    [16, 17, 18].map((cid) => peer.isAllowed(cid)),
    [false, true, true],
  );
});

test("another thread's peer sees what is allowed, and its refusals are counted here", () => {
  const peer = new EnclavePeer();
  const cells: unknown = structuredClone(peer.cells);
  assert.ok(isPeerCells(cells));
  const other = new EnclavePeer(cells);
  peer.takeSeat().allow(20);
  peer.takeSeat().allow(22);
  assert.equal(other.isAllowed(20), true);
  assert.equal(other.isAllowed(22), true);
  assert.equal(other.isAllowed(21), false);
  assert.equal(peer.refusedCount, 1);
});

test("isPeerCells knows other memory from its own", () => {
  for (const value of [null, {}, new ArrayBuffer(12), new SharedArrayBuffer(8)]) {
    assert.equal(isPeerCells(value), false);
  }
});
