// Images of random contents, from a seed that is printed, so that a failure can be repeated.

import { createHash } from "node:crypto";
import type { EifSource } from "../../../scripts/image/eif.ts";
import type { EifMetadata } from "../../../scripts/image/eif-metadata.ts";
import type { JsonValue } from "../../../scripts/image/json-text.ts";

/** Around the blocks of SHA-384 and of pages, and nothing at all. */
const SIZES = [0, 1, 2, 111, 112, 127, 128, 129, 4095, 4096, 4097, 65_537] as const;
const WORDS = [
  "",
  "a",
  "console=ttyS0",
  "größe",
  "名前",
  "🦀",
  'q"uote',
  "back\\slash",
  "\n\t\u0001",
];

export class RandomImages {
  readonly #seed: string;
  #counter = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  source(): EifSource {
    const ramdiskCount = this.#pick([1, 1, 2, 2, 3, 7, 28]);
    return {
      arch: this.#pick(["x86_64", "aarch64"]),
      kernel: this.bytes(this.#pick(SIZES)),
      cmdline: this.#words(" "),
      ramdisks: Array.from({ length: ramdiskCount }, () => this.bytes(this.#pick(SIZES))),
      metadata: this.#metadata(),
    };
  }

  bytes(length: number): Uint8Array {
    const hash = createHash("shake256", { outputLength: Math.max(1, length) });
    const digest = hash.update(`${this.#seed} ${this.#next()}`).digest();
    return new Uint8Array(digest).subarray(0, length);
  }

  #metadata(): EifMetadata {
    return {
      imageName: this.#words("-"),
      imageVersion: this.#words("."),
      buildTime: "2026-01-03T20:41:07.402Z",
      buildTool: this.#pick(WORDS),
      buildToolVersion: "1.0",
      operatingSystem: this.#pick(WORDS),
      kernelVersion: this.#pick(WORDS),
      dockerInfo: this.#pick<JsonValue>([null, [], {}, [{ Id: "x", Size: 123_456_789 }]]),
      // Of what is no object nitro-cli can't make its description.
      customMetadata: this.#pick<JsonValue>([
        null,
        {},
        { zebra: 1.5, ape: [true, null, -7], ü: { b: "", a: "x" } },
      ]),
    };
  }

  #words(separator: string): string {
    const count = this.#pick([0, 1, 2, 3]);
    return Array.from({ length: count }, () => this.#pick(WORDS)).join(separator);
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#next() % choices.length];
    if (choice === undefined) throw new RangeError("nothing to choose from");
    return choice;
  }

  #next(): number {
    this.#counter += 1;
    const text = `${this.#seed} ${this.#counter}`;
    return createHash("sha256").update(text).digest().readUInt32BE(0);
  }
}
