// CBOR (RFC 8949), the subset that we speak and that NSM documents use: integers of 64 bits, byte
// and text strings, arrays, maps, false, true, null. Encoding is canonical (§4.2.1, shortest
// heads). Parsing accepts indefinite-length arrays and maps, which today's NSM emits, and longer
// heads than needed, which its timestamps have; it refuses trailing bytes, duplicate keys, chunked
// strings, tags, floats, other simple values and anything beyond the caller's bounds.
// It must never interpret: a text stays a text, a map stays a Map (no prototype to pollute).

import { err, ok, type Result } from "../result.ts";

export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<CborValue, CborValue>;

export type CborBounds = {
  /** Arrays and maps inside each other. */
  readonly depthMax: number;
  /** All items together, so that a small input can't make a large tree. */
  readonly itemCountMax: number;
};

const DEFAULT_BOUNDS: CborBounds = { depthMax: 8, itemCountMax: 100_000 };
const MAJOR = { uint: 0, nint: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;
const BREAK = 0xff;
const INDEFINITE = -1;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Malformed extends Error {}

/** Parses exactly one item. Byte strings are views into `bytes`: copy what outlives it. */
export function parseCbor(
  bytes: Uint8Array,
  bounds: CborBounds = DEFAULT_BOUNDS,
): Result<CborValue, "CBOR"> {
  try {
    const reader = new Reader(bytes, bounds);
    const value = reader.item(0);
    return reader.isAtEnd() ? ok(value) : err("CBOR");
  } catch (error) {
    if (error instanceof Malformed) return err("CBOR");
    throw error;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #bounds: CborBounds;
  #offset = 0;
  #itemCount = 0;

  constructor(bytes: Uint8Array, bounds: CborBounds) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bounds = bounds;
  }

  isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  item(depth: number): CborValue {
    this.#itemCount += 1;
    if (this.#itemCount > this.#bounds.itemCountMax) throw new Malformed();
    const head = this.#byte();
    const info = head & 31;
    switch (head >> 5) {
      case MAJOR.uint:
        return this.#argument(info);
      case MAJOR.nint: {
        const argument = this.#argument(info);
        // -2^53 is not a safe integer: as a number, it could not be encoded again.
        const isSafe = typeof argument === "number" && argument < Number.MAX_SAFE_INTEGER;
        return isSafe ? -1 - argument : -1n - BigInt(argument);
      }
      case MAJOR.bytes:
        return this.#take(this.#length(info));
      case MAJOR.text:
        return this.#text(this.#length(info));
      case MAJOR.array:
        return this.#array(this.#lengthOrIndefinite(info), depth + 1);
      case MAJOR.map:
        return this.#map(this.#lengthOrIndefinite(info), depth + 1);
      case MAJOR.simple:
        return simpleValue(info);
      default:
        throw new Malformed();
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw new Malformed();
    this.#offset += 1;
    return byte;
  }

  #take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new Malformed();
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return strictUtf8.decode(bytes);
    } catch {
      throw new Malformed();
    }
  }

  #argument(info: number): number | bigint {
    if (info < 24) return info;
    const at = this.#offset;
    if (info === 24) return this.#byte();
    if (info > 27) throw new Malformed();
    this.#take(1 << (info - 24));
    if (info === 25) return this.#view.getUint16(at);
    if (info === 26) return this.#view.getUint32(at);
    const wide = this.#view.getBigUint64(at);
    return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide;
  }

  #length(info: number): number {
    const length = this.#argument(info);
    if (typeof length !== "number" || length > this.#bytes.length) throw new Malformed();
    return length;
  }

  #lengthOrIndefinite(info: number): number {
    return info === 31 ? INDEFINITE : this.#length(info);
  }

  #isEndOfContainer(length: number, count: number): boolean {
    if (length !== INDEFINITE) return count === length;
    if (this.#bytes[this.#offset] !== BREAK) return false;
    this.#offset += 1;
    return true;
  }

  #array(length: number, depth: number): readonly CborValue[] {
    if (depth > this.#bounds.depthMax) throw new Malformed();
    const items: CborValue[] = [];
    while (!this.#isEndOfContainer(length, items.length)) items.push(this.item(depth));
    return items;
  }

  #map(length: number, depth: number): ReadonlyMap<CborValue, CborValue> {
    if (depth > this.#bounds.depthMax) throw new Malformed();
    const entries = new Map<CborValue, CborValue>();
    while (!this.#isEndOfContainer(length, entries.size)) {
      const key = this.item(depth);
      if (typeof key !== "number" && typeof key !== "string") throw new Malformed();
      if (entries.has(key)) throw new Malformed();
      entries.set(key, this.item(depth));
    }
    return entries;
  }
}

