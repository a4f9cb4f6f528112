import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openCiphertextForRecipient, parseEnvelope } from "../../../../enclave/kms/cms.ts";
import { recipientKeyOf } from "../../../../enclave/kms/recipient-key.ts";
import {
  type EnvelopeParts,
  encodeEnvelope,
  encodeIndefinite,
  encodeTlv,
  makeEnvelopeParts,
} from "../../../../scripts/local/recipient-envelope.ts";
import { CMS_BYTES_MAX } from "../../../../shared/limits.ts";
import { SHARED_VECTORS, whyNoVectors } from "../../../fakes/shared-vectors.ts";

const key = recipientKeyOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
const otherKey = recipientKeyOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
const plaintext = Uint8Array.from({ length: 32 }, (_, index) => index);
const parts = makeEnvelopeParts(plaintext, key.publicKeyDer);

function hex(text: string): Uint8Array {
  return Buffer.from(text, "hex");
}

function open(changed: Partial<EnvelopeParts>): ReturnType<typeof openCiphertextForRecipient> {
  return openCiphertextForRecipient(encodeEnvelope({ ...parts, ...changed }), key);
}

function code(outcome: ReturnType<typeof openCiphertextForRecipient>): string {
  return outcome.ok ? "opened" : outcome.error.code;
}

const OAEP = Buffer.from(parts.keyAlgorithm).toString("hex");
const ciphertext = Buffer.from(parts.content).subarray(4, -2);

test("an envelope opens to its plaintext, in an ArrayBuffer of its own", () => {
  const opened = open({});
  assert(opened.ok);
  assert.deepEqual(opened.value, plaintext);
  assert.equal(opened.value.buffer.byteLength, plaintext.length);
});

test("an envelope opens with its content primitive, in pieces, and of definite length", () => {
  const pieces = [ciphertext.subarray(0, 5), ciphertext.subarray(5)].map((piece) =>
    encodeTlv(0x04, piece),
  );
  for (const content of [
    encodeTlv(0x80, ciphertext),
    encodeIndefinite(0xa0, ...pieces),
    encodeTlv(0xa0, ...pieces),
  ]) {
    const opened = open({ content });
    assert(opened.ok);
    assert.deepEqual(opened.value, plaintext);
  }
});

const BROKEN: Readonly<Record<string, Partial<EnvelopeParts>>> = {
  "the content type is signedData": { contentType: hex("06092a864886f70d010702") },
  "the version is 0": { version: hex("020100") },
  "the version has a leading zero": { version: hex("02020002") },
  "the recipient's version is 0": { recipientVersion: hex("020100") },
  "there is no recipient": { recipientCount: 0 },
  "there are two recipients": { recipientCount: 2 },
  "the key identifier is another key's": { keyIdentifier: encodeTlv(0x80, otherKey.keyIdentifier) },
  "the key identifier is short": { keyIdentifier: encodeTlv(0x80, Buffer.alloc(31)) },
  "the recipient is named by issuer and serial": { keyIdentifier: encodeTlv(0x30) },
  "the key algorithm is RSAES-PKCS1": { keyAlgorithm: hex("300d06092a864886f70d0101010500") },
  "the OAEP hash is SHA-1": {
    keyAlgorithm: encodeTlv(
      0x30,
      hex("06092a864886f70d010107"),
      encodeTlv(0x30, hex("a00b300906052b0e03021a0500"), parts.keyAlgorithm.subarray(-30)),
    ),
  },
  "the OAEP hash is SHA-384": {
    keyAlgorithm: hex(OAEP.replace("608648016503040201", "608648016503040202")),
  },
  "the MGF1 hash is SHA-384": {
    keyAlgorithm: hex(
      OAEP.replace(/608648016503040201(?!.*608648016503040201)/, "608648016503040202"),
    ),
  },
  "the mask function is not MGF1": { keyAlgorithm: hex(OAEP.replace("010108", "010109")) },
  "the OAEP parameters are missing": { keyAlgorithm: hex("300d06092a864886f70d0101073000") },
  "the encrypted key is short": { encryptedKey: encodeTlv(0x04, Buffer.alloc(255)) },
  "the encrypted key is another": { encryptedKey: encodeTlv(0x04, Buffer.alloc(256, 1)) },
  "the inner type is not data": { innerType: hex("06092a864886f70d010702") },
  "the cipher is AES-128-CBC": {
    contentAlgorithm: Buffer.concat([
      hex("301d06096086480165030401020410"),
      parts.contentAlgorithm.subarray(-16),
    ]),
  },
  "the initial vector is short": {
    contentAlgorithm: encodeTlv(0x30, hex("060960864801650304012a"), hex("0401aa")),
  },
  "the content is empty": { content: encodeIndefinite(0xa0) },
  "the content is not of whole blocks": { content: encodeTlv(0x80, ciphertext.subarray(1)) },
  "the padding is wrong": { content: encodeTlv(0x80, ciphertext.subarray(0, 16)) },
  "a piece is not an OCTET STRING": { content: encodeIndefinite(0xa0, encodeTlv(0x05)) },
  "a piece is a string of strings": {
    content: encodeIndefinite(0xa0, encodeTlv(0x24, encodeTlv(0x04, ciphertext))),
  },
  "the content has tag [1]": { content: encodeTlv(0x81, ciphertext) },
};

