// The local KMS: the operations that Redoubt uses, with the answers and refusals of the real one
// (nitro-kms.md §4). With a Recipient it verifies the attestation document, evaluates the key
// policy over its PCRs, and encrypts to its public key; without, the policy sees no PCRs at all.

import { createPublicKey, randomBytes } from "node:crypto";
import { WRAPPED_KEY_BYTES_MAX } from "../../shared/limits.ts";
import type { Result } from "../../shared/result.ts";
import { AwsError, accessDenied, validation } from "./aws-error.ts";
import type { AwsService } from "./aws-server.ts";
import {
  type JsonObject,
  optionalNumber,
  optionalObject,
  optionalText,
  optionalTextMap,
  requiredBytes,
  requiredText,
} from "./json-fields.ts";
import {
  decryptUnder,
  type EncryptionContext,
  encryptUnder,
  keyIdOfCiphertext,
  type LocalKmsKey,
  listLocalKmsKeys,
  readLocalKmsKey,
  readPolicy,
} from "./kms-keys.ts";
import { evaluateKeyPolicy } from "./kms-policy.ts";
import { encryptForRecipient } from "./recipient-envelope.ts";
import type { LocalCredentials } from "./sigv4.ts";

export type AttestedRecipient = {
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly publicKey: Uint8Array | null;
};

/** Verifies a document at this Unix time; its root and age are the caller's choice. */
export type VerifyDocument = (
  bytes: Uint8Array,
  nowMs: number,
) => Result<AttestedRecipient, unknown>;

export type LocalKmsOptions = {
  readonly folder: string;
  readonly verifyDocument: VerifyDocument;
  readonly nowMs: () => number;
};

type Recipient = { readonly pcrs: ReadonlyMap<number, Uint8Array>; readonly publicKey: Uint8Array };

const DOCUMENT_BYTES_MAX = 262_144;
const PLAINTEXT_BYTES_MAX = 4096;
const DATA_KEY_BYTES_MAX = 1024;
const DATA_KEY_SPECS: Readonly<Record<string, number>> = { AES_256: 32, AES_128: 16 };
const ALGORITHM = "SYMMETRIC_DEFAULT";

export function createLocalKms(options: LocalKmsOptions): AwsService {
  const kms = new LocalKms(options);
  return {
    name: "kms",
    target: "TrentService",
    operations: {
      GenerateDataKey: (body, caller) => kms.generateDataKey(body, caller),
      Encrypt: (body, caller) => kms.encrypt(body, caller),
      Decrypt: (body, caller) => kms.decrypt(body, caller),
      DescribeKey: (body, caller) => kms.describeKey(body, caller),
      GetKeyPolicy: (body, caller) => kms.getKeyPolicy(body, caller),
      ListKeys: () => kms.listKeys(),
    },
  };
}

class LocalKms {
  readonly #options: LocalKmsOptions;

  constructor(options: LocalKmsOptions) {
    this.#options = options;
  }

  generateDataKey(body: JsonObject, caller: LocalCredentials): JsonObject {
    const key = this.#key(requiredText(body, "KeyId"));
    const context = optionalTextMap(body, "EncryptionContext");
    const recipient = this.#recipient(body);
    this.#authorize("kms:GenerateDataKey", key, caller, context, recipient);
    const dataKey = randomBytes(dataKeyBytes(body));
    return {
      KeyId: key.arn,
      CiphertextBlob: encryptUnder(key, dataKey, context).toString("base64"),
      ...releasedTo(recipient, dataKey),
    };
  }

  encrypt(body: JsonObject, caller: LocalCredentials): JsonObject {
    const key = this.#key(requiredText(body, "KeyId"));
    const context = optionalTextMap(body, "EncryptionContext");
    this.#authorize("kms:Encrypt", key, caller, context, null);
    const plaintext = requiredBytes(body, "Plaintext", PLAINTEXT_BYTES_MAX);
    const blob = encryptUnder(key, plaintext, context).toString("base64");
    return { KeyId: key.arn, CiphertextBlob: blob, EncryptionAlgorithm: ALGORITHM };
  }

  decrypt(body: JsonObject, caller: LocalCredentials): JsonObject {
    const blob = requiredBytes(body, "CiphertextBlob", WRAPPED_KEY_BYTES_MAX);
    const context = optionalTextMap(body, "EncryptionContext");
    const named = keyIdOfCiphertext(blob);
    const asked = optionalText(body, "KeyId");
    if ((optionalText(body, "EncryptionAlgorithm") ?? ALGORITHM) !== ALGORITHM) {
      throw new AwsError("InvalidKeyUsageException", "the key is symmetric");
    }
    const recipient = this.#recipient(body);
    if (named === undefined) throw new AwsError("InvalidCiphertextException", "");
    const key = this.#key(asked ?? named);
    this.#authorize("kms:Decrypt", key, caller, context, recipient);
    if (key.id !== named) {
      const text =
        "The key ID in the request does not identify a CMK that can perform this operation.";
      throw new AwsError("IncorrectKeyException", text);
    }
    const plaintext = decryptUnder(key, blob, context);
    if (plaintext === undefined) throw new AwsError("InvalidCiphertextException", "");
    return { KeyId: key.arn, EncryptionAlgorithm: ALGORITHM, ...releasedTo(recipient, plaintext) };
  }

