import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseValidatorKey,
  VALIDATOR_KEY_BYTES_MAX,
} from "../../../../scripts/cli/validator-key.ts";
import { isZeroBytes } from "../../../../shared/bytes/compare.ts";
import {
  bytesOfHex,
  COMETBFT_KEYS,
  type KeyFile,
  V2_ETH_FILE,
} from "../../../fakes/cometbft-keys.ts";

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
}

function faultOf(value: unknown): string {
  const parsed = parseValidatorKey(bytesOf(value));
  return parsed.ok ? "none" : parsed.error;
}

const FILES = COMETBFT_KEYS.map(({ file }) => file);
const [ED25519] = FILES;
assert(ED25519 !== undefined);

/** `value`, with the byte at `at` changed. */
function damaged(value: string, at: number): string {
  const bytes = Buffer.from(value, "base64");
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes.toString("base64");
}

function turned({ type, value }: KeyFile["pub_key"]) {
  return { value, type };
}

function withValue(file: KeyFile, name: "pub_key" | "priv_key", value: string): KeyFile {
  return { ...file, [name]: { ...file[name], value } };
}

test("parseValidatorKey reads what CometBFT writes, of every type", () => {
  const v2 = COMETBFT_KEYS.find(({ scheme }) => scheme === "secp256k1eth");
  assert(v2 !== undefined);
  for (const { scheme, secret, publicKey, file } of [
    ...COMETBFT_KEYS,
    { ...v2, file: V2_ETH_FILE },
  ]) {
    // As Go's MarshalIndent has it, and in one line.
    for (const text of [
      JSON.stringify(file, null, 2),
      JSON.stringify(file),
      `${JSON.stringify(file)}\n`,
    ]) {
      const parsed = parseValidatorKey(bytesOf(text));
      assert.ok(parsed.ok, scheme);
      const expected = { scheme, secret: bytesOfHex(secret), publicKey: bytesOfHex(publicKey) };
      assert.deepEqual(
        { ...parsed.value, publicKey: new Uint8Array(parsed.value.publicKey) },
        expected,
      );
    }
  }
});

test("parseValidatorKey takes members in any order, and an address in small digits", () => {
  const { address, pub_key, priv_key } = ED25519;
  assert.equal(faultOf({ priv_key: turned(priv_key), pub_key: turned(pub_key), address }), "none");
  assert.equal(faultOf({ ...ED25519, address: address.toLowerCase() }), "none");
});

test("parseValidatorKey hands out a secret of its own: wiping the file does not reach it", () => {
  const bytes = bytesOf(ED25519);
  const parsed = parseValidatorKey(bytes);
  bytes.fill(0);
  assert.ok(parsed.ok && !isZeroBytes(parsed.value.secret));
  assert.equal(parsed.value.secret.buffer.byteLength, 32);
});

test("one wrong byte of secret, public key or address is noticed, in every type", () => {
  for (const file of [...FILES, V2_ETH_FILE]) {
    const { type } = file.priv_key;
    const secretBytes = Buffer.from(file.priv_key.value, "base64").length;
    const publicBytes = Buffer.from(file.pub_key.value, "base64").length;
    for (let at = 0; at < secretBytes; at++) {
      const fault = faultOf(withValue(file, "priv_key", damaged(file.priv_key.value, at)));
      assert.match(
        fault,
        /^(public key is not that of the secret|invalid secret key)$/,
        `${type} ${at}`,
      );
    }
    for (let at = 0; at < publicBytes; at++) {
      const fault = faultOf(withValue(file, "pub_key", damaged(file.pub_key.value, at)));
      assert.equal(fault, "public key is not that of the secret", `${type} ${at}`);
    }
    for (let at = 0; at < 40; at++) {
      const digit = file.address[at] === "0" ? "1" : "0";
      const address = file.address.slice(0, at) + digit + file.address.slice(at + 1);
      assert.equal(faultOf({ ...file, address }), "address is not that of the public key", type);
    }
  }
});

test("the public key behind an Ed25519 seed counts too", () => {
  const other = COMETBFT_KEYS[4]?.file;
  assert(other !== undefined);
  const own = Buffer.from(ED25519.priv_key.value, "base64");
  const mixed = Buffer.concat([own.subarray(0, 32), Buffer.from(other.pub_key.value, "base64")]);
  const file = withValue(ED25519, "priv_key", mixed.toString("base64"));
  assert.equal(faultOf(file), "public key is not that of the secret");
});

test("a key and a public key of different types are no key", () => {
  for (const [index, file] of FILES.slice(0, 4).entries()) {
    const other = FILES[(index + 1) % 4]?.pub_key;
    assert.equal(faultOf({ ...file, pub_key: other }), "malformed validator key");
  }
  const eth = FILES[2];
  assert(eth !== undefined);
  const crossed = { ...eth, pub_key: V2_ETH_FILE.pub_key };
  assert.equal(faultOf(crossed), "malformed validator key");
  // The right type, and the public key in the other's form.
  const form = { ...eth, pub_key: { ...eth.pub_key, value: V2_ETH_FILE.pub_key.value } };
  assert.equal(faultOf(form), "public key is not that of the secret");
});

