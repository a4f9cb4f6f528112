// Sign bytes read back, field by field as the chain writes them (tendermint.md §4.1), so that a
// recorder judges what was signed and not what was asked for. Whatever they are not ends the test.

import assert from "node:assert/strict";
import { bytesIn, numberIn, parseProto, readVarint } from "../../shared/bytes/protobuf.ts";
import type { SignedMessage } from "./duplicate-vote.ts";

const VOTE = {
  1: "varint",
  2: "fixed64",
  3: "fixed64",
  4: "bytes",
  5: "bytes",
  6: "bytes",
} as const;
const PROPOSAL = { ...VOTE, 4: "varint", 7: "bytes" } as const;
const TIME = { 1: "varint", 2: "varint" } as const;
const TYPES: ReadonlyMap<bigint, SignedMessage["type"]> = new Map([
  [1n, "prevote"],
  [2n, "precommit"],
  [32n, "proposal"],
]);

export type CanonicalMessage = { readonly message: SignedMessage; readonly chainId: string };

export function readSignBytes(bytes: Uint8Array): CanonicalMessage {
  const length = readVarint(bytes, 0);
  assert(length !== undefined && length.value === BigInt(bytes.length - length.end));
  const body = bytes.subarray(length.end);
  const [asVote, asProposal] = [VOTE, PROPOSAL].map((fields) => parseProto(body, fields, "refuse"));
  const values = asVote ?? asProposal;
  assert(values !== undefined);
  const type = TYPES.get(numberIn(values, 1));
  assert(type !== undefined && (type === "proposal") === (asVote === undefined));
  const [blockAt, timeAt, chainAt] = type === "proposal" ? [5, 6, 7] : [4, 5, 6];
  const time = parseProto(bytesIn(values, timeAt), TIME, "refuse");
  assert(time !== undefined && numberIn(time, 2) === 0n);
  const place = { type, height: Number(numberIn(values, 2)), round: Number(numberIn(values, 3)) };
  const block = blockName(
    bytesIn(values, blockAt),
    type === "proposal" ? Number(BigInt.asIntN(64, numberIn(values, 4))) : null,
  );
  return {
    message: { ...place, block, time: Number(numberIn(time, 1)) },
    chainId: new TextDecoder().decode(bytesIn(values, chainAt)),
  };
}

/** As a `SignedMessage` calls a block, by the bytes of its id. */
export function blockName(blockId: Uint8Array, polRound: number | null): string {
  if (blockId.length === 0) return "nil";
  const name = Buffer.from(blockId).toString("hex");
  return polRound === null ? name : `${name} after ${polRound}`;
}