  describeKey(body: JsonObject, caller: LocalCredentials): JsonObject {
    const key = this.#key(requiredText(body, "KeyId"));
    this.#authorize("kms:DescribeKey", key, caller, new Map(), null);
    const [, , , , accountId = ""] = key.arn.split(":");
    return {
      KeyMetadata: {
        AWSAccountId: accountId,
        KeyId: key.id,
        Arn: key.arn,
        Enabled: true,
        KeyState: "Enabled",
        KeyUsage: "ENCRYPT_DECRYPT",
        KeySpec: ALGORITHM,
        EncryptionAlgorithms: [ALGORITHM],
        Origin: "AWS_KMS",
        KeyManager: "CUSTOMER",
        MultiRegion: false,
      },
    };
  }

  getKeyPolicy(body: JsonObject, caller: LocalCredentials): JsonObject {
    const key = this.#key(requiredText(body, "KeyId"));
    this.#authorize("kms:GetKeyPolicy", key, caller, new Map(), null);
    return { Policy: readPolicy(this.#options.folder, key) ?? "", PolicyName: "default" };
  }

  /** No policy of a key speaks about it, as on AWS. */
  listKeys(): JsonObject {
    const keys = listLocalKmsKeys(this.#options.folder);
    return { Keys: keys.map(({ id, arn }) => ({ KeyId: id, KeyArn: arn })), Truncated: false };
  }

  #key(idOrArn: string): LocalKmsKey {
    const key = readLocalKmsKey(this.#options.folder, idOrArn);
    if (key === undefined)
      throw new AwsError("NotFoundException", `Key '${idOrArn}' does not exist`);
    return key;
  }

  #recipient(body: JsonObject): Recipient | null {
    const recipient = optionalObject(body, "Recipient");
    if (recipient === undefined) return null;
    if (requiredText(recipient, "KeyEncryptionAlgorithm") !== "RSAES_OAEP_SHA_256") {
      throw validation("KeyEncryptionAlgorithm is not RSAES_OAEP_SHA_256");
    }
    const document = requiredBytes(recipient, "AttestationDocument", DOCUMENT_BYTES_MAX);
    const verified = this.#options.verifyDocument(document, this.#options.nowMs());
    if (!verified.ok) throw validation("the attestation document is not valid");
    const { pcrs, publicKey } = verified.value;
    if (publicKey === null || !isRsa2048(publicKey)) {
      throw validation("the attestation document has no RSA-2048 public key");
    }
    return { pcrs, publicKey };
  }

  #authorize(
    action: string,
    key: LocalKmsKey,
    caller: LocalCredentials,
    encryptionContext: EncryptionContext,
    recipient: Recipient | null,
  ): void {
    const verdict = this.#verdict(action, key, caller, encryptionContext, recipient);
    if (verdict === "allowed") return;
    const reason =
      verdict === "denied"
        ? `because no resource-based policy allows the ${action} action`
        : "with an explicit deny in a resource-based policy";
    throw accessDenied(
      `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${key.arn} ${reason}`,
    );
  }

  #verdict(
    action: string,
    key: LocalKmsKey,
    caller: LocalCredentials,
    encryptionContext: EncryptionContext,
    recipient: Recipient | null,
  ): ReturnType<typeof evaluateKeyPolicy> {
    const policy = readPolicy(this.#options.folder, key);
    if (policy === null) return "denied";
    const context = new Map<string, string>();
    for (const [name, value] of encryptionContext) {
      context.set(`kms:EncryptionContext:${name}`, value);
    }
    for (const [index, digest] of recipient?.pcrs ?? []) {
      const hex = Buffer.from(digest).toString("hex");
      context.set(`kms:RecipientAttestation:PCR${index}`, hex);
      if (index === 0) context.set("kms:RecipientAttestation:ImageSha384", hex);
    }
    try {
      return evaluateKeyPolicy(policy, { principalArn: caller.arn, action, context });
    } catch (error) {
      const text = error instanceof Error ? error.message : "unknown";
      process.stderr.write(`local KMS: the policy of ${key.arn} denies everything: ${text}\n`);
      return "denied";
    }
  }
}

function isRsa2048(publicKeyDer: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKeyDer), format: "der", type: "spki" });
    return key.asymmetricKeyDetails?.modulusLength === 2048;
  } catch {
    return false;
  }
}

/** With a Recipient the plaintext is left out of the answer altogether. */
function releasedTo(recipient: Recipient | null, plaintext: Buffer): JsonObject {
  if (recipient === null) return { Plaintext: plaintext.toString("base64") };
  const envelope = encryptForRecipient(plaintext, recipient.publicKey);
  return { CiphertextForRecipient: Buffer.from(envelope).toString("base64") };
}

function dataKeyBytes(body: JsonObject): number {
  const spec = optionalText(body, "KeySpec");
  const count = optionalNumber(body, "NumberOfBytes");
  if ((spec === undefined) === (count === undefined)) {
    throw validation("exactly one of KeySpec and NumberOfBytes is required");
  }
  const bytes = spec === undefined ? count : DATA_KEY_SPECS[spec];
  if (bytes === undefined || bytes < 1 || bytes > DATA_KEY_BYTES_MAX) {
    throw validation("KeySpec or NumberOfBytes is out of range");
  }
  return bytes;
}
