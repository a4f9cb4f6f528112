// Ethereum's slashing rule on watermarks (EIP-3076, minimal strategy): the last block and the last
// vote, plus the floor since boot. It must never compare two votes by anything but epochs and
// signing roots, and never treat an unknown root as equal to one that is asked for.

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { refusal } from "../../../../shared/errors.ts";
import type { Rule, Verdict } from "../../rule.ts";
import { isRootSuccessor, isSameRoot, type SignedRoot, unreceipted } from "../../signed-root.ts";
import type { EthereumClaim } from "./operation.ts";

export type SignedBlock = SignedRoot & { readonly slot: bigint };
export type SignedVote = SignedRoot & { readonly source: bigint; readonly target: bigint };

export type EthereumRecord = {
  readonly block: SignedBlock | null;
  readonly vote: SignedVote | null;
};

/** The first slot, source epoch and target epoch that may be signed since the key was loaded. */
export type EthereumFloor = {
  readonly slot: bigint;
  readonly source: bigint;
  readonly target: bigint;
};

/** Nothing is below it: for records that are known to be the last. */
export const NO_FLOOR: EthereumFloor = { slot: 0n, source: 0n, target: 0n };

/** What is at or above both. */
export function highestFloor(first: EthereumFloor, second: EthereumFloor): EthereumFloor {
  return {
    slot: highest(first.slot, second.slot),
    source: highest(first.source, second.source),
    target: highest(first.target, second.target),
  };
}

type EthereumVerdict = Verdict<EthereumRecord>;

export const ethereumRule: Rule<EthereumRecord, EthereumClaim, EthereumFloor> = {
  empty: { block: null, vote: null },
  decide(record, claim, signingRoot, floor) {
    return claim.kind === "block"
      ? decideBlock(record, claim.slot, signingRoot, floor)
      : decideVote(record, claim.source, claim.target, signingRoot, floor);
  },
  isSuccessor(earlier, later) {
    return (
      isBlockSuccessor(earlier.block, later.block) && isVoteSuccessor(earlier.vote, later.vote)
    );
  },
  join(raised, stored) {
    return {
      block: joinBlocks(raised.block, stored.block),
      vote: joinVotes(raised.vote, stored.vote),
    };
  },
  encode: encodeEthereumRecord,
  parse: parseEthereumRecord,
};

function decideBlock(
  record: EthereumRecord,
  slot: bigint,
  root: Uint8Array,
  floor: EthereumFloor,
): EthereumVerdict {
  const { block } = record;
  if (block !== null && slot < block.slot) {
    return refuse(refusal("GUARD_BLOCK_BELOW", slot, block.slot));
  }
  const isRepeat = block?.slot === slot;
  if (isRepeat && !isSameRoot(block.root, root)) return refuse(refusal("GUARD_BLOCK_DOUBLE", slot));
  // A repeat is no exception from the floor: a store that is rolled back may hold two authentic
  // records with different roots for one slot of an earlier boot (docs/safety.md).
  if (slot < floor.slot) return refuse(bootFloorRefusal(floor));
  if (isRepeat && block.isUnreceipted !== true) return { kind: "repeat" };
  return { kind: "approve", record: { block: { slot, root }, vote: record.vote } };
}

function decideVote(
  record: EthereumRecord,
  source: bigint,
  target: bigint,
  root: Uint8Array,
  floor: EthereumFloor,
): EthereumVerdict {
  // Equal only at genesis, where source and target are both epoch 0. The boot floor rests on it:
  // with source < target no earlier vote has its source above the last epoch but one.
  const isOrdered = source < target || (source === 0n && target === 0n);
  if (!isOrdered) return refuse(refusal("GUARD_VOTE_ORDER", source, target));
  const { vote } = record;
  if (vote !== null && source < vote.source) {
    return refuse(refusal("GUARD_VOTE_SOURCE_BELOW", source, vote.source));
  }
  if (vote !== null && target < vote.target) {
    return refuse(refusal("GUARD_VOTE_TARGET_BELOW", target, vote.target));
  }
  const isRepeat = vote?.target === target;
  if (isRepeat && !isSameRoot(vote.root, root)) return refuse(refusal("GUARD_VOTE_DOUBLE", target));
  if (target < floor.target || source < floor.source) return refuse(bootFloorRefusal(floor));
  if (isRepeat && vote.isUnreceipted !== true) return { kind: "repeat" };
  return { kind: "approve", record: { block: record.block, vote: { source, target, root } } };
}

function refuse(why: ReturnType<typeof refusal>): EthereumVerdict {
  return { kind: "refuse", refusal: why };
}

function bootFloorRefusal(floor: EthereumFloor): ReturnType<typeof refusal> {
  return refusal("GUARD_BOOT_FLOOR", floor.slot, floor.source, floor.target);
}

function isBlockSuccessor(earlier: SignedBlock | null, later: SignedBlock | null): boolean {
  if (earlier === null) return true;
  if (later === null || later.slot < earlier.slot) return false;
  return later.slot > earlier.slot || isRootSuccessor(earlier.root, later.root);
}

function isVoteSuccessor(earlier: SignedVote | null, later: SignedVote | null): boolean {
  if (earlier === null) return true;
  if (later === null || later.target < earlier.target || later.source < earlier.source) {
    return false;
  }
  return later.target > earlier.target || isRootSuccessor(earlier.root, later.root);
}

