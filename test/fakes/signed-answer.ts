// What somebody outside makes of a signed answer: its fields as protobuf has them, the canonical
// bytes as the chain's specification writes them (tendermint.md §4.1), and Node's own Ed25519.
// Nothing here is the program's: neither its codec, nor its canonical bytes, nor its curve.

import assert from "node:assert/strict";
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { varint } from "./privval-node.ts";

const SPKI = Buffer.from("302a300506032b6570032100", "hex");
/** `Message`: the arms of answers that carry a signature of a vote and of a proposal. */
const ARMS = { vote: 4, proposal: 6 } as const;
const TYPES: Readonly<Record<string, MessageType>> = {
  1: "prevote",
  2: "precommit",
  32: "proposal",
};

export type MessageType = "proposal" | "prevote" | "precommit";

/** What an answer claims to be signed, with its signatures. */
export type SignedAnswer = {
  readonly type: MessageType;
  readonly height: bigint;
  readonly round: bigint;
  /** "nil", or the block's id in hexadecimal digits; of a proposal with its pol_round. */
  readonly block: string;
  /** In hexadecimal digits. */
  readonly time: string;
  readonly signature: Buffer;
  /** Null when there is none. */
  readonly extensionSignature: Buffer | null;
  /** Canonical bytes of the message, and of its extension, on a chain. */
  readonly signBytes: (chainId: string) => Buffer;
  readonly extensionBytes: (chainId: string) => Buffer;
};

/** Null for an answer without a signature. Bytes that are no answer end the test. */
export function readSignedAnswer(bytes: Uint8Array): SignedAnswer | null {
  const message = new Fields(bytes);
  const arm = message.bytes(ARMS.vote) === null ? ARMS.proposal : ARMS.vote;
  const answer = message.bytes(arm);
  const signed = answer === null ? null : new Fields(answer).bytes(1);
  if (signed === null) return null;
  return arm === ARMS.vote ? readVote(new Fields(signed)) : readProposal(new Fields(signed));
}

export function ed25519KeyOf(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
}

export function isSignedBy(key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  return verify(null, signed, key, signature);
}

function readVote(vote: Fields): SignedAnswer {
  const type = TYPES[String(vote.number(1))];
  assert(type === "prevote" || type === "precommit", "an answer's vote is a vote");
  const height = vote.number(2);
  const round = vote.number(3);
  const block = vote.bytes(4);
  const blockId = block === null ? null : canonicalBlock(new Fields(block));
  const time = vote.bytes(5) ?? Buffer.alloc(0);
  const extension = vote.bytes(9) ?? Buffer.alloc(0);
  return {
    type,
    height,
    round,
    block: blockId === null ? "nil" : blockId.toString("hex"),
    time: time.toString("hex"),
    signature: vote.bytes(8) ?? Buffer.alloc(0),
    extensionSignature: vote.bytes(10),
    signBytes: (chainId) =>
      delimited(
        tagged(1, vote.number(1)),
        fixed64(2, height),
        fixed64(3, round),
        blockId === null ? Buffer.alloc(0) : nested(4, blockId),
        nested(5, time),
        text(6, Buffer.from(chainId)),
      ),
    extensionBytes: (chainId) =>
      delimited(
        text(1, extension),
        fixed64(2, height),
        fixed64(3, round),
        text(4, Buffer.from(chainId)),
      ),
  };
}

function readProposal(proposal: Fields): SignedAnswer {
  assert.equal(TYPES[String(proposal.number(1))], "proposal", "an answer's proposal is one");
  const height = proposal.number(2);
  const round = proposal.number(3);
  const polRound = proposal.number(4);
  const blockId = canonicalBlock(new Fields(proposal.bytes(5) ?? Buffer.alloc(0)));
  assert(blockId !== null, "a proposal has a block");
  const time = proposal.bytes(6) ?? Buffer.alloc(0);
  return {
    type: "proposal",
    height,
    round,
    block: `${blockId.toString("hex")} after ${polRound}`,
    time: time.toString("hex"),
    signature: proposal.bytes(7) ?? Buffer.alloc(0),
    extensionSignature: null,
    signBytes: (chainId) =>
      delimited(
        tagged(1, 32n),
        fixed64(2, height),
        fixed64(3, round),
        tagged(4, polRound),
        nested(5, blockId),
        nested(6, time),
        text(7, Buffer.from(chainId)),
      ),
    extensionBytes: () => Buffer.alloc(0),
  };
}

/** `CanonicalBlockID`, whose header of parts is always written; null: nil. */
function canonicalBlock(block: Fields): Buffer | null {
  const hash = block.bytes(1) ?? Buffer.alloc(0);
  const parts = new Fields(block.bytes(2) ?? Buffer.alloc(0));
  const total = parts.number(1);
  const partsHash = parts.bytes(2) ?? Buffer.alloc(0);
  if (hash.length === 0 && total === 0n && partsHash.length === 0) return null;
  return Buffer.concat([text(1, hash), nested(2, tagged(1, total), text(2, partsHash))]);
}

/** The fields of one message: each at most once, in varints and bytes, as answers have them. */
class Fields {
  readonly #numbers = new Map<number, bigint>();
  readonly #bytes = new Map<number, Buffer>();

  constructor(bytes: Uint8Array) {
    const all = Buffer.from(bytes);
    let at = 0;
    const next = (): bigint => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = all[at++];
        assert(byte !== undefined && shift < 70n, "a varint ends");
        value += BigInt(byte % 128) << shift;
        if (byte < 128) return value;
      }
    };
    while (at < all.length) {
      const tag = Number(next());
      const field = tag >> 3;
      assert(!this.#numbers.has(field) && !this.#bytes.has(field), "no field comes twice");
      if (tag % 8 === 0) this.#numbers.set(field, next());
      else {
        assert.equal(tag % 8, 2, "answers have varints and bytes");
        const length = Number(next());
        assert(at + length <= all.length, "a field ends within its message");
        this.#bytes.set(field, all.subarray(at, at + length));
        at += length;
      }
    }
  }

  /** As 64 signed bits; 0 when it is not there. */
  number(field: number): bigint {
    return BigInt.asIntN(64, this.#numbers.get(field) ?? 0n);
  }

  bytes(field: number): Buffer | null {
    return this.#bytes.get(field) ?? null;
  }
}

function tagged(field: number, value: bigint): Buffer {
  return value === 0n ? Buffer.alloc(0) : Buffer.concat([varint(BigInt(field * 8)), varint(value)]);
}

function fixed64(field: number, value: bigint): Buffer {
  if (value === 0n) return Buffer.alloc(0);
  const bytes = Buffer.alloc(9);
  bytes[0] = field * 8 + 1;
  bytes.writeBigInt64LE(value, 1);
  return bytes;
}

/** Left out when it is empty. */
function text(field: number, bytes: Buffer): Buffer {
  return bytes.length === 0 ? bytes : nested(field, bytes);
}

/** Written also when it is empty. */
function nested(field: number, ...parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([varint(BigInt(field * 8 + 2)), varint(BigInt(bytes.length)), bytes]);
}

function delimited(...parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([varint(BigInt(bytes.length)), bytes]);
}
