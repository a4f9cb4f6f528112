import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import type { KeyReleaser } from "../../../../enclave/core/ports.ts";
import { openBundle } from "../../../../enclave/keys/bundle.ts";
import {
  type BundleHeader,
  encodeBundle,
  encodeBundlePrefix,
  parseBundle,
} from "../../../../shared/bundle/format.ts";
import { encodeBundleKeys } from "../../../../shared/bundle/keys.ts";
import { concatBytes, isZeroBytes } from "../../../../shared/bytes/compare.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { bundleKeyOf, FakeKms, KEY_ARN, sealKeys } from "../../../fakes/sealed-keys.ts";

const KEYS = [bundleKeyOf(1), bundleKeyOf(2), bundleKeyOf(3)];
const OTHER_ARN = KEY_ARN.replace("1234abcd", "aaaaaaaa");

async function codeOf(bytes: Uint8Array, releaser: KeyReleaser, arn = KEY_ARN): Promise<string> {
  const opened = await openBundle(bytes, arn, releaser);
  return opened.ok ? "opened" : opened.error.code;
}

/** A bundle whose body is anything, under a data key that the releaser gives out. */
function bundleOfBody(
  body: Uint8Array,
  change: Partial<BundleHeader> = {},
): { bytes: Uint8Array; releaser: KeyReleaser; dataKey: Uint8Array<ArrayBuffer> } {
  const dataKey = new Uint8Array(randomBytes(32));
  const header = {
    id: new Uint8Array(16).fill(7),
    purpose: "redoubt/keys" as const,
    keyArn: KEY_ARN,
    wrappedKey: new Uint8Array(100),
    keyCount: 1,
    createdMs: 0,
    ...change,
  };
  const prefix = encodeBundlePrefix(header);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", dataKey, nonce);
  cipher.setAAD(prefix);
  const ciphertext = cipher.update(body);
  cipher.final();
  const bytes = encodeBundle({ prefix, nonce, ciphertext, tag: cipher.getAuthTag() });
  return { bytes, releaser: { release: () => Promise.resolve(ok(dataKey)) }, dataKey };
}

test("openBundle gives the keys of a sealed bundle, in order, and wipes every data key", async () => {
  const kms = new FakeKms();
  const opened = await openBundle(await sealKeys(KEYS, kms), KEY_ARN, kms);
  assert.ok(opened.ok && opened.value.purpose === "redoubt/keys");
  const expected = KEYS.map((key) => Buffer.from(key.publicKey).toString("hex")).sort();
  assert.deepEqual(
    opened.value.bundle.keys.map((key) => Buffer.from(key.publicKey).toString("hex")),
    expected,
  );
  assert.equal(kms.released.length, 2);
  assert.ok(kms.released.every(isZeroBytes));
});

test("an opened bundle does not live in the bytes that it was opened from", async () => {
  const kms = new FakeKms();
  const bytes = Buffer.from(await sealKeys([bundleKeyOf(1)], kms));
  const opened = await openBundle(bytes, KEY_ARN, kms);
  assert.ok(opened.ok && opened.value.purpose === "redoubt/keys");
  const { bundle } = opened.value;
  const id = Buffer.from(bundle.id).toString("hex");
  bytes.fill(0);
  assert.equal(Buffer.from(bundle.id).toString("hex"), id);
  assert.deepEqual(
    new Uint8Array(bundle.keys[0]?.publicKey ?? []),
    new Uint8Array(bundleKeyOf(1).publicKey),
  );
});

test("openBundle refuses a bundle under another KMS key before it asks KMS", async () => {
  const kms = new FakeKms();
  const bytes = await sealKeys(KEYS, kms);
  assert.equal(await codeOf(bytes, kms, OTHER_ARN), "BUNDLE_KEY_ARN");
  assert.equal(kms.released.length, 1);
});

test("openBundle passes on why KMS released nothing", async () => {
  const kms = new FakeKms();
  const bytes = await sealKeys(KEYS, kms);
  const denied: KeyReleaser = { release: () => Promise.resolve(err(refusal("KMS_DENIED"))) };
  assert.equal(await codeOf(bytes, denied), "KMS_DENIED");
  assert.equal(await codeOf(bytes, new FakeKms()), "KMS_INVALID");
});

test("a bit that flips anywhere in a bundle is refused", async () => {
  const kms = new FakeKms();
  const bytes = await sealKeys([bundleKeyOf(1)], kms);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const at = bit >> 3;
    const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (bit & 7)));
    const code = await codeOf(flipped, kms);
    assert.match(code, /^(?:BUNDLE_MALFORMED|BUNDLE_KEY_ARN|BUNDLE_SEAL|KMS_INVALID)$/, `${bit}`);
  }
  assert.ok(kms.released.every(isZeroBytes));
});

