// BER (X.690), the little that `CiphertextForRecipient` is made of: one-byte tags, definite and
// indefinite lengths. Parsing gives a tree of views into the input and is bounded in depth and
// count. It must never accept trailing bytes, a length longer than needed, an indefinite length on
// a primitive, or an end-of-contents where none is due.

import { err, ok, type Result } from "../../shared/result.ts";

export type BerNode = {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  /** The whole encoding, head included. */
  readonly encoding: Uint8Array;
  /** The content octets of a primitive; empty for a constructed one. */
  readonly content: Uint8Array;
  /** The parts of a constructed one; empty for a primitive. */
  readonly children: readonly BerNode[];
};

const CONSTRUCTED = 0x20;
const TAG_NUMBER_LONG = 0x1f;
const DEPTH_MAX = 12;
const NODE_COUNT_MAX = 1024;
const NOTHING = new Uint8Array(0);

class Malformed extends Error {}

export function parseBer(bytes: Uint8Array): Result<BerNode, "BER"> {
  try {
    const reader = new Reader(bytes);
    const node = reader.node(bytes.length, 0);
    return reader.offset === bytes.length ? ok(node) : err("BER");
  } catch (error) {
    if (error instanceof Malformed) return err("BER");
    throw error;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #nodeCount = 0;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  node(end: number, depth: number): BerNode {
    this.#nodeCount += 1;
    if (this.#nodeCount > NODE_COUNT_MAX || depth > DEPTH_MAX) throw new Malformed();
    const start = this.offset;
    const tag = this.#byte(end);
    // Tag 0 is end-of-contents: `#isEndOfContents` has taken it where it is due.
    if (tag === 0 || (tag & TAG_NUMBER_LONG) === TAG_NUMBER_LONG) throw new Malformed();
    const isConstructed = (tag & CONSTRUCTED) !== 0;
    const length = this.#length(end);
    if (length === "indefinite" && !isConstructed) throw new Malformed();
    const contentEnd = length === "indefinite" ? end : this.offset + length;
    if (contentEnd > end) throw new Malformed();
    let content: Uint8Array = NOTHING;
    const children: BerNode[] = [];
    if (!isConstructed) {
      content = this.#bytes.subarray(this.offset, contentEnd);
      this.offset = contentEnd;
    } else if (length === "indefinite") {
      while (!this.#isEndOfContents(contentEnd)) children.push(this.node(contentEnd, depth + 1));
    } else {
      while (this.offset < contentEnd) children.push(this.node(contentEnd, depth + 1));
    }
    return { tag, encoding: this.#bytes.subarray(start, this.offset), content, children };
  }

  #byte(end: number): number {
    const byte = this.#bytes[this.offset];
    if (byte === undefined || this.offset >= end) throw new Malformed();
    this.offset += 1;
    return byte;
  }

  #length(end: number): number | "indefinite" {
    const first = this.#byte(end);
    if (first < 0x80) return first;
    if (first === 0x80) return "indefinite";
    const byteCount = first - 0x80;
    if (byteCount > 2) throw new Malformed();
    let length = 0;
    for (let index = 0; index < byteCount; index++) length = length * 256 + this.#byte(end);
    if (length < (byteCount === 1 ? 0x80 : 0x100)) throw new Malformed();
    return length;
  }

  #isEndOfContents(end: number): boolean {
    if (this.#bytes[this.offset] !== 0) return false;
    this.#byte(end);
    if (this.#byte(end) !== 0) throw new Malformed();
    return true;
  }
}