test("a secret that is none of its type is refused", () => {
  const orders = [
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001",
  ];
  // The order of FILES: Ed25519, which takes any seed, then these.
  for (const [index, file] of FILES.slice(1, 4).entries()) {
    const order = orders[index] ?? "";
    for (const hex of ["00".repeat(32), order, "ff".repeat(32)]) {
      const value = Buffer.from(hex, "hex").toString("base64");
      assert.equal(faultOf(withValue(file, "priv_key", value)), "invalid secret key", hex);
    }
  }
});

test("a secret of another length is refused", () => {
  for (const file of FILES.slice(0, 4)) {
    const secret = Buffer.from(file.priv_key.value, "base64");
    const wrong = [0, 31, 32, 33, 63, 64, 65, 96].filter((length) => length !== secret.length);
    for (const length of wrong) {
      const value = Buffer.concat([secret, secret, secret]).subarray(0, length).toString("base64");
      const fault = faultOf(withValue(file, "priv_key", value));
      assert.equal(fault, "malformed validator key", `${file.priv_key.type} ${length}`);
    }
  }
});

test("a type that we have no scheme for is told apart", () => {
  const types = [
    "cometbft/PrivKeyMlDsa65",
    "cometbft/PrivKeyBn254",
    "tendermint/PrivKeySr25519",
    "tendermint/PubKeyEd25519",
    "constructor",
    "",
  ];
  for (const type of types) {
    const priv_key = { type, value: "A".repeat(5376) };
    assert.equal(faultOf({ ...ED25519, priv_key }), "unsupported type of key", type);
  }
});

test("whatever is not exactly a key file is malformed, or is none", () => {
  const { address, pub_key, priv_key } = ED25519;
  const text = JSON.stringify(ED25519);
  const malformed: readonly unknown[] = [
    text.slice(0, -1),
    `${text}x`,
    `\uFEFF${text}`,
    `[${text}]`,
    { pub_key, priv_key },
    { ...ED25519, more: "" },
    { ...ED25519, address: 7 },
    { ...ED25519, address: null },
    { ...ED25519, address: `${address}00` },
    { ...ED25519, address: address.replace(/./, "x") },
    { ...ED25519, pub_key: null },
    { ...ED25519, priv_key: priv_key.value },
    { ...ED25519, priv_key: { ...priv_key, more: "" } },
    { ...ED25519, priv_key: { type: priv_key.type } },
    { ...ED25519, priv_key: { value: priv_key.value } },
    { ...ED25519, priv_key: { ...priv_key, value: null } },
    { ...ED25519, priv_key: { ...priv_key, value: ` ${priv_key.value}` } },
    { ...ED25519, priv_key: { ...priv_key, value: priv_key.value.replace(/=+$/, "") } },
    { ...ED25519, pub_key: { ...pub_key, value: `${pub_key.value}====` } },
    text.replace('"address"', '"address":"","address"'),
    text.replace(/"value":"/, '"value":"\\u0041'),
  ];
  for (const [index, value] of malformed.entries()) {
    assert.equal(faultOf(value), "malformed validator key", `row ${index}`);
  }
  const none: readonly unknown[] = [
    "",
    "{",
    "{}",
    "[]",
    "null",
    "not JSON",
    { priv_key },
    { address, pub_key },
    { height: "0", round: 0, step: 0 },
    { crypto: {}, version: 4 },
  ];
  for (const [index, value] of none.entries()) {
    assert.equal(faultOf(value), "not a validator key", `row ${index}`);
  }
});

test("an address that is too short is not that of the key", () => {
  for (const address of ["", "53", ED25519.address.slice(2)]) {
    assert.equal(faultOf({ ...ED25519, address }), "address is not that of the public key");
  }
});

test("a type has at most 64 characters, and a value 8,192", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["x".repeat(64), "", "unsupported type of key"],
    ["x".repeat(65), "", "malformed validator key"],
    ["x", "A".repeat(8192), "unsupported type of key"],
    ["x", "A".repeat(8193), "malformed validator key"],
  ];
  for (const [type, value, fault] of rows) {
    assert.equal(faultOf({ ...ED25519, priv_key: { type, value } }), fault);
  }
});

test("a key file has at most 16 KiB", () => {
  assert.equal(VALIDATOR_KEY_BYTES_MAX, 16_384);
  const text = JSON.stringify(ED25519);
  assert.equal(faultOf(text.padEnd(VALIDATOR_KEY_BYTES_MAX)), "none");
  assert.equal(faultOf(text.padEnd(VALIDATOR_KEY_BYTES_MAX + 1)), "malformed validator key");
});