function joinBlocks(raised: SignedBlock | null, stored: SignedBlock | null): SignedBlock | null {
  if (raised === null) return stored;
  if (stored === null || raised.slot > stored.slot) return unreceipted(raised);
  const isIn = raised.slot < stored.slot || isSameRoot(raised.root, stored.root);
  // Two roots at one height: neither is repeated.
  return isIn ? stored : { slot: stored.slot, root: null };
}

function joinVotes(raised: SignedVote | null, stored: SignedVote | null): SignedVote | null {
  if (raised === null) return stored;
  if (stored === null) return unreceipted(raised);
  const source = highest(raised.source, stored.source);
  if (raised.target > stored.target) return { ...unreceipted(raised), source };
  const isIn = raised.target < stored.target || isSameRoot(raised.root, stored.root);
  return isIn ? { ...stored, source } : { source, target: stored.target, root: null };
}

/** What an import says was signed; only ever raises. */
export type ImportedFloor = {
  readonly blockSlot: bigint | null;
  readonly source: bigint | null;
  readonly target: bigint | null;
};

/** The record after an import: each watermark is the higher of both (EIP-3076, import). */
export function raiseEthereumRecord(record: EthereumRecord, floor: ImportedFloor): EthereumRecord {
  return { block: raiseBlock(record.block, floor), vote: raiseVote(record.vote, floor) };
}

/** What may have been signed below a floor: earlier sources are at most the floor's own. */
export function maximaBelow(floor: EthereumFloor): ImportedFloor {
  return {
    blockSlot: floor.slot === 0n ? null : floor.slot - 1n,
    source: floor.target === 0n ? null : floor.source,
    target: floor.target === 0n ? null : floor.target - 1n,
  };
}

/** The record that states these maxima and no roots, and the floor above it. */
export function recordOfMaxima({ blockSlot, source, target }: ImportedFloor): {
  readonly record: EthereumRecord;
  readonly floor: EthereumFloor;
} {
  const vote = source === null || target === null ? null : { source, target, root: null };
  return {
    record: { block: blockSlot === null ? null : { slot: blockSlot, root: null }, vote },
    floor: {
      slot: blockSlot === null ? 0n : blockSlot + 1n,
      source: vote?.source ?? 0n,
      target: vote === null ? 0n : vote.target + 1n,
    },
  };
}

function raiseBlock(block: SignedBlock | null, floor: ImportedFloor): SignedBlock | null {
  if (floor.blockSlot === null) return block;
  if (block !== null && block.slot >= floor.blockSlot) return block;
  return { slot: floor.blockSlot, root: null };
}

function raiseVote(vote: SignedVote | null, floor: ImportedFloor): SignedVote | null {
  if (floor.source === null && floor.target === null) return vote;
  const source = highest(vote?.source, floor.source);
  const target = highest(vote?.target, floor.target);
  if (vote !== null && vote.source === source && vote.target === target) return vote;
  return { source, target, root: null };
}

function highest(first: bigint | undefined, second: bigint | null): bigint {
  const a = first ?? 0n;
  const b = second ?? 0n;
  return a > b ? a : b;
}

const BODY_BYTES = 89;
const FLAG = {
  block: 1,
  blockRoot: 2,
  vote: 4,
  voteRoot: 8,
  blockUnreceipted: 16,
  voteUnreceipted: 32,
} as const;

/**
 * flags u8, slot u64, block root 32, source u64, target u64, vote root 32; absent parts are zero.
 */
export function encodeEthereumRecord(record: EthereumRecord): Uint8Array {
  const bytes = new Uint8Array(BODY_BYTES);
  const view = new DataView(bytes.buffer);
  const { block, vote } = record;
  let flags = 0;
  if (block !== null) {
    flags |= FLAG.block;
    view.setBigUint64(1, block.slot);
    if (block.root !== null) {
      flags |= FLAG.blockRoot;
      if (block.isUnreceipted === true) flags |= FLAG.blockUnreceipted;
      bytes.set(block.root, 9);
    }
  }
  if (vote !== null) {
    flags |= FLAG.vote;
    view.setBigUint64(41, vote.source);
    view.setBigUint64(49, vote.target);
    if (vote.root !== null) {
      flags |= FLAG.voteRoot;
      if (vote.isUnreceipted === true) flags |= FLAG.voteUnreceipted;
      bytes.set(vote.root, 57);
    }
  }
  bytes[0] = flags;
  return bytes;
}

/** Undefined for anything that `encodeEthereumRecord` does not make. */
export function parseEthereumRecord(bytes: Uint8Array): EthereumRecord | undefined {
  const flags = bytes[0];
  if (bytes.length !== BODY_BYTES || flags === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const rootOf = (flag: number, unreceiptedFlag: number, at: number): SignedRoot => {
    if (!has(flag)) return { root: null };
    const signed = { root: bytes.slice(at, at + 32) };
    return has(unreceiptedFlag) ? unreceipted(signed) : signed;
  };
  const record: EthereumRecord = {
    block: has(FLAG.block)
      ? { slot: view.getBigUint64(1), ...rootOf(FLAG.blockRoot, FLAG.blockUnreceipted, 9) }
      : null,
    vote: has(FLAG.vote)
      ? {
          source: view.getBigUint64(41),
          target: view.getBigUint64(49),
          ...rootOf(FLAG.voteRoot, FLAG.voteUnreceipted, 57),
        }
      : null,
  };
  return isEqualBytes(encodeEthereumRecord(record), bytes) ? record : undefined;
}
