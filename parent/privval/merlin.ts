// Merlin transcripts over STROBE-128, as far as SecretConnection needs them (tendermint.md §2.2):
// labelled messages go in, labelled challenges come out. It must never be used for anything else:
// of STROBE it has three operations, without checks of their order. Keccak's permutation is from
// @noble/hashes, as Node's SHA-3 does not show it.

import { keccakP } from "@noble/hashes/sha3.js";

const STATE_WORDS = 50;
/** STROBE-128's rate: 200 bytes less twice the security level, less two for the frame. */
const RATE_BYTES = 166;
const INITIAL = Uint8Array.of(1, RATE_BYTES + 2, 1, 0, 1, 96);
const PROTOCOL = "STROBEv1.0.2";

/** Flags of an operation: I = 1, A = 2, C = 4, M = 16. */
const META_AD = 0x12;
const AD = 0x02;
const PRF = 0x07;
const CIPHER_FLAG = 0x04;

class Strobe {
  /** In the order of bytes that all of this program's platforms have: little-endian. */
  readonly #words = new Uint32Array(STATE_WORDS);
  readonly #state = new Uint8Array(this.#words.buffer);
  #position = 0;
  /** Where the present operation began, plus one; 0 when that was before the last permutation. */
  #begin = 0;

  constructor() {
    this.#state.set(INITIAL);
    this.#state.set(encodeText(PROTOCOL), INITIAL.length);
    keccakP(this.#words);
  }

  metaAd(bytes: Uint8Array): void {
    this.#beginOperation(META_AD);
    this.#absorb(bytes);
  }

  ad(label: string, message: Uint8Array): void {
    this.#beginLabelled(label, message.length, AD);
    this.#absorb(message);
  }

  prf(label: string, byteCount: number): Uint8Array<ArrayBuffer> {
    this.#beginLabelled(label, byteCount, PRF);
    const bytes = new Uint8Array(byteCount);
    for (let index = 0; index < byteCount; index++) {
      bytes[index] = this.#state[this.#position] ?? 0;
      this.#state[this.#position] = 0;
      this.#advance();
    }
    return bytes;
  }

  /** `metaAD(label)`, then `metaAD(length, more)` and the operation's own flags. */
  #beginLabelled(label: string, byteCount: number, flags: number): void {
    this.metaAd(encodeText(label));
    this.#absorb(encodeLength(byteCount));
    this.#beginOperation(flags);
  }

  #beginOperation(flags: number): void {
    const begin = this.#begin;
    this.#begin = this.#position + 1;
    this.#absorb(Uint8Array.of(begin, flags));
    if ((flags & CIPHER_FLAG) !== 0 && this.#position !== 0) this.#permute();
  }

  #absorb(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#mix(this.#position, byte);
      this.#advance();
    }
  }

  #advance(): void {
    this.#position += 1;
    if (this.#position === RATE_BYTES) this.#permute();
  }

  #permute(): void {
    this.#mix(this.#position, this.#begin);
    this.#mix(this.#position + 1, 0x04);
    this.#mix(RATE_BYTES + 1, 0x80);
    keccakP(this.#words);
    this.#position = 0;
    this.#begin = 0;
  }

  #mix(at: number, byte: number): void {
    this.#state[at] = (this.#state[at] ?? 0) ^ byte;
  }
}

export class Transcript {
  readonly #strobe = new Strobe();

  constructor(label: string) {
    this.#strobe.metaAd(encodeText("Merlin v1.0"));
    this.append("dom-sep", encodeText(label));
  }

  append(label: string, message: Uint8Array): void {
    this.#strobe.ad(label, message);
  }

  challenge(label: string, byteCount: number): Uint8Array<ArrayBuffer> {
    return this.#strobe.prf(label, byteCount);
  }
}

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function encodeLength(byteCount: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, byteCount, true);
  return bytes;
}
