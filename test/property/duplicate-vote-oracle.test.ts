// Every short history there is, from the bytes of a node's requests on, against two oracles that
// share nothing with the rule: what is evidence of a double vote (pairs of a full history), and
// what a signer allows that only ever goes up and knows a repeat of what it signed last.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proposalRoot, voteRoot } from "../../enclave/core/chains/tendermint/canonical.ts";
import {
  NO_FLOOR,
  type SignedStep,
  type TendermintFloor,
  type TendermintRecord,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import {
  type TendermintClaim,
  tendermintRule,
  timeToSign,
} from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import { parsePrivvalMessage } from "../../enclave/core/chains/tendermint/privval-message.ts";
import { unreceipted } from "../../enclave/core/signed-root.ts";
import {
  describeMessage,
  isDuplicate,
  isRetimed,
  type SignedMessage,
} from "../fakes/duplicate-vote.ts";
import {
  HASH,
  NIL_BLOCK,
  OTHER_HASH,
  proposalRequest,
  voteRequest,
  type Wire,
} from "../fakes/privval-node.ts";

const TYPES = ["proposal", "prevote", "precommit"] as const;
const HEIGHTS = [1, 2];
const ROUNDS = [0, 1];
const TIMES = [1000, 2000];
const BLOCKS: Readonly<Record<string, Wire>> = {
  nil: NIL_BLOCK,
  a: { 1: HASH, 2: { 1: 1, 2: HASH } },
  b: { 1: OTHER_HASH, 2: { 1: 1, 2: HASH } },
};
/** Of a proposal: the block and the round of its proof of lock. */
const PROPOSED: Readonly<Record<string, Wire>> = {
  a: { 5: BLOCKS["a"], 4: -1 },
  b: { 5: BLOCKS["b"], 4: -1 },
  "a after round 0": { 5: BLOCKS["a"], 4: 0 },
};

type Request = {
  readonly message: SignedMessage;
  readonly claim: TendermintClaim;
  readonly root: Uint8Array;
};

/** As the program reads it, from what a node would have sent. */
function requestOf(message: SignedMessage): Request {
  const { type, height, round, block, time } = message;
  const place: Wire = { 2: height, 3: round };
  const bytes =
    type === "proposal"
      ? proposalRequest({ ...place, ...PROPOSED[block], 6: { 1: time } })
      : voteRequest({
          ...place,
          1: type === "prevote" ? 1 : 2,
          4: BLOCKS[block],
          5: { 1: time },
          9: undefined,
        });
  const parsed = parsePrivvalMessage(bytes, "signBytes");
  assert(parsed.ok);
  const request = parsed.value;
  if (request.kind === "vote") {
    return { message, claim: request.vote, root: voteRoot(request.vote, request.chainId) };
  }
  assert(request.kind === "proposal");
  const root = proposalRoot(request.proposal, request.chainId);
  return { message, claim: request.proposal, root };
}

const REQUESTS: readonly Request[] = HEIGHTS.flatMap((height) =>
  ROUNDS.flatMap((round) =>
    TYPES.flatMap((type) =>
      Object.keys(type === "proposal" ? PROPOSED : BLOCKS).flatMap((block) =>
        TIMES.map((time) => requestOf({ type, height, round, block, time })),
      ),
    ),
  ),
);
const AT_ONE_TIME = REQUESTS.filter(({ message }) => message.time === TIMES[0]);

/** One number for a place: another way to order places than the rule's. */
function placeOf({ type, height, round }: SignedMessage): number {
  return (height * 10 + round) * 10 + TYPES.indexOf(type);
}

function isAllowed(signed: readonly SignedMessage[], asked: SignedMessage): boolean {
  const last = signed.at(-1);
  if (last === undefined || placeOf(asked) > placeOf(last)) return true;
  return placeOf(asked) === placeOf(last) && asked.block === last.block;
}

/** Walks every sequence of requests of this length; answers how many decisions were compared. */
function compareAll(requests: readonly Request[], length: number): number {
  let comparisonCount = 0;
  const walk = (record: TendermintRecord, signed: readonly SignedMessage[], left: number) => {
    for (const { message, claim, root } of requests) {
      comparisonCount += 1;
      const verdict = tendermintRule.decide(record, claim, root, NO_FLOOR);
      const isApproved = verdict.kind !== "refuse";
      if (isApproved !== isAllowed(signed, message)) fail(signed, message, verdict.kind);
      if (verdict.kind === "refuse") continue;
      const after = verdict.kind === "approve" ? verdict.record : record;
      const time = timeToSign(after.last, claim, root);
      if (time === null) fail(signed, message, "no time to sign");
      const released = { ...message, time: Number(time.seconds) };
      if (signed.some((one) => isDuplicate(one, released))) fail(signed, released, "slashable");
      if (signed.some((one) => isRetimed(one, released))) fail(signed, released, "retimed");
      // A repeat adds nothing, and leads to what was walked already.
      if (left > 1 && verdict.kind === "approve") walk(after, [...signed, released], left - 1);
    }
  };
  walk(tendermintRule.empty, [], length);
  return comparisonCount;
}

function fail(signed: readonly SignedMessage[], asked: SignedMessage, what: string): never {
  assert.fail(`${[...signed, asked].map(describeMessage).join(", ")}: ${what}`);
}

test("every history agrees with both oracles, and holds no double vote or proposal", () => {
  const count = compareAll(AT_ONE_TIME, 5);
  process.stdout.write(`duplicate votes: ${count} decisions\n`);
  assert(count > 1_000_000);
});

test("every history of requests at two times signs each vote with one time", () => {
  const count = compareAll(REQUESTS, 4);
  process.stdout.write(`duplicate votes: ${count} decisions at two times\n`);
  assert(count > 1_000_000);
});

test("whatever was signed below a floor, nothing that the floor lets through conflicts with it", () => {
  let count = 0;
  const floors: readonly TendermintFloor[] = AT_ONE_TIME.map(({ claim }) => claim);
  for (const floor of floors) {
    for (const before of REQUESTS) {
      const verdict = tendermintRule.decide(tendermintRule.empty, before.claim, before.root, floor);
      if (verdict.kind !== "refuse") continue;
      for (const after of REQUESTS) {
        // The worst stores: the record is gone, or is that of another root at the same place.
        for (const record of [tendermintRule.empty, recordOf(before), recordOf(after)]) {
          const later = tendermintRule.decide(record, after.claim, after.root, floor);
          count += 1;
          if (later.kind === "refuse") continue;
          if (isDuplicate(before.message, after.message)) fail([before.message], after.message, "");
        }
      }
    }
  }
  process.stdout.write(`duplicate votes: ${count} pairs across a floor\n`);
});

function recordOf({ claim, root }: Request): TendermintRecord {
  const { height, round, step, timestamp } = claim;
  return { reserved: null, last: { height, round, step, timestamp, root } };
}

test("a record is a successor of another just when it forbids all of it, and a join forbids both", () => {
  const records = everyRecord();
  const refusedBy = records.map(refusedOf);
  let count = 0;
  records.forEach((first, firstAt) => {
    records.forEach((second, secondAt) => {
      count += 1;
      const isForbidding = forbidsAll(refusedBy[secondAt], refusedBy[firstAt]);
      assert.equal(tendermintRule.isSuccessor(first, second), isForbidding);
      const joined = tendermintRule.join(first, second);
      assert(tendermintRule.isSuccessor(first, joined));
      assert(tendermintRule.isSuccessor(second, joined));
      const refused = refusedOf(joined);
      assert(forbidsAll(refused, refusedBy[firstAt]) && forbidsAll(refused, refusedBy[secondAt]));
      assert.deepEqual(tendermintRule.parse(tendermintRule.encode(joined)), joined);
    });
  });
  process.stdout.write(`duplicate votes: ${count} pairs of records\n`);
});

type Refused = readonly boolean[] | undefined;

function refusedOf(record: TendermintRecord): readonly boolean[] {
  return REQUESTS.map(
    ({ claim, root }) => tendermintRule.decide(record, claim, root, NO_FLOOR).kind === "refuse",
  );
}

/** What the earlier record refuses the later one refuses too. */
function forbidsAll(later: Refused, earlier: Refused): boolean {
  assert(later !== undefined && earlier !== undefined);
  return earlier.every((isRefused, index) => !isRefused || later[index] === true);
}

/** Of each request: signed, signed without a receipt, and its place alone. */
function everyRecord(): readonly TendermintRecord[] {
  const steps: readonly SignedStep[] = REQUESTS.flatMap((request) => {
    const { last } = recordOf(request);
    if (last === null) return [];
    const bare: SignedStep = { ...last, root: null, timestamp: { seconds: 0n, nanos: 0 } };
    return [last, unreceipted(last), bare];
  });
  return [null, ...steps].map((last) => ({ reserved: null, last }));
}
