// Whether a chain's commits are signed by a key: what its RPC tells of each height, held against
// the canonical bytes that our enclave signs. It must never take a node's word that a signature is
// right.

import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { encodeCanonicalVote } from "../../../enclave/core/chains/tendermint/canonical.ts";
import { LOCAL_CHAIN_ID } from "../../../scripts/local/consensus-setup.ts";
import type { CometNode, SignedHeader } from "./comet-node.ts";

const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const PRECOMMIT = 2;
const RETURN_DEADLINE_MS = 60_000;
const FLAG_ABSENT = 1;
const FLAG_COMMIT = 2;
const FLAG_NIL = 3;

export type CommitReport = {
  readonly count: number;
  /** Heights that took more than one round. */
  readonly laterRoundCount: number;
  /** The longest time between two blocks. */
  readonly gapSeconds: number;
};

/** All heights up to `last`; throws at the first that is not signed by the key alone. */
export async function verifyCommits(
  node: CometNode,
  last: number,
  publicKey: Uint8Array,
  validatorAddress: string,
): Promise<CommitReport> {
  const key = keyOf(publicKey);
  let laterRoundCount = 0;
  let gapSeconds = 0;
  let beforeMs = 0;
  for (let height = 1; height <= last; height++) {
    const signed = await node.signedHeader(height);
    if (!isSigned(signed, key, validatorAddress)) throw new Error(`height ${height} is not signed`);
    if ((await node.evidenceCount(height)) > 0) throw new Error(`evidence at height ${height}`);
    if (signed.commit.round > 0) laterRoundCount += 1;
    const timeMs = Date.parse(signed.header.time);
    // The first block has the time of genesis.
    if (height > 2) gapSeconds = Math.max(gapSeconds, (timeMs - beforeMs) / 1000);
    beforeMs = timeMs;
  }
  return { count: last, laterRoundCount, gapSeconds };
}

/** One of several validators. */
export type Ours = { readonly publicKey: Uint8Array; readonly address: string };

/** The first height from now on whose commit has our vote. */
export async function awaitSigned(node: CometNode, ours: Ours): Promise<number> {
  const deadlineMs = performance.now() + RETURN_DEADLINE_MS;
  let height = await node.height();
  while (performance.now() < deadlineMs) {
    // The commit of the last height is not final before the next one.
    await node.awaitHeight(height + 1);
    if (ownFlag(await node.signedHeader(height), ours) === FLAG_COMMIT) return height;
    height += 1;
  }
  throw new Error(`our vote is not in the commits up to ${height}`);
}

/** Of these heights; throws for a signature of ours that is wrong, and for evidence. */
export async function countSigned(
  node: CometNode,
  first: number,
  last: number,
  ours: Ours,
): Promise<{ readonly signed: number; readonly absent: number; readonly nil: number }> {
  const counts = { signed: 0, absent: 0, nil: 0 };
  for (let height = first; height <= last; height++) {
    if ((await node.evidenceCount(height)) > 0) throw new Error(`evidence at height ${height}`);
    const flag = ownFlag(await node.signedHeader(height), ours);
    if (flag === FLAG_COMMIT) counts.signed += 1;
    else if (flag === FLAG_NIL) counts.nil += 1;
    else counts.absent += 1;
  }
  return counts;
}

/** Throws for a signature that is wrong. */
function ownFlag({ commit }: SignedHeader, { publicKey, address }: Ours): number {
  const own = commit.signatures.filter((each) => each.validator_address === address);
  const [signature, second] = own;
  if (signature === undefined) return FLAG_ABSENT;
  if (second !== undefined || !isVoteSigned(commit, signature, keyOf(publicKey))) {
    throw new Error(`our signature at height ${commit.height} is wrong`);
  }
  return signature.block_id_flag;
}

function keyOf(publicKey: Uint8Array): KeyObject {
  return createPublicKey({
    key: Buffer.concat([SPKI, publicKey]),
    format: "der",
    type: "spki",
  });
}

function isSigned({ commit }: SignedHeader, key: KeyObject, address: string): boolean {
  const [signature, second] = commit.signatures;
  if (signature === undefined || second !== undefined) return false;
  if (signature.block_id_flag !== FLAG_COMMIT || signature.validator_address !== address) {
    return false;
  }
  return isVoteSigned(commit, signature, key);
}

type Commit = SignedHeader["commit"];

/** For the commit's block, or for nil. */
function isVoteSigned(
  commit: Commit,
  signature: Commit["signatures"][number],
  key: KeyObject,
): boolean {
  const vote = {
    type: PRECOMMIT,
    height: commit.height,
    round: commit.round,
    blockId:
      signature.block_id_flag === FLAG_NIL
        ? null
        : {
            hash: Buffer.from(commit.block_id.hash, "hex"),
            partCount: commit.block_id.parts.total,
            partsHash: Buffer.from(commit.block_id.parts.hash, "hex"),
          },
    timestamp: timestampOf(signature.timestamp),
  };
  const bytes = encodeCanonicalVote(vote, LOCAL_CHAIN_ID);
  return verify(null, bytes, key, Buffer.from(signature.signature ?? "", "base64"));
}

/** RFC 3339 with up to nine digits, of which `Date` keeps three. */
function timestampOf(text: string): { readonly seconds: bigint; readonly nanos: number } {
  const digits = /\.(\d+)Z$/.exec(text)?.[1] ?? "";
  const seconds = BigInt(Math.floor(Date.parse(text) / 1000));
  return { seconds, nanos: Number(digits.padEnd(9, "0")) };
}
