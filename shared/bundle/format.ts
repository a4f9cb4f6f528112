// The sealed bundle as a file (docs/bundle.md): magic, version, header, then the AES-256-GCM body
// with everything before the nonce as additional data. It must never decrypt or interpret the
// body, and never accept two encodings of one header.

import { type CborValue, encodeCbor, isArray, parseCbor } from "../bytes/cbor.ts";
import { concatBytes, isEqualBytes } from "../bytes/compare.ts";
import { encodeHex } from "../bytes/hex.ts";
import { UTC_MS_MAX } from "../bytes/utc.ts";
import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { parseKeyArn } from "../key-arn.ts";
import {
  BUNDLE_BYTES_MAX,
  BUNDLE_HEADER_BYTES_MAX,
  KEY_COUNT_MAX,
  WRAPPED_KEY_BYTES_MAX,
} from "../limits.ts";
import { err, ok, type Result } from "../result.ts";

/** "RDTB" in ASCII. */
export const BUNDLE_MAGIC: readonly number[] = [0x52, 0x44, 0x54, 0x42];
export const BUNDLE_VERSION = 1;
/**
 * What is inside: part of the header and of the KMS encryption context, so that one can't be passed
 * off as the other. `redoubt/store` holds the credentials of the state store, and no keys.
 */
export const BUNDLE_PURPOSES = ["redoubt/keys", "redoubt/store"] as const;
export type BundlePurpose = (typeof BUNDLE_PURPOSES)[number];
export const BUNDLE_ID_BYTES = 16;
export const BUNDLE_NONCE_BYTES = 12;
export const BUNDLE_TAG_BYTES = 16;
export const BUNDLE_DATA_KEY_BYTES = 32;

/** Magic, version and the header's length. */
const FRONT_BYTES = 9;
const HEADER_BOUNDS = { depthMax: 1, itemCountMax: 7 } as const;
const HEADER_ITEM_COUNT = 6;

export type BundleHeader = {
  readonly id: Uint8Array;
  readonly purpose: BundlePurpose;
  readonly keyArn: string;
  /** The data key as KMS wrapped it. */
  readonly wrappedKey: Uint8Array;
  /** At least 1 of keys, 0 of a store's credentials. */
  readonly keyCount: number;
  readonly createdMs: number;
};

/** Views into the bytes that were parsed: they live and change with them. */
export type Bundle = {
  readonly header: BundleHeader;
  /** Everything before the nonce: the additional data of the seal. */
  readonly prefix: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
};

export type BundleMalformed = Refusal<"BUNDLE_MALFORMED">;

/** Reads what is in the clear. Nothing of it is authentic before the seal has been opened. */
export function parseBundle(bytes: Uint8Array): Result<Bundle, BundleMalformed> {
  const malformed = err(refusal("BUNDLE_MALFORMED"));
  if (bytes.length < FRONT_BYTES || bytes.length > BUNDLE_BYTES_MAX) return malformed;
  if (BUNDLE_MAGIC.some((byte, index) => bytes[index] !== byte)) return malformed;
  if (bytes[BUNDLE_MAGIC.length] !== BUNDLE_VERSION) return malformed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint32(BUNDLE_MAGIC.length + 1);
  if (headerBytes > BUNDLE_HEADER_BYTES_MAX) return malformed;
  const nonceAt = FRONT_BYTES + headerBytes;
  const bodyAt = nonceAt + BUNDLE_NONCE_BYTES;
  const tagAt = bytes.length - BUNDLE_TAG_BYTES;
  if (tagAt <= bodyAt) return malformed;
  const header = parseHeader(bytes.subarray(FRONT_BYTES, nonceAt));
  if (header === undefined) return malformed;
  return ok({
    header,
    prefix: bytes.subarray(0, nonceAt),
    nonce: bytes.subarray(nonceAt, bodyAt),
    ciphertext: bytes.subarray(bodyAt, tagAt),
    tag: bytes.subarray(tagAt),
  });
}

/** The bytes before the nonce. They are the additional data: encode them before sealing. */
export function encodeBundlePrefix(header: BundleHeader): Uint8Array<ArrayBuffer> {
  const encoded = encodeHeader(header);
  invariant(parseHeader(encoded) !== undefined, "a bundle header is within its format");
  const front = new Uint8Array(FRONT_BYTES);
  front.set(BUNDLE_MAGIC);
  front[BUNDLE_MAGIC.length] = BUNDLE_VERSION;
  new DataView(front.buffer).setUint32(BUNDLE_MAGIC.length + 1, encoded.length);
  return concatBytes(front, encoded);
}

export function encodeBundle(parts: Omit<Bundle, "header">): Uint8Array<ArrayBuffer> {
  const { prefix, nonce, ciphertext, tag } = parts;
  invariant(nonce.length === BUNDLE_NONCE_BYTES, "a bundle's nonce has 12 bytes");
  invariant(tag.length === BUNDLE_TAG_BYTES, "a bundle's tag has 16 bytes");
  return concatBytes(prefix, nonce, ciphertext, tag);
}

/**
 * What KMS binds the wrapped data key to. A data key that was wrapped for another bundle or for
 * another purpose is refused by KMS itself.
 */
export function encryptionContextOf(
  header: Pick<BundleHeader, "id" | "purpose">,
): Readonly<Record<string, string>> {
  return { "redoubt:bundle": encodeHex(header.id), "redoubt:purpose": header.purpose };
}

function encodeHeader(header: BundleHeader): Uint8Array<ArrayBuffer> {
  const { id, purpose, keyArn, wrappedKey, keyCount, createdMs } = header;
  return encodeCbor([id, purpose, keyArn, wrappedKey, keyCount, createdMs]);
}

function parseHeader(bytes: Uint8Array): BundleHeader | undefined {
  if (bytes.length > BUNDLE_HEADER_BYTES_MAX) return undefined;
  const item = parseCbor(bytes, HEADER_BOUNDS);
  if (!item.ok || !isArray(item.value) || item.value.length !== HEADER_ITEM_COUNT) return undefined;
  const [id, purpose, keyArn, wrappedKey, keyCount, createdMs] = item.value;
  if (!(id instanceof Uint8Array) || id.length !== BUNDLE_ID_BYTES) return undefined;
  if (!isPurpose(purpose)) return undefined;
  if (typeof keyArn !== "string" || !parseKeyArn(keyArn).ok) return undefined;
  if (!(wrappedKey instanceof Uint8Array) || wrappedKey.length === 0) return undefined;
  if (wrappedKey.length > WRAPPED_KEY_BYTES_MAX) return undefined;
  const [countMin, countMax] = KEY_COUNTS[purpose];
  if (!isCount(keyCount, countMin, countMax) || !isCount(createdMs, 0, UTC_MS_MAX)) {
    return undefined;
  }
  const header = { id, purpose, keyArn, wrappedKey, keyCount, createdMs };
  // One header has one encoding: longer heads and indefinite lengths end here.
  return isEqualBytes(encodeHeader(header), bytes) ? header : undefined;
}

const KEY_COUNTS: Readonly<Record<BundlePurpose, readonly [number, number]>> = {
  "redoubt/keys": [1, KEY_COUNT_MAX],
  "redoubt/store": [0, 0],
};

function isPurpose(value: CborValue | undefined): value is BundlePurpose {
  return BUNDLE_PURPOSES.some((purpose) => purpose === value);
}

function isCount(value: CborValue | undefined, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max;
}
