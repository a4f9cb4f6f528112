// Our side's identity on a SecretConnection: an Ed25519 key in tmkms's `kms-identity.key`, base64
// of its 32-byte seed (tendermint.md §2.4). Nodes do not check it, so it is no key to sign blocks
// with and needs no enclave. A file that can't be read is a failure: it must never be made anew by
// the way, as an operator who has pinned the old identity would be locked out.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { open } from "node:fs/promises";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { pkcs8Head } from "../../shared/bytes/key-head.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { readBoundedFile, TOO_LARGE } from "../platform/bounded-reader.ts";

export type PrivvalIdentity = {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
  /** What a node calls us, and tmkms its `KMS node ID`. */
  readonly id: string;
};

type Identified = Result<PrivvalIdentity, Refusal<"PRIVVAL_IDENTITY">>;

const SEED_BYTES = 32;
const NODE_ID_BYTES = 20;
const FILE_BYTES_MAX = 1024;
const FILE_MODE = 0o600;

export async function readIdentity(path: string): Promise<Identified> {
  const bytes = await readBoundedFile(path, FILE_BYTES_MAX);
  if (!bytes.ok) return refuse(path, bytes.error === TOO_LARGE ? "MALFORMED" : bytes.error);
  const seed = parseSeed(bytes.value);
  bytes.value.fill(0);
  if (seed === null) return refuse(path, "MALFORMED");
  const identity = identityOfSeed(seed);
  seed.fill(0);
  return ok(identity);
}

/** Makes a new key in a file that is not there yet; a file that is, is left alone and refused. */
export async function makeIdentity(path: string): Promise<Identified> {
  const seed = randomBytes(SEED_BYTES);
  try {
    const file = await open(path, "wx", FILE_MODE);
    try {
      await file.writeFile(`${seed.toString("base64")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    return refuse(path, reasonOf(error));
  }
  const identity = identityOfSeed(seed);
  seed.fill(0);
  return ok(identity);
}

/** `seed` has 32 bytes, and may be overwritten afterwards. */
export function identityOfSeed(seed: Uint8Array): PrivvalIdentity {
  const pkcs8 = Buffer.concat([pkcs8Head("ed25519"), seed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  pkcs8.fill(0);
  const publicKey = rawPublicKey(createPublicKey(privateKey));
  return { privateKey, publicKey, id: nodeIdOf(publicKey) };
}

/** The 32 bytes of an Ed25519 or X25519 key, which end its SubjectPublicKeyInfo (RFC 8410 §4). */
export function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" }).subarray(-32));
}

/** A peer's name (tendermint.md §2.1, step 9). */
export function nodeIdOf(publicKey: Uint8Array): string {
  const digest = createHash("sha256").update(publicKey).digest();
  return encodeHex(digest.subarray(0, NODE_ID_BYTES));
}

/** Standard base64 in its one form: what reads otherwise and decodes to the same is refused. */
function parseSeed(file: Uint8Array): Buffer | null {
  const text = Buffer.from(file.buffer, file.byteOffset, file.length).toString("latin1").trim();
  const seed = Buffer.from(text, "base64");
  return seed.length === SEED_BYTES && seed.toString("base64") === text ? seed : null;
}

function refuse(path: string, reason: string): Identified {
  return err(refusal("PRIVVAL_IDENTITY", path, reason));
}

function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "UNREADABLE";
}
