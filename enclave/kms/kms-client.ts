// Asks KMS for a wrapped key, with an attestation document that names us as the recipient. TLS ends
// here; the host follows from the key's ARN. It must never take a plaintext that KMS did not
// encrypt to us, or try again by itself: the parent decides when, the caller verifies what comes
// out.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { type KeyArn, parseKeyArn } from "../../shared/key-arn.ts";
import {
  KMS_ANSWER_BYTES_MAX,
  KMS_DEADLINE_MS,
  WRAPPED_KEY_BYTES_MAX,
} from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { encodeBase64, parseBase64 } from "../aws/base64.ts";
import type { AwsCredentials, PushedCredentials } from "../aws/credentials.ts";
import { type AwsFailure, callAwsJson, type JsonValue } from "../aws/json-call.ts";
import { RelayAgent } from "../aws/relay-agent.ts";
import type { RelayDialer } from "../aws/relay-dialer.ts";
import { type JsonObject, member } from "../core/json.ts";
import type { KeyReleaser, Nsm, ReleaseRefusal, WrappedKey } from "../core/ports.ts";
import { openCiphertextForRecipient } from "./cms.ts";
import { decideReleaseRefusal } from "./kms-refusal.ts";
import { generateRecipientKey, type RecipientKey } from "./recipient-key.ts";

export type KeyReleaserOptions = {
  readonly nsm: Pick<Nsm, "attest">;
  readonly dialer: RelayDialer;
  readonly credentials: Pick<PushedCredentials, "current">;
  /** PEM certificates that KMS's chain must end at; part of the image. */
  readonly trustAnchors: readonly string[];
  /** Trusted Unix time, null when there is none. */
  readonly nowMs: () => number | null;
  readonly deadlineMs?: number;
};

const HTTPS_PORT = 443;
/** The only algorithm of a key that encrypts data keys. */
const ENCRYPTION_ALGORITHM = "SYMMETRIC_DEFAULT";

export function createKeyReleaser(options: KeyReleaserOptions): KeyReleaser {
  // One key pair for the releaser's life, made when it is first needed. A failure to make one is
  // a fault of the machine, not of a request: it rejects, and ends the process.
  let recipientKey: Promise<RecipientKey> | null = null;
  return {
    release: async (wrapped) => {
      const arn = parseKeyArn(wrapped.keyArn);
      if (!arn.ok || wrapped.ciphertext.length > WRAPPED_KEY_BYTES_MAX) {
        return err(refusal("KMS_INVALID"));
      }
      const nowMs = options.nowMs();
      if (nowMs === null) return err(refusal("TIME_STALE"));
      const credentials = options.credentials.current(nowMs);
      if (!credentials.ok) return credentials;
      recipientKey ??= generateRecipientKey();
      const recipient = await recipientKey;
      const document = await options.nsm.attest({
        userData: null,
        nonce: null,
        publicKey: recipient.publicKeyDer,
      });
      if (!document.ok) return document;
      const answer = await decrypt(options, {
        arn: arn.value,
        credentials: credentials.value,
        body: encodeDecrypt(arn.value, wrapped, document.value),
        nowMs,
      });
      if (!answer.ok) return answer;
      const ciphertext = parseDecrypted(answer.value, arn.value);
      if (!ciphertext.ok) return ciphertext;
      return openCiphertextForRecipient(ciphertext.value, recipient);
    },
  };
}

function encodeDecrypt(arn: KeyArn, wrapped: WrappedKey, document: Uint8Array) {
  return {
    KeyId: arn.text,
    CiphertextBlob: encodeBase64(wrapped.ciphertext),
    EncryptionContext: wrapped.encryptionContext,
    EncryptionAlgorithm: ENCRYPTION_ALGORITHM,
    Recipient: {
      AttestationDocument: encodeBase64(document),
      KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256",
    },
  };
}

type DecryptCall = {
  readonly arn: KeyArn;
  readonly credentials: AwsCredentials;
  readonly body: { readonly [name: string]: JsonValue };
  readonly nowMs: number;
};

/** One call with a connection of its own: two releases share nothing but the key pair. */
async function decrypt(
  options: KeyReleaserOptions,
  { arn, credentials, body, nowMs }: DecryptCall,
): Promise<Result<JsonObject, ReleaseRefusal>> {
  const { dialer, trustAnchors } = options;
  const agent = new RelayAgent({
    dialer,
    host: arn.host,
    port: HTTPS_PORT,
    trustAnchors,
    nowMs: options.nowMs,
  });
  const answer = await callAwsJson(agent, {
    host: arn.host,
    region: arn.region,
    service: "kms",
    target: "TrentService.Decrypt",
    jsonVersion: "1.1",
    body,
    credentials,
    nowMs,
    deadlineMs: options.deadlineMs ?? KMS_DEADLINE_MS,
    answerBytesMax: KMS_ANSWER_BYTES_MAX,
  });
  agent.destroy();
  if (!answer.ok) return err(ofFailure(answer.error));
  if (answer.value.kind === "success") return ok(answer.value.body);
  return err(refusal(decideReleaseRefusal(answer.value.status, answer.value.name)));
}

function ofFailure(failure: AwsFailure): ReleaseRefusal {
  switch (failure.kind) {
    case "relay":
      return ofRelay(failure.refusal);
    case "unavailable":
      return refusal("KMS_UNAVAILABLE");
    case "malformed":
      return refusal("KMS_MALFORMED");
  }
}

function ofRelay({ code }: Refusal): ReleaseRefusal {
  if (code === "RELAY_HOST_DENIED" || code === "RELAY_UNREACHABLE") return refusal(code);
  return refusal("KMS_UNAVAILABLE");
}

/** The envelope of an answer for this key. Unknown members are left alone, as AWS asks for. */
function parseDecrypted(answer: JsonObject, arn: KeyArn): Result<Uint8Array, ReleaseRefusal> {
  // KMS never sends one for a Recipient (nitro-kms.md §4): whoever answered has ignored it.
  const plaintext = member(answer, "Plaintext") ?? "";
  const keyId = member(answer, "KeyId");
  const algorithm = member(answer, "EncryptionAlgorithm") ?? ENCRYPTION_ALGORITHM;
  const ciphertext = member(answer, "CiphertextForRecipient");
  if (plaintext !== "" || typeof keyId !== "string") return err(refusal("KMS_MALFORMED"));
  if (keyId !== arn.text) return err(refusal("KMS_KEY_MISMATCH"));
  if (algorithm !== ENCRYPTION_ALGORITHM || typeof ciphertext !== "string") {
    return err(refusal("KMS_MALFORMED"));
  }
  const bytes = parseBase64(ciphertext, KMS_ANSWER_BYTES_MAX);
  return bytes.ok ? bytes : err(refusal("KMS_MALFORMED"));
}
