// What a hostile parent puts on its link to an enclave: frames of `privval` requests that were
// right once, and are replayed, mixed, exchanged between keys and chains, cut, joined and bent.
// Each move answers the pieces that are written one after the other.

import { encodeCbor } from "../../shared/bytes/cbor.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { encodeFrame, FRAME_HEAD_BYTES } from "../../shared/wire/frame.ts";
import type { Random } from "./random.ts";
import { type Asked, nestedIn, type SiegeNode, VALIDATORS } from "./siege-node.ts";

export const MOVES = [
  "ask",
  "replaySameId",
  "replayNewId",
  "shuffle",
  "crossWire",
  "split",
  "join",
  "truncate",
  "prolong",
  "flipFrame",
  "flipMessage",
  "changeLength",
  "nest",
] as const;
export type Move = (typeof MOVES)[number];

type Pieces = readonly Uint8Array[];

/** How often each is made. */
const WEIGHTS: Readonly<Record<Move, number>> = {
  ask: 12,
  replaySameId: 8,
  replayNewId: 10,
  shuffle: 10,
  crossWire: 8,
  split: 4,
  join: 5,
  truncate: 2,
  prolong: 2,
  flipFrame: 3,
  flipMessage: 8,
  changeLength: 2,
  nest: 5,
};

/** Of the past: mostly of late, which can do more harm. */
const RECENT_COUNT = 12;

export class SiegeFrames {
  readonly #random: Random;
  readonly #node: SiegeNode;
  readonly #asked: Asked[] = [];
  readonly #frames: Uint8Array[] = [];
  readonly counts: Record<Move, number>;
  #id = 0;

  constructor(random: Random, node: SiegeNode) {
    this.#random = random;
    this.#node = node;
    this.counts = Object.fromEntries(MOVES.map((move) => [move, 0])) as Record<Move, number>; // oxlint-disable-line typescript/no-unsafe-type-assertion -- every move
  }

  next(): Pieces {
    const move = this.#random.weighted(WEIGHTS);
    this.counts[move] += 1;
    return this.#moves[move]();
  }

  /** With an id of its own, which the answer has. */
  frameOf(asked: Asked): { readonly id: number; readonly frame: Uint8Array } {
    this.#id += 1;
    const { chainId, key, message } = asked;
    const frame = encodeFrame(encodeCbor([this.#id, "privval", [chainId, key, message]]));
    this.#asked.push(asked);
    this.#frames.push(frame);
    return { id: this.#id, frame };
  }

  readonly #moves: Readonly<Record<Move, () => Pieces>> = {
    ask: () => [this.#fresh()],
    replaySameId: () => [this.#oldFrame()],
    replayNewId: () => [this.frameOf(this.#oldAsk()).frame],
    shuffle: () => {
      const frames = Array.from({ length: this.#random.between(2, 6) }, () =>
        this.#random.chance(0.5) ? this.#fresh() : this.frameOf(this.#oldAsk()).frame,
      );
      return this.#shuffled(frames);
    },
    crossWire: () => [this.frameOf(this.#crossed()).frame],
    split: () => this.#cut(concatBytes(this.#fresh(), this.#oldFrame())),
    join: () => [
      concatBytes(...Array.from({ length: this.#random.between(2, 8) }, () => this.#oldFrame())),
    ],
    truncate: () => {
      const frame = this.#oldFrame();
      const end = this.#random.between(1, frame.length - 1);
      // The next frame begins inside of it, or its end never comes.
      return [frame.subarray(0, end), ...(this.#random.chance(0.7) ? [this.#fresh()] : [])];
    },
    prolong: () => {
      const more = this.#bytes(this.#random.between(1, 40));
      const frame = this.#oldFrame();
      const body = concatBytes(frame.subarray(FRAME_HEAD_BYTES), more);
      return [this.#random.chance(0.5) ? encodeFrame(body) : concatBytes(frame, more)];
    },
    flipFrame: () => [this.#flipped(this.#oldFrame())],
    flipMessage: () => {
      const asked = this.#oldAsk();
      return [this.frameOf({ ...asked, message: this.#flipped(asked.message) }).frame];
    },
    changeLength: () => {
      const frame = this.#oldFrame().slice();
      const length = frame.length - FRAME_HEAD_BYTES + this.#random.between(-9, 9);
      new DataView(frame.buffer).setUint32(0, this.#random.chance(0.2) ? 2 ** 31 : length);
      return [frame, this.#fresh()];
    },
    nest: () => {
      const asked = this.#oldAsk();
      return [this.frameOf({ ...asked, message: nestedIn(asked.message, this.#random) }).frame];
    },
  };

  #fresh(): Uint8Array {
    return this.frameOf(this.#node.ask()).frame;
  }

  #oldAsk(): Asked {
    const past = this.#random.chance(0.8) ? this.#asked.slice(-RECENT_COUNT) : this.#asked;
    return this.#random.pick(past) ?? this.#node.ask();
  }

  #oldFrame(): Uint8Array {
    const past = this.#random.chance(0.8) ? this.#frames.slice(-RECENT_COUNT) : this.#frames;
    return this.#random.pick(past) ?? this.#fresh();
  }

  /** The chain, the key or both of another validator, around the same message; or its message. */
  #crossed(): Asked {
    const asked = this.#oldAsk();
    const other = this.#random.pick(VALIDATORS) ?? asked;
    const key = "publicKey" in other ? other.publicKey : other.key;
    switch (this.#random.weighted({ chain: 2, key: 4, both: 3, noKey: 2, message: 3 })) {
      case "chain":
        return { ...asked, chainId: other.chainId };
      case "key":
        return { ...asked, key };
      case "both":
        return { ...asked, chainId: other.chainId, key };
      case "noKey":
        return { ...asked, key: null };
      case "message":
        return { ...asked, message: this.#oldAsk().message };
    }
  }

  #flipped(bytes: Uint8Array): Uint8Array {
    const flipped = bytes.slice();
    for (let count = this.#random.between(1, 3); count > 0; count--) {
      const at = this.#random.below(flipped.length);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    return flipped;
  }

  #cut(bytes: Uint8Array): Pieces {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + this.#random.between(1, 60);
      pieces.push(bytes.slice(at, end));
      at = end;
    }
    return pieces;
  }

  #bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#random.below(256));
  }

  #shuffled(frames: Pieces): Pieces {
    const rest = [...frames];
    return frames.flatMap(() => rest.splice(this.#random.below(rest.length), 1));
  }
}
