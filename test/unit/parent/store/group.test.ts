// Which commits share a transaction, and when.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Commit, CommitAnswer } from "../../../../parent/store/database.ts";
import { CommitGroup } from "../../../../parent/store/group.ts";
import type { Refusal } from "../../../../shared/errors.ts";
import { refusal } from "../../../../shared/errors.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";

type Outcome = Result<CommitAnswer, Refusal>;

function commitOf(writeCount: number): Commit {
  const write = {
    key: new Uint8Array(1),
    seq: 1,
    record: new Uint8Array(1),
    receipt: new Uint8Array(0),
  };
  return { scope: new Uint8Array(32), writes: Array.from({ length: writeCount }, () => write) };
}

function setUp(answer: (commit: Commit) => Outcome) {
  const groups: number[] = [];
  const deferred: (() => void)[] = [];
  const group = new CommitGroup(
    (commits) => {
      groups.push(commits.length);
      return commits.map(answer);
    },
    (run) => deferred.push(run),
  );
  const endTurn = () => {
    for (const run of deferred.splice(0)) run();
  };
  return { group, groups, deferred, endTurn };
}

test("commits of one turn are committed together at its end, each with its own outcome", async () => {
  const { group, groups, deferred, endTurn } = setUp((commit) =>
    commit.writes.length === 1 ? ok([null]) : err(refusal("STORE_CORRUPT")),
  );
  const outcomes = [group.add(commitOf(1)), group.add(commitOf(2)), group.add(commitOf(1))];
  assert.deepEqual(groups, []);
  assert.equal(deferred.length, 1, "one flush for all of them");
  endTurn();
  assert.deepEqual(groups, [3]);
  assert.deepEqual(await Promise.all(outcomes), [
    ok([null]),
    err({ code: "STORE_CORRUPT" }),
    ok([null]),
  ]);
});

test("commits of two turns are two groups", async () => {
  const { group, groups, endTurn } = setUp(() => ok([null]));
  const first = group.add(commitOf(1));
  endTurn();
  const second = group.add(commitOf(1));
  endTurn();
  await Promise.all([first, second]);
  assert.deepEqual(groups, [1, 1]);
});

test("a flush commits at once, and the end of the turn then has nothing to do", async () => {
  const { group, groups, endTurn } = setUp(() => ok([null]));
  const outcome = group.add(commitOf(1));
  group.flush();
  assert.deepEqual(await outcome, ok([null]));
  endTurn();
  assert.deepEqual(groups, [1]);
});

test("a group that reaches its limit of records does not wait for the end of the turn", () => {
  const { group, groups } = setUp(() => ok([null]));
  for (let count = 0; count < 7; count++) void group.add(commitOf(1024));
  void group.add(commitOf(1023));
  assert.deepEqual(groups, []);
  void group.add(commitOf(1));
  assert.deepEqual(groups, [9]);
});

test("each group has the same limit of records, whatever the one before it held", () => {
  const { group, groups } = setUp(() => ok([null]));
  for (let round = 1; round <= 3; round++) {
    void group.add(commitOf(8191));
    assert.equal(groups.length, round - 1);
    void group.add(commitOf(1));
    assert.equal(groups.length, round);
  }
});

test("a group with fewer outcomes than commits ends the program", () => {
  const group = new CommitGroup(
    () => [],
    () => {},
  );
  void group.add(commitOf(1));
  assert.throws(() => group.flush(), InvariantError);
});
