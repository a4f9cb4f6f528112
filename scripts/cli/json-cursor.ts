// Walks strict JSON (RFC 8259) in bytes, without a tree and without a string of the whole file: a
// file may be larger than the longest string there is, or hold a secret. It takes the part of JSON
// that EIP-3076, key files and state files need: objects, arrays, plain strings, null and natural
// numbers. It must never accept what two readers could read differently: duplicate names, unknown
// names, escapes, fractions and exponents, anything after the end.

import { isEqualBytes } from "../../shared/bytes/compare.ts";

const CODE = {
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  backslash: 0x5c,
  openArray: 0x5b,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
  zero: 0x30,
  nine: 0x39,
} as const;

const NULL = new TextEncoder().encode("null");

const ascii = new TextDecoder("ascii");

/** Thrown inside the walk only; whoever starts a walk catches it. */
export class MalformedJson extends Error {
  readonly offset: number;

  constructor(offset: number) {
    super("malformed JSON");
    this.offset = offset;
  }
}

/** What to do at the value of each name of an object. */
export type Members = Readonly<Record<string, () => void>>;

export class JsonCursor {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Throws unless only white space is left. */
  end(): void {
    this.#skipSpace();
    if (this.#offset !== this.#bytes.length) this.fail();
  }

  fail(): never {
    throw new MalformedJson(this.#offset);
  }

  /** Each name at most once; names that are not in `members` are refused. */
  object(members: Members, requiredNames: readonly string[]): void {
    this.#expect(CODE.openObject);
    const seen = new Set<string>();
    if (!this.#take(CODE.closeObject)) {
      do {
        const name = this.string(64);
        const member = Object.hasOwn(members, name) ? members[name] : undefined;
        if (member === undefined || seen.has(name)) this.fail();
        seen.add(name);
        this.#expect(CODE.colon);
        member();
      } while (this.#take(CODE.comma));
      this.#expect(CODE.closeObject);
    }
    if (!requiredNames.every((name) => seen.has(name))) this.fail();
  }

  array(element: () => void): void {
    this.#expect(CODE.openArray);
    if (this.#take(CODE.closeArray)) return;
    do element();
    while (this.#take(CODE.comma));
    this.#expect(CODE.closeArray);
  }

  string(lengthMax: number): string {
    return ascii.decode(this.stringBytes(lengthMax));
  }

  /**
   * A string as a view of its bytes, for secrets: text can't be overwritten. Printable ASCII
   * without escapes: all that the names and values of the formats are made of.
   */
  stringBytes(lengthMax: number): Uint8Array {
    this.#expect(CODE.quote);
    const start = this.#offset;
    for (;;) {
      const code = this.#bytes[this.#offset];
      if (code === CODE.quote) break;
      if (code === undefined || code < 0x20 || code > 0x7e || code === CODE.backslash) this.fail();
      if (this.#offset - start >= lengthMax) this.fail();
      this.#offset += 1;
    }
    const bytes = this.#bytes.subarray(start, this.#offset);
    this.#offset += 1;
    return bytes;
  }

  /** The digits of a natural number; null when something else stands there. */
  takeDigits(digitsMax: number): string | null {
    this.#skipSpace();
    const start = this.#offset;
    while (isDigit(this.#bytes[this.#offset])) {
      if (this.#offset - start >= digitsMax) this.fail();
      this.#offset += 1;
    }
    const digits = this.#bytes.subarray(start, this.#offset);
    if (digits.length === 0) return null;
    if (digits.length > 1 && digits[0] === CODE.zero) this.fail();
    return ascii.decode(digits);
  }

  takeNull(): boolean {
    this.#skipSpace();
    const end = this.#offset + NULL.length;
    if (!isEqualBytes(this.#bytes.subarray(this.#offset, end), NULL)) return false;
    this.#offset = end;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#bytes[this.#offset];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#offset += 1;
    }
  }

  #take(code: number): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#offset] !== code) return false;
    this.#offset += 1;
    return true;
  }

  #expect(code: number): void {
    if (!this.#take(code)) this.fail();
  }
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= CODE.zero && code <= CODE.nine;
}