test("a truncated or lengthened bundle is refused", async () => {
  const kms = new FakeKms();
  const bytes = await sealKeys([bundleKeyOf(1)], kms);
  for (let length = 0; length < bytes.length; length++) {
    assert.notEqual(await codeOf(bytes.subarray(0, length), kms), "opened", `${length}`);
  }
  assert.equal(await codeOf(concatBytes(bytes, Uint8Array.of(0)), kms), "BUNDLE_SEAL");
});

test("wrapped keys, headers and bodies can't be swapped between bundles", async () => {
  const kms = new FakeKms();
  const a = parseBundle(await sealKeys([bundleKeyOf(1)], kms));
  const b = parseBundle(await sealKeys([bundleKeyOf(2)], kms));
  assert.ok(a.ok && b.ok);
  // The other bundle's wrapped key under this bundle's id: KMS refuses the context.
  const header = { ...a.value.header, wrappedKey: b.value.header.wrappedKey };
  const swappedKey = encodeBundle({ ...a.value, prefix: encodeBundlePrefix(header) });
  assert.equal(await codeOf(swappedKey, kms), "KMS_INVALID");
  // The other bundle's body under this header.
  const swappedBody = encodeBundle({ ...b.value, prefix: a.value.prefix });
  assert.equal(await codeOf(swappedBody, kms), "BUNDLE_SEAL");
  // Even a KMS that ignores the context does not make one bundle of two.
  const lenient = new FakeKms();
  lenient.release = ({ ciphertext }) =>
    kms.release({
      keyArn: KEY_ARN,
      ciphertext,
      encryptionContext: {
        "redoubt:bundle": Buffer.from(b.value.header.id).toString("hex"),
        "redoubt:purpose": "redoubt/keys",
      },
    });
  assert.equal(await codeOf(swappedKey, lenient), "BUNDLE_SEAL");
});

test("openBundle refuses what a sealer must not seal, and wipes the data key each time", async () => {
  const [one, two] = [bundleKeyOf(1), bundleKeyOf(2)];
  const lying = encodeBundleKeys([{ ...one, publicKey: two.publicKey }]);
  const zero = encodeBundleKeys([{ ...one, secret: new Uint8Array(32) }]);
  const huge = encodeBundleKeys([{ ...one, secret: new Uint8Array(32).fill(255) }]);
  const rows: readonly (readonly [string, Uint8Array, Partial<BundleHeader>])[] = [
    ["opened", encodeBundleKeys([one]), {}],
    ["BUNDLE_PUBLIC_KEY", lying, {}],
    ["BUNDLE_PUBLIC_KEY", zero, {}],
    ["BUNDLE_PUBLIC_KEY", huge, {}],
    ["BUNDLE_MALFORMED", encodeBundleKeys([one]), { keyCount: 2 }],
    ["BUNDLE_MALFORMED", encodeBundleKeys([one, two]), { keyCount: 1 }],
    ["BUNDLE_MALFORMED", concatBytes(encodeBundleKeys([one]), Uint8Array.of(0)), {}],
    [
      "BUNDLE_MALFORMED",
      concatBytes(encodeBundleKeys([one]), encodeBundleKeys([one])),
      { keyCount: 2 },
    ],
  ];
  for (const [code, body, change] of rows) {
    const { bytes, releaser, dataKey } = bundleOfBody(body, change);
    assert.equal(await codeOf(bytes, releaser), code);
    assert.ok(isZeroBytes(dataKey));
  }
});

test("a data key of another length opens nothing", async () => {
  const { bytes } = bundleOfBody(encodeBundleKeys([bundleKeyOf(1)]));
  for (const length of [0, 16, 31, 33]) {
    const releaser = {
      release: () => Promise.resolve(ok(new Uint8Array(new ArrayBuffer(length)))),
    };
    assert.equal(await codeOf(bytes, releaser), "BUNDLE_SEAL");
  }
});

test("opening many keys lets other work run in between", async () => {
  const kms = new FakeKms();
  const keys = Array.from({ length: 400 }, (_, index) => bundleKeyOf(index + 1));
  const bytes = await sealKeys(keys, kms);
  let turnCount = 0;
  let isOpening = true;
  const tick = (): void => {
    turnCount += 1;
    if (isOpening) setImmediate(tick);
  };
  setImmediate(tick);
  const opened = await openBundle(bytes, KEY_ARN, kms);
  isOpening = false;
  assert.ok(opened.ok);
  assert.ok(turnCount >= 8, `${turnCount} turns`);
});
