// EIP-2335 version 4 keystores: reads a JSON file strictly, and decrypts it without holding the
// event loop. It must never hand out a secret whose public key is not the one that the file
// states: `pubkey` is not authenticated by the file, and state records go by it.

import {
  createDecipheriv,
  createHash,
  pbkdf2 as pbkdf2Callback,
  scrypt as scryptCallback,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { SecretKey } from "@chainsafe/blst";
import { allocateSecret, wipe } from "../../enclave/keys/secret.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { parseHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export const KEYSTORE_BYTES_MAX = 64 * 1024;
/** scrypt takes 128 * N * r bytes: at most 512 MiB, twice what EIP-2335 writes. */
export const SCRYPT_COST_MAX = 2 ** 22;
/** N * r * p, or iterations of PBKDF2: about a minute at most. */
export const SCRYPT_WORK_MAX = 2 ** 26;
export const PBKDF2_COUNT_MAX = 2 ** 26;
const SALT_BYTES_MAX = 256;
const TEXT_LENGTH_MAX = 1024;

export type KeystoreKdf =
  | {
      readonly function: "scrypt";
      readonly n: number;
      readonly r: number;
      readonly p: number;
      readonly salt: Uint8Array;
    }
  | { readonly function: "pbkdf2"; readonly c: number; readonly salt: Uint8Array };

export type Keystore = {
  readonly kdf: KeystoreKdf;
  readonly checksum: Uint8Array;
  readonly iv: Uint8Array;
  readonly cipherMessage: Uint8Array;
  readonly path: string;
  readonly uuid: string;
  /** As the file states it, without proof; null when it does not. */
  readonly publicKey: Uint8Array | null;
};

export type KeystoreFault =
  | "not a keystore"
  | "bad JSON"
  | "malformed keystore"
  | "unsupported keystore"
  | "costs too much to open"
  | "wrong password"
  | "invalid secret key"
  | "public key is not that of the secret";

export type OpenedKeystore = {
  readonly secret: Uint8Array<ArrayBuffer>;
  readonly publicKey: Uint8Array;
};

type Json = Readonly<Record<string, unknown>>;

/** `not a keystore` is JSON of something else; deposit data lies in the same folders. */
export function parseKeystore(bytes: Uint8Array): Result<Keystore, KeystoreFault> {
  if (bytes.length > KEYSTORE_BYTES_MAX) return isJson(bytes);
  const root = parseJson(bytes);
  if (!root.ok) return root;
  if (!isObject(root.value) || !Object.hasOwn(root.value, "crypto")) return err("not a keystore");
  const { crypto, path, uuid, version, pubkey } = root.value;
  if (version !== 4) return err("unsupported keystore");
  if (!isObject(crypto) || !isText(path) || !isText(uuid)) return err("malformed keystore");
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid))
    return err("malformed keystore");
  const publicKey = parsePublicKey(pubkey);
  if (publicKey === undefined) return err("malformed keystore");
  const kdf = parseKdf(crypto["kdf"]);
  if (!kdf.ok) return kdf;
  const checksum = parseModule(crypto["checksum"]);
  const cipher = parseModule(crypto["cipher"]);
  if (checksum === undefined || cipher === undefined) return err("malformed keystore");
  if (checksum.function !== "sha256" || cipher.function !== "aes-128-ctr") {
    return err("unsupported keystore");
  }
  const iv = hexOf(cipher.params["iv"]);
  if (iv?.length !== 16 || cipher.message.length !== 32 || checksum.message.length !== 32) {
    return err("malformed keystore");
  }
  return ok({
    kdf: kdf.value,
    checksum: checksum.message,
    iv,
    cipherMessage: cipher.message,
    path,
    uuid,
    publicKey,
  });
}

function isJson(bytes: Uint8Array): Result<never, KeystoreFault> {
  const root = parseJson(bytes);
  return root.ok ? err("not a keystore") : root;
}

function parseJson(bytes: Uint8Array): Result<unknown, "bad JSON"> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return ok(value);
  } catch {
    return err("bad JSON");
  }
}

function parsePublicKey(value: unknown): Uint8Array | null | undefined {
  if (value === undefined || value === "") return null;
  if (typeof value !== "string") return undefined;
  const hex = parseHex(value.startsWith("0x") ? value.slice(2) : value, 48);
  return hex.ok ? hex.value : undefined;
}

type KeystoreModule = {
  readonly function: string;
  readonly params: Json;
  readonly message: Uint8Array;
};

function parseModule(value: unknown): KeystoreModule | undefined {
  if (!isObject(value) || !isObject(value["params"])) return undefined;
  const message = hexOf(value["message"]);
  if (!isText(value["function"]) || message === undefined) return undefined;
  return { function: value["function"], params: value["params"], message };
}

