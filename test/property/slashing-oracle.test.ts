// Every short history there is, against two oracles that share nothing with the rule: what is
// slashable by the consensus specification (pairs of a full history), and EIP-3076's conditions for
// a signer that keeps the maxima only.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { EthereumClaim } from "../../enclave/core/chains/ethereum/operation.ts";
import {
  type EthereumRecord,
  ethereumRule,
} from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import { describeSigned, isSlashablePair, type Signed } from "../fakes/slashable-pair.ts";

const EPOCH_MAX = 7;
const ROOTS = ["a", "b"] as const;
const ROOT_BYTES: Readonly<Record<string, Uint8Array>> = {
  a: new Uint8Array(32).fill(0xa),
  b: new Uint8Array(32).fill(0xb),
};
const NO_FLOOR = { slot: 0n, source: 0n, target: 0n };

/** Also those whose source is at or after their target: somebody will ask for them. */
const VOTES: readonly Signed[] = ROOTS.flatMap((root) =>
  upTo(EPOCH_MAX).flatMap((source) =>
    upTo(EPOCH_MAX).map((target) => ({
      claim: { kind: "attestation" as const, source: BigInt(source), target: BigInt(target) },
      // The signing root of a vote covers its epochs.
      root: `${root}${source}-${target}`,
    })),
  ),
);
const BLOCKS: readonly Signed[] = ROOTS.flatMap((root) =>
  upTo(EPOCH_MAX).map((slot) => ({ claim: { kind: "block" as const, slot: BigInt(slot) }, root })),
);

function isSmall({ claim }: Signed): boolean {
  return claim.kind === "block" ? claim.slot <= 2n : claim.target <= 3n && claim.source <= 3n;
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last + 1 }, (_, number) => number);
}

const rootBytes = new Map<string, Uint8Array>(Object.entries(ROOT_BYTES));

function bytesOf(root: string): Uint8Array {
  const known = rootBytes.get(root);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(32);
  new TextEncoder().encodeInto(root, bytes);
  rootBytes.set(root, bytes);
  return bytes;
}

/** EIP-3076, conditions 2, 4 and 5 with the minimal strategy, over what was signed so far. */
function isAllowedByMaxima(signed: readonly Signed[], asked: Signed): boolean {
  if (signed.some((one) => isSame(one, asked))) return isLast(signed, asked);
  const { claim } = asked;
  if (claim.kind === "block") {
    return blocksOf(signed).every((block) => claim.slot > block.slot);
  }
  const isOrdered = claim.source < claim.target || (claim.source === 0n && claim.target === 0n);
  return (
    isOrdered &&
    votesOf(signed).every((vote) => claim.source >= vote.source && claim.target > vote.target)
  );
}

function isSame(one: Signed, other: Signed): boolean {
  return one.root === other.root && describeSigned(one) === describeSigned(other);
}

/** A signer that keeps the maxima knows a repeat only of what it signed last. */
function isLast(signed: readonly Signed[], asked: Signed): boolean {
  const sameKind = signed.filter((one) => one.claim.kind === asked.claim.kind);
  const last = sameKind.at(-1);
  return last !== undefined && isSame(last, asked);
}

function blocksOf(signed: readonly Signed[]) {
  return signed.flatMap(({ claim }) => (claim.kind === "block" ? [claim] : []));
}

function votesOf(signed: readonly Signed[]) {
  return signed.flatMap(({ claim }) => (claim.kind === "attestation" ? [claim] : []));
}

/** Walks every sequence of requests of this length; answers how many decisions were compared. */
function compareAll(requests: readonly Signed[], length: number): number {
  let comparisonCount = 0;
  const walk = (record: EthereumRecord, signed: readonly Signed[], left: number) => {
    for (const asked of requests) {
      comparisonCount += 1;
      const verdict = decide(record, asked.claim, asked.root);
      const isApproved = verdict.kind !== "refuse";
      if (isApproved !== isAllowedByMaxima(signed, asked)) fail(signed, asked, verdict.kind);
      if (!isApproved) continue;
      if (signed.some((one) => isSlashablePair(one, asked))) fail(signed, asked, "slashable");
      if (left === 1) continue;
      // A repeat adds nothing, and leads to what was walked already.
      if (verdict.kind === "approve") walk(verdict.record, [...signed, asked], left - 1);
    }
  };
  walk(ethereumRule.empty, [], length);
  return comparisonCount;
}

