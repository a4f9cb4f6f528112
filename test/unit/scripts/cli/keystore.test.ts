import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodePassword,
  type KeystoreFault,
  openKeystore,
  parseKeystore,
  SCRYPT_COST_MAX,
} from "../../../../scripts/cli/keystore.ts";
import { createKeystore } from "../../../../scripts/local/keystores.ts";

// The test vectors of EIP-2335.
const SECRET = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
const PASSWORD = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑";
const PUBKEY =
  "9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b420d07";
const SALT = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3";
const CIPHER = { function: "aes-128-ctr", params: { iv: "264daa3f303d7259501c93d997d84fe6" } };

const SCRYPT = {
  crypto: {
    kdf: {
      function: "scrypt",
      params: { dklen: 32, n: 262_144, p: 1, r: 8, salt: SALT },
      message: "",
    },
    checksum: {
      function: "sha256",
      params: {},
      message: "d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484",
    },
    cipher: {
      ...CIPHER,
      message: "06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f",
    },
  },
  description: "This is a test keystore that uses scrypt to secure the secret.",
  pubkey: PUBKEY,
  path: "m/12381/60/3141592653/589793238",
  uuid: "1d85ae20-35c5-4611-98e8-aa14a633906f",
  version: 4,
};

const PBKDF2 = {
  crypto: {
    kdf: {
      function: "pbkdf2",
      params: { dklen: 32, c: 262_144, prf: "hmac-sha256", salt: SALT },
      message: "",
    },
    checksum: {
      function: "sha256",
      params: {},
      message: "8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1",
    },
    cipher: {
      ...CIPHER,
      message: "cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad",
    },
  },
  description: "This is a test keystore that uses PBKDF2 to secure the secret.",
  pubkey: PUBKEY,
  path: "m/12381/60/0/0",
  uuid: "64625def-3331-4eea-ab6f-782f3ed16a83",
  version: 4,
};

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

async function faultOf(value: unknown, password: string): Promise<KeystoreFault | "none"> {
  const parsed = parseKeystore(bytesOf(value));
  if (!parsed.ok) return parsed.error;
  const opened = await openKeystore(parsed.value, encodePassword(password));
  return opened.ok ? "none" : opened.error;
}

for (const [name, vector] of [
  ["scrypt", SCRYPT],
  ["pbkdf2", PBKDF2],
] as const) {
  test(`the ${name} vector of EIP-2335 opens`, async () => {
    const parsed = parseKeystore(bytesOf(vector));
    assert.ok(parsed.ok);
    const opened = await openKeystore(parsed.value, encodePassword(PASSWORD));
    assert.ok(opened.ok);
    assert.equal(Buffer.from(opened.value.secret).toString("hex"), SECRET);
    assert.equal(Buffer.from(opened.value.publicKey).toString("hex"), PUBKEY);
  });
}

test("encodePassword gives the bytes of EIP-2335, and drops control characters", () => {
  const expected = "7465737470617373776f7264f09f9491";
  for (const text of [PASSWORD, `${PASSWORD}\n`, `\u0000test\u007Fpass\u0085word🔑\r\n`]) {
    assert.equal(Buffer.from(encodePassword(text)).toString("hex"), expected);
  }
  assert.equal(Buffer.from(encodePassword("Å")).toString("hex"), "41cc8a");
});

test("a wrong password, a wrong public key and a secret of zero are told apart", async () => {
  const secret = Buffer.from(SECRET, "hex");
  const cheap = { n: 4, c: 4 };
  const keystore = await createKeystore({ secret, password: "p", kdf: "scrypt", cheap });
  assert.equal(await faultOf(keystore, "p"), "none");
  assert.equal(await faultOf(keystore, "q"), "wrong password");
  const pubkey = `a${PUBKEY.slice(1)}`;
  assert.equal(await faultOf({ ...keystore, pubkey }, "p"), "public key is not that of the secret");
  const { pubkey: _, ...unnamed } = keystore;
  assert.equal(await faultOf(unnamed, "p"), "none");
});

