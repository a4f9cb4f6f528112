// Keys of the local KMS, as a folder for each: `key.json` (ARN and secret) and `policy.json`, read
// at every request, so that a policy changes by writing the file. Ciphertexts are AES-256-GCM with
// the encryption context as additional data, in a format of our own. Nothing here is secure against
// who can read the folder.

import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJsonObject, requiredText } from "./json-fields.ts";

export type LocalKmsKey = {
  readonly id: string;
  readonly arn: string;
  readonly secret: Uint8Array;
};

export type LocalKeySpec = {
  readonly region: string;
  readonly accountId: string;
  /** JSON of the key policy. */
  readonly policy: string;
};

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ID_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 1;
const OVERHEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES + TAG_BYTES;

/** Makes a key; answers its ARN. A server on the same folder knows it at once. */
export function createLocalKmsKey(folder: string, spec: LocalKeySpec): string {
  const id = randomUUID();
  const arn = `arn:aws:kms:${spec.region}:${spec.accountId}:key/${id}`;
  mkdirSync(join(folder, id), { recursive: true, mode: 0o700 });
  const file = { arn, secret: randomBytes(32).toString("base64") };
  writePolicy(folder, arn, spec.policy);
  writeFileSync(join(folder, id, "key.json"), JSON.stringify(file), { mode: 0o600 });
  return arn;
}

export function writePolicy(folder: string, arn: string, policy: string): void {
  writeFileSync(join(folder, keyIdOf(arn), "policy.json"), policy, { mode: 0o600 });
}

/** Null when there is none: then everything is denied. */
export function readPolicy(folder: string, key: LocalKmsKey): string | null {
  const path = join(folder, key.id, "policy.json");
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

export function listLocalKmsKeys(folder: string): readonly LocalKmsKey[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((id) => readLocalKmsKey(folder, id) ?? []);
}

/** By id or ARN. */
export function readLocalKmsKey(folder: string, idOrArn: string): LocalKmsKey | undefined {
  const id = keyIdOf(idOrArn);
  const path = join(folder, id, "key.json");
  if (!ID.test(id) || !existsSync(path)) return undefined;
  const file = parseJsonObject(readFileSync(path, "utf8"));
  const arn = requiredText(file, "arn");
  if (idOrArn !== id && idOrArn !== arn) return undefined;
  return { id, arn, secret: Buffer.from(requiredText(file, "secret"), "base64") };
}

function keyIdOf(idOrArn: string): string {
  return idOrArn.slice(idOrArn.lastIndexOf("/") + 1);
}

export type EncryptionContext = ReadonlyMap<string, string>;

export function encryptUnder(
  key: LocalKmsKey,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key.secret, nonce);
  cipher.setAAD(encodeContext(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const id = Buffer.from(key.id.replaceAll("-", ""), "hex");
  return Buffer.concat([Buffer.of(VERSION), id, nonce, cipher.getAuthTag(), ciphertext]);
}

/** The id of the key that a ciphertext names; undefined when it is none of ours. */
export function keyIdOfCiphertext(blob: Buffer): string | undefined {
  if (blob.length <= OVERHEAD_BYTES || blob[0] !== VERSION) return undefined;
  const hex = blob.toString("hex", 1, 1 + ID_BYTES);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Undefined when the ciphertext or the context is not what was encrypted. */
export function decryptUnder(
  key: LocalKmsKey,
  blob: Buffer,
  context: EncryptionContext,
): Buffer | undefined {
  const nonceAt = 1 + ID_BYTES;
  const tagAt = nonceAt + NONCE_BYTES;
  const nonce = blob.subarray(nonceAt, tagAt);
  const decipher = createDecipheriv("aes-256-gcm", key.secret, nonce);
  decipher.setAAD(encodeContext(context));
  decipher.setAuthTag(blob.subarray(tagAt, OVERHEAD_BYTES));
  try {
    return Buffer.concat([decipher.update(blob.subarray(OVERHEAD_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** The order of the entries does not matter to KMS. */
function encodeContext(context: EncryptionContext): Buffer {
  const entries = [...context].sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify(entries));
}