function decide(record: EthereumRecord, claim: EthereumClaim, root: string) {
  return ethereumRule.decide(record, claim, bytesOf(root), NO_FLOOR);
}

function fail(signed: readonly Signed[], asked: Signed, what: string): never {
  assert.fail(`${[...signed, asked].map(describeSigned).join(", ")}: ${what}`);
}

test("every history of votes agrees with both oracles, and holds no slashable pair", () => {
  const count = compareAll(VOTES, 4);
  process.stdout.write(`slashing oracle: ${count} decisions on votes\n`);
  assert(count > 100_000);
});

test("every history of blocks agrees with both oracles, and holds no slashable pair", () => {
  const count = compareAll(BLOCKS, 6);
  process.stdout.write(`slashing oracle: ${count} decisions on blocks\n`);
  assert(count > 5000);
});

test("every history of blocks and votes together agrees with both oracles", () => {
  const count = compareAll([...BLOCKS, ...VOTES].filter(isSmall), 5);
  process.stdout.write(`slashing oracle: ${count} decisions on both\n`);
  assert(count > 100_000);
});

test("whatever was signed before a boot, nothing that its floor lets through is slashable with it", () => {
  let count = 0;
  // A claim of before reaches no further than `last`; the floor is the one of docs/safety.md.
  for (const last of upTo(EPOCH_MAX)) {
    const lastEpoch = BigInt(last);
    const source = lastEpoch === 0n ? 0n : lastEpoch - 1n;
    const floor = { slot: lastEpoch + 1n, source, target: lastEpoch + 1n };
    for (const before of [...BLOCKS, ...VOTES]) {
      const height = before.claim.kind === "block" ? before.claim.slot : before.claim.target;
      if (height > lastEpoch) continue;
      if (decide(ethereumRule.empty, before.claim, before.root).kind === "refuse") continue;
      for (const after of [...BLOCKS, ...VOTES]) {
        // The worst store: the record of before is gone.
        const root = bytesOf(after.root);
        const verdict = ethereumRule.decide(ethereumRule.empty, after.claim, root, floor);
        count += 1;
        if (verdict.kind !== "refuse" && isSlashablePair(before, after)) fail([before], after, "");
      }
    }
  }
  process.stdout.write(`slashing oracle: ${count} pairs across a boot\n`);
});

test("a record is a successor of another just when it forbids all of it, and a join forbids both", () => {
  const records = everyRecord();
  const requests = [...BLOCKS, ...VOTES].filter(({ claim }) =>
    claim.kind === "block" ? claim.slot <= 2n : claim.target <= 2n && claim.source <= 2n,
  );
  const allowedBy = records.map((record) =>
    requests.map(({ claim, root }) => decide(record, claim, root).kind),
  );
  let count = 0;
  records.forEach((first, firstAt) => {
    records.forEach((second, secondAt) => {
      count += 1;
      if (ethereumRule.isSuccessor(first, second)) {
        assertForbids(allowedBy[secondAt], allowedBy[firstAt]);
      }
      const joined = ethereumRule.join(first, second);
      assert(ethereumRule.isSuccessor(first, joined) && ethereumRule.isSuccessor(second, joined));
    });
  });
  process.stdout.write(`slashing oracle: ${count} pairs of records\n`);
});

type Kinds = readonly ("approve" | "repeat" | "refuse")[] | undefined;

/**
 * What the earlier record refuses the later one refuses too; a repeat of its own is no exception.
 */
function assertForbids(later: Kinds, earlier: Kinds): void {
  assert(later !== undefined && earlier !== undefined);
  later.forEach((kind, index) => {
    if (earlier[index] === "refuse") assert.equal(kind, "refuse");
  });
}

function everyRecord(): readonly EthereumRecord[] {
  const roots = [null, bytesOf("a"), bytesOf("b")];
  const blocks = [0n, 1n].flatMap((slot) => roots.map((root) => ({ slot, root })));
  const heights = [0n, 1n, 2n];
  const votes = heights.flatMap((source) =>
    heights.flatMap((target) =>
      [null, bytesOf(`a${source}-${target}`), bytesOf(`b${source}-${target}`)].map((root) => ({
        source,
        target,
        root,
      })),
    ),
  );
  return [null, ...blocks].flatMap((block) => [null, ...votes].map((vote) => ({ block, vote })));
}
