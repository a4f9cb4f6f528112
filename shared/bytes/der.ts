// DER (X.690 §10-11), the part that X.509 certificates use: parsed whole into a bounded tree, each
// universal primitive checked for its one canonical form. It must never accept BER: an indefinite
// length, a padded length or integer, a lax BOOLEAN would let one meaning have two encodings.
// Not checked: the order of SET OF, which carries no meaning for us (names are compared as bytes).

import { err, ok, type Result } from "../result.ts";
import { msOfUtc } from "./utc.ts";

export type DerNode = {
  /** Identifier octet: class, constructed bit and number, of low-tag-number form. */
  readonly tag: number;
  /** The whole element as received, with its header. */
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
  /** The elements inside; empty when primitive. */
  readonly children: readonly DerNode[];
};

export type DerBounds = { readonly depthMax: number; readonly nodeCountMax: number };

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const DEFAULT_BOUNDS: DerBounds = { depthMax: 12, nodeCountMax: 512 };
const CONSTRUCTED_BIT = 0x20;
const CLASS_BITS = 0xc0;
/** No object of ours comes near; and 3 length octets stay far from 32-bit arithmetic. */
const LENGTH_OCTETS_MAX = 3;
const OID_TEXT_ARCS_MAX = 32;

class Malformed extends Error {}

/** Parses exactly one element; nothing may follow it. The nodes are views into `bytes`. */
export function parseDer(
  bytes: Uint8Array,
  bounds: DerBounds = DEFAULT_BOUNDS,
): Result<DerNode, "DER"> {
  try {
    const reader = new Reader(bounds);
    const node = reader.node(bytes, 0, 1);
    return node.raw.length === bytes.length ? ok(node) : err("DER");
  } catch (error) {
    if (error instanceof Malformed) return err("DER");
    throw error;
  }
}

class Reader {
  readonly #bounds: DerBounds;
  #nodeCount = 0;

  constructor(bounds: DerBounds) {
    this.#bounds = bounds;
  }

  node(bytes: Uint8Array, start: number, depth: number): DerNode {
    this.#nodeCount += 1;
    if (this.#nodeCount > this.#bounds.nodeCountMax || depth > this.#bounds.depthMax) {
      throw new Malformed();
    }
    const tag = byteAt(bytes, start);
    if ((tag & 0x1f) === 0x1f) throw new Malformed();
    const { length, contentStart } = readLength(bytes, start + 1);
    const end = contentStart + length;
    if (end > bytes.length) throw new Malformed();
    const raw = bytes.subarray(start, end);
    const content = bytes.subarray(contentStart, end);
    if ((tag & CONSTRUCTED_BIT) !== 0) {
      if ((tag & CLASS_BITS) === 0 && tag !== DER_TAG.sequence && tag !== DER_TAG.set) {
        throw new Malformed();
      }
      return { tag, raw, content, children: this.#children(content, depth + 1) };
    }
    if (!isCanonicalPrimitive(tag, content)) throw new Malformed();
    return { tag, raw, content, children: [] };
  }

  #children(content: Uint8Array, depth: number): readonly DerNode[] {
    const children: DerNode[] = [];
    let offset = 0;
    while (offset < content.length) {
      const child = this.node(content, offset, depth);
      children.push(child);
      offset += child.raw.length;
    }
    return children;
  }
}

function byteAt(bytes: Uint8Array, index: number): number {
  const byte = bytes[index];
  if (byte === undefined) throw new Malformed();
  return byte;
}

/** X.690 §10.1: definite, and in as few octets as it takes. */
function readLength(bytes: Uint8Array, start: number): { length: number; contentStart: number } {
  const first = byteAt(bytes, start);
  if (first < 0x80) return { length: first, contentStart: start + 1 };
  const octetCount = first & 0x7f;
  if (octetCount === 0 || octetCount > LENGTH_OCTETS_MAX) throw new Malformed();
  let length = 0;
  for (let index = 1; index <= octetCount; index++) {
    length = length * 256 + byteAt(bytes, start + index);
  }
  const isMinimal = length >= 0x80 && byteAt(bytes, start + 1) !== 0;
  if (!isMinimal) throw new Malformed();
  return { length, contentStart: start + 1 + octetCount };
}

