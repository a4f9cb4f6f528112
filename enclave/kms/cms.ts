// `CiphertextForRecipient`: the CMS EnvelopedData (RFC 5652 §6) in which KMS hands out a plaintext.
// It is not authenticated: whoever has seen our public key can make one, so what comes out must be
// verified by its own content. The reader takes exactly the shape that KMS emits (nitro-kms.md §4)
// and nothing else; every failure is the same refusal, so that no answer tells a padding error
// from a wrong key.

import { constants, createDecipheriv, privateDecrypt, timingSafeEqual } from "node:crypto";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CMS_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type BerNode, parseBer } from "./ber.ts";
import type { RecipientKey } from "./recipient-key.ts";

/** The parts of an envelope, as views into the received bytes. */
export type Envelope = {
  readonly keyIdentifier: Uint8Array;
  readonly encryptedKey: Uint8Array;
  readonly initialVector: Uint8Array;
  /** The encrypted content's pieces, in order; together whole AES blocks. */
  readonly ciphertext: readonly Uint8Array[];
};

const TAG = {
  octetString: 0x04,
  sequence: 0x30,
  set: 0x31,
  /** [0] primitive: SubjectKeyIdentifier, or encrypted content in one piece. */
  context0: 0x80,
  /** [0] constructed: explicit content, or encrypted content in pieces. */
  context0Constructed: 0xa0,
} as const;

// Whole encodings, so that one comparison checks tag, length and every bit of the value.
const VERSION_2 = bytes("020102");
const OID_ENVELOPED_DATA = bytes("06092a864886f70d010703");
const OID_DATA = bytes("06092a864886f70d010701");
const OID_AES_256_CBC = bytes("060960864801650304012a");
/** RSAES-OAEP with SHA-256, MGF1 with SHA-256, and the label left at its default: empty. */
const RSAES_OAEP_SHA_256 = bytes(
  "303c06092a864886f70d010107302f" +
    "a00f300d06096086480165030402010500" +
    "a11c301a06092a864886f70d010108300d06096086480165030402010500",
);

const KEY_IDENTIFIER_BYTES = 32;
const ENCRYPTED_KEY_BYTES = 256;
const CONTENT_KEY_BYTES = 32;
const BLOCK_BYTES = 16;

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

const MALFORMED: Refusal<"CMS_MALFORMED"> = refusal("CMS_MALFORMED");

export function parseEnvelope(input: Uint8Array): Result<Envelope, Refusal<"CMS_MALFORMED">> {
  if (input.length > CMS_BYTES_MAX) return err(MALFORMED);
  const root = parseBer(input);
  if (!root.ok) return err(MALFORMED);
  const contentInfo = partsOf(root.value, TAG.sequence, 2);
  const [wrapper] = partsOf(contentInfo[1], TAG.context0Constructed, 1);
  const enveloped = partsOf(wrapper, TAG.sequence, 3);
  const [recipientInfo] = partsOf(enveloped[1], TAG.set, 1);
  const recipient = partsOf(recipientInfo, TAG.sequence, 4);
  const content = partsOf(enveloped[2], TAG.sequence, 3);
  const algorithm = partsOf(content[1], TAG.sequence, 2);
  const keyIdentifier = primitive(recipient[1], TAG.context0);
  const encryptedKey = primitive(recipient[3], TAG.octetString);
  const initialVector = primitive(algorithm[1], TAG.octetString);
  const ciphertext = piecesOf(content[2]);
  const isOfKms =
    isExactly(contentInfo[0], OID_ENVELOPED_DATA) &&
    isExactly(enveloped[0], VERSION_2) &&
    isExactly(recipient[0], VERSION_2) &&
    isExactly(recipient[2], RSAES_OAEP_SHA_256) &&
    isExactly(content[0], OID_DATA) &&
    isExactly(algorithm[0], OID_AES_256_CBC) &&
    keyIdentifier.length === KEY_IDENTIFIER_BYTES &&
    encryptedKey.length === ENCRYPTED_KEY_BYTES &&
    initialVector.length === BLOCK_BYTES &&
    isWholeBlocks(ciphertext);
  if (!isOfKms) return err(MALFORMED);
  return ok({ keyIdentifier, encryptedKey, initialVector, ciphertext });
}

/** The caller owns the plaintext, which has its own ArrayBuffer, and wipes it. */
export function openCiphertextForRecipient(
  input: Uint8Array,
  recipientKey: RecipientKey,
): Result<Uint8Array<ArrayBuffer>, Refusal<"CMS_MALFORMED">> {
  const envelope = parseEnvelope(input);
  if (!envelope.ok) return envelope;
  if (!timingSafeEqual(envelope.value.keyIdentifier, recipientKey.keyIdentifier)) {
    return err(MALFORMED);
  }
  const contentKey = decryptContentKey(envelope.value, recipientKey);
  if (contentKey === undefined) return err(MALFORMED);
  const plaintext = decryptContent(envelope.value, contentKey);
  contentKey.fill(0);
  if (plaintext === undefined || plaintext.length === 0) return err(MALFORMED);
  return ok(plaintext);
}

function decryptContentKey(envelope: Envelope, recipientKey: RecipientKey): Buffer | undefined {
  try {
    const contentKey = privateDecrypt(
      {
        key: recipientKey.privateKey,
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: "sha256",
      },
      envelope.encryptedKey,
    );
    if (contentKey.length === CONTENT_KEY_BYTES) return contentKey;
    contentKey.fill(0);
  } catch {
    // Which step failed is for nobody to know.
  }
  return undefined;
}

function decryptContent(
  envelope: Envelope,
  contentKey: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const decipher = createDecipheriv("aes-256-cbc", contentKey, envelope.initialVector);
  const parts: Buffer[] = [];
  try {
    for (const piece of envelope.ciphertext) parts.push(decipher.update(piece));
    parts.push(decipher.final());
    const plaintext = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      plaintext.set(part, offset);
      offset += part.length;
    }
    return plaintext;
  } catch {
    return undefined;
  } finally {
    for (const part of parts) part.fill(0);
  }
}

/** The children of a constructed node; none when it has another tag or number of children. */
function partsOf(node: BerNode | undefined, tag: number, count: number): readonly BerNode[] {
  return node?.tag === tag && node.children.length === count ? node.children : [];
}

function primitive(node: BerNode | undefined, tag: number): Uint8Array {
  return node?.tag === tag ? node.content : new Uint8Array(0);
}

function isExactly(node: BerNode | undefined, encoding: Uint8Array): boolean {
  return node !== undefined && isEqualBytes(node.encoding, encoding);
}

/** Encrypted content is [0] IMPLICIT OCTET STRING: primitive, or constructed of OCTET STRINGs. */
function piecesOf(node: BerNode | undefined): readonly Uint8Array[] {
  if (node?.tag === TAG.context0) return [node.content];
  if (node?.tag !== TAG.context0Constructed) return [];
  const isChunked = node.children.every((child) => child.tag === TAG.octetString);
  return isChunked ? node.children.map((child) => child.content) : [];
}

function isWholeBlocks(pieces: readonly Uint8Array[]): boolean {
  const byteCount = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return byteCount > 0 && byteCount % BLOCK_BYTES === 0;
}
