import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseTmkmsKey,
  TMKMS_KEY_BYTES_MAX,
  type TmkmsScheme,
} from "../../../../scripts/cli/tmkms-key.ts";
import { bytesOfHex, COMETBFT_KEYS } from "../../../fakes/cometbft-keys.ts";

function parse(text: string, scheme: TmkmsScheme) {
  return parseTmkmsKey(new TextEncoder().encode(text), scheme);
}

function faultOf(text: string, scheme: TmkmsScheme): string {
  const parsed = parse(text, scheme);
  return parsed.ok ? "none" : parsed.error;
}

function base64(byteCount: number, fill = 7): string {
  return Buffer.alloc(byteCount, fill).toString("base64");
}

test("parseTmkmsKey reads a seed or a scalar, as the asker says which", () => {
  for (const { scheme, secret, publicKey } of COMETBFT_KEYS) {
    if (scheme !== "ed25519" && scheme !== "secp256k1") continue;
    const text = Buffer.from(secret, "hex").toString("base64");
    for (const line of [text, `${text}\n`, `${text}\r\n`, `${text} \t\n\n`]) {
      const parsed = parse(line, scheme);
      assert.ok(parsed.ok);
      assert.equal(parsed.value.scheme, scheme);
      assert.deepEqual(parsed.value.secret, bytesOfHex(secret));
      assert.equal(Buffer.from(parsed.value.publicKey).toString("hex"), publicKey);
    }
  }
});

test("parseTmkmsKey refuses expanded Ed25519 keys by name, and every other length", () => {
  for (const length of [64, 96]) {
    const fault = faultOf(base64(length), "ed25519");
    assert.equal(fault, "an expanded key: only 32-byte seeds can be sealed");
    assert.equal(faultOf(base64(length), "secp256k1"), "malformed tmkms key");
  }
  for (const scheme of ["ed25519", "secp256k1"] as const) {
    for (const length of [0, 31, 33, 63, 65, 95, 97]) {
      assert.equal(faultOf(base64(length), scheme), "malformed tmkms key", `${length}`);
    }
  }
});

test("parseTmkmsKey refuses what tmkms does not write", () => {
  const text = base64(32);
  const wrong = [
    ` ${text}`,
    `\n${text}`,
    text.slice(0, -1),
    `${text.slice(0, 20)}\n${text.slice(20)}`,
    text.replace("=", ""),
    Buffer.alloc(32, 7).toString("hex"),
    `{"priv_key":"${text}"}`,
    "\uFEFF".concat(text),
    " \n",
  ];
  for (const line of wrong) assert.equal(faultOf(line, "ed25519"), "malformed tmkms key", line);
});

test("parseTmkmsKey refuses a scalar that is none", () => {
  const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
  for (const hex of ["00".repeat(32), order, "ff".repeat(32)]) {
    const text = Buffer.from(hex, "hex").toString("base64");
    assert.equal(faultOf(text, "secp256k1"), "invalid secret key");
    assert.equal(faultOf(text, "ed25519"), "none");
  }
});

test("a key file of tmkms has at most 1 KiB", () => {
  assert.equal(TMKMS_KEY_BYTES_MAX, 1024);
  const text = base64(32);
  assert.equal(faultOf(text.padEnd(TMKMS_KEY_BYTES_MAX), "ed25519"), "none");
  assert.equal(faultOf(text.padEnd(TMKMS_KEY_BYTES_MAX + 1), "ed25519"), "malformed tmkms key");
});