function isCanonicalPrimitive(tag: number, content: Uint8Array): boolean {
  const first = content[0];
  switch (tag) {
    case DER_TAG.boolean:
      return content.length === 1 && (first === 0x00 || first === 0xff);
    case DER_TAG.integer:
      return isMinimalInteger(content);
    case DER_TAG.bitString:
      return first !== undefined && isCleanBitString(content, first);
    case DER_TAG.null:
      return content.length === 0;
    case DER_TAG.oid:
      return isMinimalOid(content);
    case 0x00: // end-of-contents, BER only
    case 0x10: // SEQUENCE and SET are constructed
    case 0x11:
      return false;
    default:
      return true;
  }
}

function isMinimalInteger(content: Uint8Array): boolean {
  const [first, second] = content;
  if (first === undefined) return false;
  if (second === undefined) return true;
  const isPadded = (first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80);
  return !isPadded;
}

function isCleanBitString(content: Uint8Array, unusedBits: number): boolean {
  if (unusedBits > 7) return false;
  if (content.length === 1) return unusedBits === 0;
  const last = content[content.length - 1] ?? 0;
  return (last & ((1 << unusedBits) - 1)) === 0;
}

/** Each arc ends, has no leading zero septet, and stays small enough to be told exactly. */
function isMinimalOid(content: Uint8Array): boolean {
  let septets = 0;
  for (const byte of content) {
    if (septets === 0 && byte === 0x80) return false;
    septets = byte >= 0x80 ? septets + 1 : 0;
    if (septets > 6) return false;
  }
  return content.length > 0 && septets === 0;
}

/** Dotted text of an OBJECT IDENTIFIER; undefined for another node. */
export function oidOf(node: DerNode | undefined): string | undefined {
  if (node === undefined || node.tag !== DER_TAG.oid) return undefined;
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of node.content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - root * 40);
    } else {
      arcs.push(arc);
    }
    arc = 0;
    if (arcs.length > OID_TEXT_ARCS_MAX) return undefined;
  }
  return arcs.join(".");
}

/** Content octets of a non-negative INTEGER without its sign octet. */
export function unsignedOf(node: DerNode | undefined): Uint8Array | undefined {
  if (node === undefined || node.tag !== DER_TAG.integer) return undefined;
  const first = node.content[0] ?? 0x80;
  if (first >= 0x80) return undefined;
  return first === 0 && node.content.length > 1 ? node.content.subarray(1) : node.content;
}

/** A non-negative INTEGER of at most 31 bits. */
export function smallIntegerOf(node: DerNode | undefined): number | undefined {
  const magnitude = unsignedOf(node);
  if (magnitude === undefined || magnitude.length > 4) return undefined;
  let value = 0;
  for (const byte of magnitude) value = value * 256 + byte;
  return value <= 0x7fff_ffff ? value : undefined;
}

export function booleanOf(node: DerNode | undefined): boolean | undefined {
  if (node === undefined || node.tag !== DER_TAG.boolean) return undefined;
  return node.content[0] === 0xff;
}

export function octetsOf(node: DerNode | undefined): Uint8Array | undefined {
  return node?.tag === DER_TAG.octetString ? node.content : undefined;
}

export type BitString = { readonly unusedBits: number; readonly bytes: Uint8Array };

export function bitStringOf(node: DerNode | undefined): BitString | undefined {
  if (node === undefined || node.tag !== DER_TAG.bitString) return undefined;
  return { unusedBits: node.content[0] ?? 0, bytes: node.content.subarray(1) };
}

const UTC_TIME = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/**
 * UTCTime or GeneralizedTime as ms since 1970, in the only forms of RFC 5280 §4.1.2.5: seconds
 * present, `Z`, no fractions; UTCTime is 1950 to 2049, GeneralizedTime is from 2050 on.
 */
export function timeMsOf(node: DerNode | undefined): number | undefined {
  if (node === undefined) return undefined;
  let text = "";
  for (const byte of node.content.subarray(0, 16)) text += String.fromCharCode(byte);
  if (node.tag === DER_TAG.utcTime) {
    const match = UTC_TIME.exec(text);
    if (match === null) return undefined;
    const twoDigits = Number(match[1]);
    return msOfMatch(match, twoDigits + (twoDigits >= 50 ? 1900 : 2000));
  }
  if (node.tag !== DER_TAG.generalizedTime) return undefined;
  const match = GENERALIZED_TIME.exec(text);
  if (match === null) return undefined;
  const year = Number(match[1]);
  return year >= 2050 ? msOfMatch(match, year) : undefined;
}

function msOfMatch(match: RegExpExecArray, year: number): number | undefined {
  return msOfUtc({
    year,
    month: Number(match[2]),
    day: Number(match[3]),
    hour: Number(match[4]),
    minute: Number(match[5]),
    second: Number(match[6]),
  });
}