function simpleValue(info: number): CborValue {
  if (info === 20) return false;
  if (info === 21) return true;
  if (info === 22) return null;
  throw new Malformed();
}

/** Encodes one item, shortest heads, map entries in their given order. */
export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(cborSizeOf(value));
  new Writer(bytes, 0).item(value);
  return bytes;
}

/** As `encodeCbor`, into `bytes` at `offset`, where `cborSizeOf(value)` bytes are free. */
export function encodeCborInto(value: CborValue, bytes: Uint8Array, offset: number): void {
  new Writer(bytes, offset).item(value);
}

/** `instanceof Map` would narrow to a Map of any. */
export function isMap(value: CborValue | undefined): value is ReadonlyMap<CborValue, CborValue> {
  return value instanceof Map;
}

export function isArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

function headSize(argument: number | bigint): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** How many bytes `encodeCbor` makes of it. */
export function cborSizeOf(value: CborValue): number {
  if (typeof value === "number" || typeof value === "bigint") {
    return headSize(value < 0 ? -1n - BigInt(value) : value);
  }
  if (typeof value === "string") {
    const length = utf8Length(value);
    return headSize(length) + length;
  }
  if (typeof value === "boolean" || value === null) return 1;
  if (value instanceof Uint8Array) return headSize(value.length) + value.length;
  if (isMap(value)) {
    let size = headSize(value.size);
    for (const [key, entry] of value) size += cborSizeOf(key) + cborSizeOf(entry);
    return size;
  }
  const items = asArray(value);
  let size = headSize(items.length);
  for (const item of items) size += cborSizeOf(item);
  return size;
}

function asArray(value: readonly CborValue[] | ReadonlyMap<CborValue, CborValue>) {
  if (!Array.isArray(value)) throw new TypeError("not a CBOR value");
  const items: readonly CborValue[] = value;
  return items;
}

function utf8Length(text: string): number {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 127) return utf8.encode(text).length;
  }
  return text.length;
}

class Writer {
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  item(value: CborValue): void {
    if (typeof value === "number" || typeof value === "bigint") this.#integer(value);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "boolean") this.#byte(value ? 0xf5 : 0xf4);
    else if (value === null) this.#byte(0xf6);
    else if (value instanceof Uint8Array) {
      this.#head(MAJOR.bytes, value.length);
      this.#bytes.set(value, this.#offset);
      this.#offset += value.length;
    } else if (isMap(value)) {
      this.#head(MAJOR.map, value.size);
      for (const [key, entry] of value) {
        this.item(key);
        this.item(entry);
      }
    } else {
      const items = asArray(value);
      this.#head(MAJOR.array, items.length);
      for (const item of items) this.item(item);
    }
  }

  #integer(value: number | bigint): void {
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new TypeError("not a CBOR integer");
    }
    const argument = value < 0 ? -1n - BigInt(value) : value;
    // Cut to 64 bits, a large value would arrive as a small one.
    if (argument > U64_MAX) throw new TypeError("not a CBOR integer");
    this.#head(value < 0 ? MAJOR.nint : MAJOR.uint, argument);
  }

  #text(value: string): void {
    const length = utf8Length(value);
    this.#head(MAJOR.text, length);
    if (length === value.length) {
      for (let index = 0; index < length; index++) this.#byte(value.charCodeAt(index));
    } else {
      this.#bytes.set(utf8.encode(value), this.#offset);
      this.#offset += length;
    }
  }

  #byte(byte: number): void {
    this.#bytes[this.#offset] = byte;
    this.#offset += 1;
  }

  #head(major: number, argument: number | bigint): void {
    const type = major << 5;
    if (argument < 24) return this.#byte(type | Number(argument));
    const size = headSize(argument) - 1;
    this.#byte(type | (size === 1 ? 24 : size === 2 ? 25 : size === 4 ? 26 : 27));
    const at = this.#offset;
    if (size <= 4) {
      const narrow = Number(argument);
      for (let index = 0; index < size; index++) {
        this.#bytes[at + index] = (narrow >>> (8 * (size - 1 - index))) & 255;
      }
    } else {
      const wide = BigInt(argument);
      for (let index = 0; index < 8; index++) {
        this.#bytes[at + index] = Number((wide >> BigInt(8 * (7 - index))) & 255n);
      }
    }
    this.#offset += size;
  }
}