function parseKdf(value: unknown): Result<KeystoreKdf, KeystoreFault> {
  const kdf = parseModule(value);
  if (kdf?.message.length !== 0) return err("malformed keystore");
  const { params } = kdf;
  const salt = hexOf(params["salt"]);
  if (salt === undefined || salt.length > SALT_BYTES_MAX) return err("malformed keystore");
  if (params["dklen"] !== 32) return err("unsupported keystore");
  if (kdf.function === "scrypt") return parseScrypt(params, salt);
  if (kdf.function !== "pbkdf2" || params["prf"] !== "hmac-sha256") {
    return err("unsupported keystore");
  }
  const c = params["c"];
  if (!isPositive(c)) return err("malformed keystore");
  return c > PBKDF2_COUNT_MAX ? err("costs too much to open") : ok({ function: "pbkdf2", c, salt });
}

function parseScrypt(params: Json, salt: Uint8Array): Result<KeystoreKdf, KeystoreFault> {
  const { n, r, p } = params;
  if (!isPositive(n) || !isPositive(r) || !isPositive(p)) return err("malformed keystore");
  // RFC 7914 §6: N is a power of two, above 1 and below 2^(128 * r / 8).
  if (n < 2 || !Number.isInteger(Math.log2(n)) || Math.log2(n) >= 16 * r) {
    return err("malformed keystore");
  }
  if (n * r > SCRYPT_COST_MAX || r * p > SCRYPT_COST_MAX || n * r * p > SCRYPT_WORK_MAX) {
    return err("costs too much to open");
  }
  return ok({ function: "scrypt", n, r, p, salt });
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_LENGTH_MAX;
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function hexOf(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string") return undefined;
  const hex = parseHex(value);
  return hex.ok ? hex.value : undefined;
}

/** Bytes of memory that opening takes. */
export function memoryBytesOf(kdf: KeystoreKdf): number {
  return kdf.function === "scrypt" ? 128 * kdf.r * (kdf.n + kdf.p) : 0;
}

/** EIP-2335 "Password requirements": NFKD, without control characters, as UTF-8. */
export function encodePassword(text: string): Uint8Array<ArrayBuffer> {
  // \p{Cc} is exactly C0, DEL and C1.
  const stripped = text.normalize("NFKD").replaceAll(/\p{Cc}/gu, "");
  const encoded = new TextEncoder().encode(stripped);
  const password = allocateSecret(encoded.length);
  password.set(encoded);
  wipe(encoded);
  return password;
}

const scryptAsync = promisify<
  Uint8Array,
  Uint8Array,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scryptCallback);
const pbkdf2Async = promisify(pbkdf2Callback);

/** The 32 bytes of the key derivation. The caller wipes them. */
export async function deriveKeystoreKey(
  kdf: KeystoreKdf,
  password: Uint8Array,
): Promise<Uint8Array> {
  if (kdf.function === "pbkdf2") return pbkdf2Async(password, kdf.salt, kdf.c, 32, "sha256");
  const { n, r, p, salt } = kdf;
  const maxmem = memoryBytesOf(kdf) + 1024 * 1024;
  return scryptAsync(password, salt, 32, { N: n, r, p, maxmem });
}

export function checksumOf(derivedKey: Uint8Array, cipherMessage: Uint8Array): Uint8Array {
  return createHash("sha256").update(derivedKey.subarray(16)).update(cipherMessage).digest();
}

/** The caller owns the secret and wipes it. `password` comes from `encodePassword`. */
export async function openKeystore(
  keystore: Keystore,
  password: Uint8Array,
): Promise<Result<OpenedKeystore, KeystoreFault>> {
  const derivedKey = await deriveKeystoreKey(keystore.kdf, password);
  const secret = allocateSecret(32);
  try {
    const checksum = checksumOf(derivedKey, keystore.cipherMessage);
    if (!timingSafeEqual(checksum, keystore.checksum)) return err("wrong password");
    const decipher = createDecipheriv("aes-128-ctr", derivedKey.subarray(0, 16), keystore.iv);
    const opened = decipher.update(keystore.cipherMessage);
    secret.set(opened);
    wipe(opened);
  } finally {
    wipe(derivedKey);
  }
  const publicKey = publicKeyOf(secret);
  if (publicKey === undefined) {
    wipe(secret);
    return err("invalid secret key");
  }
  if (keystore.publicKey !== null && !isEqualBytes(publicKey, keystore.publicKey)) {
    wipe(secret);
    return err("public key is not that of the secret");
  }
  return ok({ secret, publicKey });
}

function publicKeyOf(secret: Uint8Array): Uint8Array | undefined {
  try {
    return SecretKey.fromBytes(secret).toPublicKey().toBytes();
  } catch {
    return undefined;
  }
}