for (const [title, changed] of Object.entries(BROKEN)) {
  test(`an envelope is refused when ${title}`, () => {
    assert.equal(code(open(changed)), "CMS_MALFORMED");
  });
}

test("an envelope to another key is refused", () => {
  assert.equal(code(openCiphertextForRecipient(encodeEnvelope(parts), otherKey)), "CMS_MALFORMED");
});

test("an envelope of an empty plaintext is refused", () => {
  const empty = makeEnvelopeParts(new Uint8Array(0), key.publicKeyDer);
  assert.equal(code(openCiphertextForRecipient(encodeEnvelope(empty), key)), "CMS_MALFORMED");
});

test("an envelope is refused whole when a byte follows, and at every cut", () => {
  const whole = encodeEnvelope(parts);
  assert.equal(
    code(openCiphertextForRecipient(Buffer.concat([whole, hex("00")]), key)),
    "CMS_MALFORMED",
  );
  for (let length = 0; length < whole.length; length++) {
    assert(!parseEnvelope(whole.subarray(0, length)).ok, `cut at ${length}`);
  }
});

test("an envelope opens at the largest size and is refused one byte above", () => {
  // The content takes up what the limit leaves, padding included.
  const overhead =
    encodeEnvelope({ ...parts, content: encodeTlv(0x80, Buffer.alloc(256)) }).length - 256;
  const largest = CMS_BYTES_MAX - overhead - ((CMS_BYTES_MAX - overhead) % 16);
  const fits = makeEnvelopeParts(Buffer.alloc(largest - 1, 7), key.publicKeyDer, true);
  assert(openCiphertextForRecipient(encodeEnvelope(fits), key).ok);
  const oversize = makeEnvelopeParts(Buffer.alloc(largest + 15, 7), key.publicKeyDer, true);
  assert.equal(code(openCiphertextForRecipient(encodeEnvelope(oversize), key)), "CMS_MALFORMED");
});

test("every single flipped bit outside of what is encrypted is refused", () => {
  const whole = encodeEnvelope(parts);
  const encryptedKeyAt = Buffer.from(whole).indexOf(parts.encryptedKey) + 4;
  for (let index = 0; index < whole.length; index++) {
    const isKey = index >= encryptedKeyAt && index < encryptedKeyAt + 256;
    const isVector = Buffer.from(whole).indexOf(parts.contentAlgorithm) + 15 <= index;
    if (isKey || (isVector && index < whole.length - 12)) continue;
    const flipped = whole.slice();
    flipped[index] = (flipped[index] ?? 0) ^ 1;
    assert(!openCiphertextForRecipient(flipped, key).ok, `flipped bit in byte ${index}`);
  }
});

const VECTORS = "kms-recipient";

function read(name: string): Buffer {
  return readFileSync(join(SHARED_VECTORS, VECTORS, name));
}

test("values of the real KMS open and parse", { skip: whyNoVectors(VECTORS) }, (context) => {
  const real = recipientKeyOf(createPrivateKey(read("edgebit_cms_key.pem")));
  const opened = openCiphertextForRecipient(read("edgebit_cms_ciphertextforrecipient.bin"), real);
  assert(opened.ok);
  assert.deepEqual(Buffer.from(opened.value), read("edgebit_cms_plaintext.bin"));
  const envelope = parseEnvelope(read("sdkc_cms_input_ber.bin"));
  assert(envelope.ok);
  assert.deepEqual(
    Buffer.from(envelope.value.encryptedKey),
    read("sdkc_cms_encrypted_key_out.bin"),
  );
  assert.deepEqual(Buffer.from(envelope.value.initialVector), read("sdkc_cms_iv_out.bin"));
  const joined = Buffer.concat(envelope.value.ciphertext);
  assert.deepEqual(joined, read("sdkc_cms_ciphertext_out.bin"));
  context.diagnostic("2 vectors of kms-recipient ran");
});
