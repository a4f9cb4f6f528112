// Makes EIP-2335 keystores: fresh ones for `npm start`, and those that tests need. For local use
// and tests: keys of a real validator come from an offline tool with a mnemonic.

import { createCipheriv, randomBytes, randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SecretKey } from "@chainsafe/blst";
import { wipe } from "../../enclave/keys/secret.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import {
  checksumOf,
  deriveKeystoreKey,
  encodePassword,
  type KeystoreKdf,
} from "../cli/keystore.ts";

/** What EIP-2335 recommends. A keystore of `npm start` need not withstand anyone: see `cheap`. */
const SCRYPT_N = 262_144;
const PBKDF2_C = 262_144;

export type KeystoreWish = {
  readonly secret: Uint8Array;
  readonly password: string;
  readonly kdf: "scrypt" | "pbkdf2";
  /** A lower cost than the recommended one, where opening has to be fast. */
  readonly cheap?: { readonly n?: number; readonly c?: number };
  readonly path?: string;
};

export type FreshKeystore = { readonly file: string; readonly publicKey: Uint8Array };

/** The JSON object of an EIP-2335 keystore. */
export async function createKeystore(wish: KeystoreWish): Promise<Record<string, unknown>> {
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const kdf: KeystoreKdf =
    wish.kdf === "scrypt"
      ? { function: "scrypt", n: wish.cheap?.n ?? SCRYPT_N, r: 8, p: 1, salt }
      : { function: "pbkdf2", c: wish.cheap?.c ?? PBKDF2_C, salt };
  const password = encodePassword(wish.password);
  const derivedKey = await deriveKeystoreKey(kdf, password);
  const cipher = createCipheriv("aes-128-ctr", derivedKey.subarray(0, 16), iv);
  const message = cipher.update(wish.secret);
  const checksum = checksumOf(derivedKey, message);
  wipe(password, derivedKey);
  return {
    crypto: {
      kdf: { function: kdf.function, params: kdfParams(kdf), message: "" },
      checksum: { function: "sha256", params: {}, message: encodeHex(checksum) },
      cipher: {
        function: "aes-128-ctr",
        params: { iv: encodeHex(iv) },
        message: encodeHex(message),
      },
    },
    description: "",
    pubkey: encodeHex(SecretKey.fromBytes(wish.secret).toPublicKey().toBytes()),
    path: wish.path ?? "",
    uuid: randomUUID(),
    version: 4,
  };
}

function kdfParams(kdf: KeystoreKdf): Record<string, unknown> {
  const salt = encodeHex(kdf.salt);
  return kdf.function === "scrypt"
    ? { dklen: 32, n: kdf.n, p: kdf.p, r: kdf.r, salt }
    : { dklen: 32, c: kdf.c, prf: "hmac-sha256", salt };
}

/**
 * `count` keystores of random keys in `dir`, at the validators' signing paths of one random master
 * (EIP-2334), all with one password. Sorted by file name.
 */
export async function createFreshKeystores(
  dir: string,
  count: number,
  password: string,
  cheap?: KeystoreWish["cheap"],
): Promise<readonly FreshKeystore[]> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const seed = randomBytes(32);
  const validators = SecretKey.deriveMasterEip2333(seed)
    .deriveChildEip2333(12_381)
    .deriveChildEip2333(3600);
  wipe(seed);
  const made: FreshKeystore[] = [];
  for (let index = 0; index < count; index++) {
    const key = validators.deriveChildEip2333(index).deriveChildEip2333(0).deriveChildEip2333(0);
    const secret = key.toBytes();
    const path = `m/12381/3600/${index}/0/0`;
    const wish: KeystoreWish = { secret, password, kdf: "scrypt", path };
    const keystore = await createKeystore(cheap === undefined ? wish : { ...wish, cheap });
    wipe(secret);
    const file = join(dir, `keystore-m_12381_3600_${index}_0_0.json`);
    await writeFile(file, `${JSON.stringify(keystore, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    made.push({ file, publicKey: key.toPublicKey().toBytes() });
  }
  return made.toSorted((a, b) => (a.file < b.file ? -1 : 1));
}
