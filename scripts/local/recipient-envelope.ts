// Makes `CiphertextForRecipient` as KMS does, byte for byte in the layout of nitro-kms.md §4: the
// outer structures of indefinite length, the recipient in DER, the content in one OCTET STRING or
// as a primitive. For the local KMS and for tests only.

import { constants, createCipheriv, createHash, publicEncrypt, randomBytes } from "node:crypto";

/** Whole encodings of the envelope's parts; a test replaces one to break one rule. */
export type EnvelopeParts = {
  readonly contentType: Uint8Array;
  readonly version: Uint8Array;
  readonly recipientVersion: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly keyAlgorithm: Uint8Array;
  readonly encryptedKey: Uint8Array;
  readonly innerType: Uint8Array;
  readonly contentAlgorithm: Uint8Array;
  readonly content: Uint8Array;
  /** How often the recipient is listed. */
  readonly recipientCount: number;
};

const OAEP_SHA_256 =
  "303c06092a864886f70d010107302f" +
  "a00f300d06096086480165030402010500" +
  "a11c301a06092a864886f70d010108300d06096086480165030402010500";
const END_OF_CONTENTS = Buffer.alloc(2);

export function encryptForRecipient(
  plaintext: Uint8Array,
  publicKeyDer: Uint8Array,
  isPrimitive = false,
): Uint8Array<ArrayBuffer> {
  return encodeEnvelope(makeEnvelopeParts(plaintext, publicKeyDer, isPrimitive));
}

export function makeEnvelopeParts(
  plaintext: Uint8Array,
  publicKeyDer: Uint8Array,
  isPrimitive = false,
): EnvelopeParts {
  const contentKey = randomBytes(32);
  const initialVector = randomBytes(16);
  const cipher = createCipheriv("aes-256-cbc", contentKey, initialVector);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const key = {
    key: Buffer.from(publicKeyDer),
    format: "der",
    type: "spki",
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: "sha256",
  } as const;
  return {
    contentType: Buffer.from("06092a864886f70d010703", "hex"),
    version: Buffer.from("020102", "hex"),
    recipientVersion: Buffer.from("020102", "hex"),
    keyIdentifier: encodeTlv(0x80, createHash("sha256").update(publicKeyDer).digest()),
    keyAlgorithm: Buffer.from(OAEP_SHA_256, "hex"),
    encryptedKey: encodeTlv(0x04, publicEncrypt(key, contentKey)),
    innerType: Buffer.from("06092a864886f70d010701", "hex"),
    contentAlgorithm: encodeTlv(
      0x30,
      Buffer.from("060960864801650304012a", "hex"),
      encodeTlv(0x04, initialVector),
    ),
    content: isPrimitive
      ? encodeTlv(0x80, ciphertext)
      : encodeIndefinite(0xa0, encodeTlv(0x04, ciphertext)),
    recipientCount: 1,
  };
}

export function encodeEnvelope(parts: EnvelopeParts): Uint8Array<ArrayBuffer> {
  const recipient = encodeTlv(
    0x30,
    parts.recipientVersion,
    parts.keyIdentifier,
    parts.keyAlgorithm,
    parts.encryptedKey,
  );
  const recipients = encodeTlv(
    0x31,
    ...Array.from({ length: parts.recipientCount }, () => recipient),
  );
  const content = encodeIndefinite(0x30, parts.innerType, parts.contentAlgorithm, parts.content);
  const enveloped = encodeIndefinite(0x30, parts.version, recipients, content);
  const wrapped = encodeIndefinite(0xa0, enveloped);
  return new Uint8Array(encodeIndefinite(0x30, parts.contentType, wrapped));
}

export function encodeTlv(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(content);
  const length = value.length;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), value]);
}

export function encodeIndefinite(tag: number, ...content: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([tag, 0x80]), ...content, END_OF_CONTENTS]);
}