test("createKeystore writes what both functions of EIP-2335 open", async () => {
  const secret = Buffer.from(SECRET, "hex");
  for (const kdf of ["scrypt", "pbkdf2"] as const) {
    const keystore = await createKeystore({ secret, password: "ä🔑", kdf, cheap: { n: 4, c: 4 } });
    assert.equal(await faultOf(keystore, "a\u0308🔑"), "none");
    assert.equal(keystore["pubkey"], PUBKEY);
  }
});

const pbkdf2 = (params: Record<string, unknown>) => ({
  ...PBKDF2,
  crypto: {
    ...PBKDF2.crypto,
    kdf: { ...PBKDF2.crypto.kdf, params: { ...PBKDF2.crypto.kdf.params, ...params } },
  },
});

test("parseKeystore refuses every file that breaks a rule", () => {
  const { crypto } = SCRYPT;
  const scrypt = (params: Record<string, unknown>) => ({
    ...SCRYPT,
    crypto: { ...crypto, kdf: { ...crypto.kdf, params: { ...crypto.kdf.params, ...params } } },
  });
  const withModule = (name: "kdf" | "checksum" | "cipher", change: Record<string, unknown>) => ({
    ...SCRYPT,
    crypto: { ...crypto, [name]: { ...crypto[name], ...change } },
  });
  const rows: readonly (readonly [KeystoreFault, unknown])[] = [
    ["not a keystore", []],
    ["not a keystore", "text"],
    ["not a keystore", null],
    ["not a keystore", [{ pubkey: PUBKEY, amount: 32_000_000_000 }]],
    ["not a keystore", { version: 4 }],
    ["unsupported keystore", { ...SCRYPT, version: 3 }],
    ["unsupported keystore", { ...SCRYPT, version: "4" }],
    ["malformed keystore", { ...SCRYPT, crypto: [] }],
    ["malformed keystore", { ...SCRYPT, path: undefined }],
    ["malformed keystore", { ...SCRYPT, uuid: undefined }],
    ["malformed keystore", { ...SCRYPT, uuid: "1d85ae20" }],
    ["malformed keystore", { ...SCRYPT, pubkey: PUBKEY.slice(2) }],
    ["malformed keystore", { ...SCRYPT, pubkey: 1 }],
    ["malformed keystore", withModule("kdf", { message: "00" })],
    ["unsupported keystore", withModule("kdf", { function: "argon2" })],
    ["unsupported keystore", scrypt({ dklen: 64 })],
    ["malformed keystore", scrypt({ salt: "0x00" })],
    ["malformed keystore", scrypt({ n: 0 })],
    ["malformed keystore", scrypt({ n: 1 })],
    ["malformed keystore", scrypt({ n: 262_143 })],
    ["malformed keystore", scrypt({ n: 2 ** 16, r: 1 })],
    ["malformed keystore", scrypt({ r: -1 })],
    ["malformed keystore", scrypt({ p: 1.5 })],
    ["costs too much to open", scrypt({ n: SCRYPT_COST_MAX / 4 })],
    ["costs too much to open", scrypt({ n: SCRYPT_COST_MAX / 8, p: 17 })],
    ["unsupported keystore", pbkdf2({ prf: "hmac-sha512" })],
    ["malformed keystore", pbkdf2({ c: 0 })],
    ["costs too much to open", pbkdf2({ c: 2 ** 26 + 1 })],
    ["unsupported keystore", withModule("checksum", { function: "sha512" })],
    ["malformed keystore", withModule("checksum", { message: "00" })],
    ["unsupported keystore", withModule("cipher", { function: "aes-256-gcm" })],
    ["malformed keystore", withModule("cipher", { params: { iv: "00" } })],
    ["malformed keystore", withModule("cipher", { params: { iv: 1 } })],
    ["malformed keystore", withModule("cipher", { message: "00".repeat(33) })],
  ];
  for (const [fault, value] of rows) {
    const parsed = parseKeystore(bytesOf(value));
    assert.ok(!parsed.ok, JSON.stringify(value));
    assert.equal(parsed.error, fault, JSON.stringify(value));
  }
  for (const text of ["", "{", `${JSON.stringify(SCRYPT)}x`]) {
    assert.deepEqual(parseKeystore(new TextEncoder().encode(text)), {
      ok: false,
      error: "bad JSON",
    });
  }
  assert.ok(parseKeystore(bytesOf(scrypt({ n: SCRYPT_COST_MAX / 8 }))).ok);
});
