// What an interrupted `redoubt seal` has opened already, so that the next run need not open it
// again. KMS can't help here: its policy gives the data key to the enclave alone, so whoever seals
// can't read back what is sealed. The file is therefore encrypted under the keystores' own
// passwords: each segment under scrypt of the passwords of all keystores in it, at the cost that
// EIP-2335 recommends. Whoever knows all of these can open those keystores anyway; whoever lacks
// one of them can't open the segment. It must never hold a key in the clear, and what can't be
// read (a torn end, other passwords) only means that keystores are opened again.
//
// File: magic "RDTP", version 1, salt (32). Segment: u32 body length, u16 entry count, for each
// entry the SHA-256 of its keystore file, 12-byte nonce, AES-256-GCM of (secret (32), public key
// (48)) for each entry, 16-byte tag; additional data: the file's head and all before the nonce.

import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt } from "node:crypto";
import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { allocateSecret, wipe } from "../../enclave/keys/secret.ts";
import { compareBytes, concatBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { OpenedKeystore } from "./keystore.ts";

const MAGIC = Uint8Array.of(0x52, 0x44, 0x54, 0x50, 1);
const SALT_BYTES = 32;
const HEAD_BYTES = MAGIC.length + SALT_BYTES;
const SEGMENT_HEAD_BYTES = 6;
const DIGEST_BYTES = 32;
const ENTRY_BYTES = 80;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const SEGMENT_COUNT_MAX = 1024;

/** A keystore file, named by its bytes. */
export type PartialEntry = OpenedKeystore & {
  readonly digest: Uint8Array;
  readonly password: Uint8Array;
};

export type PartialCost = { readonly n: number };
export const PARTIAL_COST: PartialCost = { n: 262_144 };

export class PartialFile {
  readonly #path: string;
  readonly #cost: PartialCost;
  /** Derived keys by the digest of their passwords: with one password there is one. */
  readonly #keys = new Map<string, Uint8Array>();
  #salt: Uint8Array;
  #file: FileHandle | null = null;

  constructor(path: string, cost: PartialCost = PARTIAL_COST) {
    this.#path = path;
    this.#cost = cost;
    this.#salt = randomBytes(SALT_BYTES);
  }

  /**
   * The keys of an earlier run, by the hex digest of their keystore file. `passwordOf` knows the
   * password of each file of this run, by digest; a segment with an unknown file is left out. The
   * caller owns the secrets. Afterwards the file takes new segments.
   */
  async load(
    passwordOf: (digest: string) => Uint8Array | undefined,
  ): Promise<ReadonlyMap<string, OpenedKeystore>> {
    const opened = new Map<string, OpenedKeystore>();
    const bytes = await readOrEmpty(this.#path);
    const isOurs = bytes.length >= HEAD_BYTES && MAGIC.every((byte, at) => bytes[at] === byte);
    let offset = HEAD_BYTES;
    if (isOurs) {
      this.#salt = bytes.subarray(MAGIC.length, HEAD_BYTES);
      for (;;) {
        const segmentBytes = segmentBytesAt(bytes, offset);
        if (segmentBytes === null) break;
        const segment = bytes.subarray(offset, offset + segmentBytes);
        await this.#openSegment(segment, passwordOf, opened);
        offset += segmentBytes;
      }
    }
    this.#file = await open(this.#path, isOurs ? "r+" : "w", 0o600);
    if (isOurs) await this.#file.truncate(offset);
    else await this.#file.write(this.#head(), 0, HEAD_BYTES, 0);
    this.#end = offset;
    return opened;
  }

  #end = HEAD_BYTES;

  /** Adds a segment, durably. */
  async append(entries: readonly PartialEntry[]): Promise<void> {
    if (this.#file === null || entries.length === 0) return;
    const front = encodeFront(entries);
    const nonce = randomBytes(NONCE_BYTES);
    const body = allocateSecret(entries.length * ENTRY_BYTES);
    for (const [index, entry] of entries.entries()) {
      body.set(entry.secret, index * ENTRY_BYTES);
      body.set(entry.publicKey, index * ENTRY_BYTES + 32);
    }
    const key = await this.#keyOf(entries.map((entry) => entry.password));
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(concatBytes(this.#head(), front));
    const ciphertext = cipher.update(body);
    cipher.final();
    wipe(body);
    const segment = concatBytes(front, nonce, ciphertext, cipher.getAuthTag());
    await this.#file.write(segment, 0, segment.length, this.#end);
    await this.#file.sync();
    this.#end += segment.length;
  }

  async close(): Promise<void> {
    wipe(...this.#keys.values());
    this.#keys.clear();
    await this.#file?.close();
    this.#file = null;
  }

  /** After the bundle is in its place. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true });
  }

  #head(): Uint8Array {
    return concatBytes(MAGIC, this.#salt);
  }

  async #openSegment(
    segment: Uint8Array,
    passwordOf: (digest: string) => Uint8Array | undefined,
    opened: Map<string, OpenedKeystore>,
  ): Promise<void> {
    const entryCount = (segment[4] ?? 0) * 256 + (segment[5] ?? 0);
    const frontBytes = SEGMENT_HEAD_BYTES + entryCount * DIGEST_BYTES;
    const digests: string[] = [];
    const passwords: Uint8Array[] = [];
    for (let at = SEGMENT_HEAD_BYTES; at < frontBytes; at += DIGEST_BYTES) {
      const digest = encodeHex(segment.subarray(at, at + DIGEST_BYTES));
      const password = passwordOf(digest);
      if (password === undefined) return;
      digests.push(digest);
      passwords.push(password);
    }
    const nonceEnd = frontBytes + NONCE_BYTES;
    const key = await this.#keyOf(passwords);
    const nonce = segment.subarray(frontBytes, nonceEnd);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(concatBytes(this.#head(), segment.subarray(0, frontBytes)));
    decipher.setAuthTag(segment.subarray(-TAG_BYTES));
    const body = decipher.update(segment.subarray(nonceEnd, -TAG_BYTES));
    try {
      decipher.final();
      for (const [index, digest] of digests.entries()) {
        const entry = body.subarray(index * ENTRY_BYTES, (index + 1) * ENTRY_BYTES);
        const secret = allocateSecret(32);
        secret.set(entry.subarray(0, 32));
        opened.set(digest, { secret, publicKey: new Uint8Array(entry.subarray(32)) });
      }
    } catch {
      // Made with other passwords: these keystores are opened again.
    } finally {
      wipe(body);
    }
  }

  async #keyOf(passwords: readonly Uint8Array[]): Promise<Uint8Array> {
    const distinct = new Map(
      passwords.map((password) => [encodeHex(digestOf(password)), password]),
    );
    const hash = createHash("sha256").update("redoubt partial v1");
    for (const password of [...distinct.values()].sort(compareBytes))
      hash.update(digestOf(password));
    const input = hash.digest();
    const name = encodeHex(digestOf(input));
    const known = this.#keys.get(name);
    const key = known ?? (await deriveKey(input, this.#salt, this.#cost));
    wipe(input);
    this.#keys.set(name, key);
    return key;
  }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function deriveKey(input: Uint8Array, salt: Uint8Array, cost: PartialCost): Promise<Uint8Array> {
  const options = { N: cost.n, r: 8, p: 1, maxmem: 1024 * (cost.n + 1) + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(input, salt, 32, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function encodeFront(entries: readonly PartialEntry[]): Uint8Array {
  const head = new Uint8Array(SEGMENT_HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, entries.length * (DIGEST_BYTES + ENTRY_BYTES) + NONCE_BYTES + TAG_BYTES);
  view.setUint16(4, entries.length);
  return concatBytes(head, ...entries.map((entry) => entry.digest));
}

/** Null at the end, and at a segment that an interruption cut off. */
function segmentBytesAt(bytes: Uint8Array, offset: number): number | null {
  if (offset + SEGMENT_HEAD_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyBytes = view.getUint32(offset);
  const entryCount = view.getUint16(offset + 4);
  if (entryCount === 0 || entryCount > SEGMENT_COUNT_MAX) return null;
  if (bodyBytes !== entryCount * (DIGEST_BYTES + ENTRY_BYTES) + NONCE_BYTES + TAG_BYTES)
    return null;
  const segmentBytes = SEGMENT_HEAD_BYTES + bodyBytes;
  return offset + segmentBytes > bytes.length ? null : segmentBytes;
}

async function readOrEmpty(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return new Uint8Array(0);
    }
    throw error;
  }
}
