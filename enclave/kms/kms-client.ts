// Asks KMS for a wrapped key, with an attestation document that names us as the recipient. TLS ends
// here; the host follows from the key's ARN. It must never take a plaintext that KMS did not
// encrypt to us, read credentials, regions or endpoints from the environment, or try again by
// itself: the parent decides when, the caller verifies what comes out.

import {
  DecryptCommand,
  type DecryptCommandOutput,
  KMSClient,
  KMSServiceException,
} from "@aws-sdk/client-kms";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { type KeyArn, parseKeyArn } from "../../shared/key-arn.ts";
import { KMS_DEADLINE_MS, WRAPPED_KEY_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { KeyReleaser, Nsm, ReleaseRefusal, WrappedKey } from "../core/ports.ts";
import { BoundedHandler } from "./bounded-handler.ts";
import { openCiphertextForRecipient } from "./cms.ts";
import type { AwsCredentials, PushedCredentials } from "./credentials.ts";
import { decideReleaseRefusal } from "./kms-refusal.ts";
import { generateRecipientKey, type RecipientKey } from "./recipient-key.ts";
import { RelayAgent } from "./relay-agent.ts";
import type { RelayDialer } from "./relay-dialer.ts";

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
        wrapped,
        document: document.value,
        nowMs,
      });
      if (!answer.ok) return answer;
      return openAnswer(answer.value, arn.value, recipient);
    },
  };
}

type DecryptCall = {
  readonly arn: KeyArn;
  readonly credentials: AwsCredentials;
  readonly wrapped: WrappedKey;
  readonly document: Uint8Array;
  readonly nowMs: number;
};

/** One call with a client of its own: nothing is shared between two releases but the key pair. */
async function decrypt(
  options: KeyReleaserOptions,
  { arn, credentials, wrapped, document, nowMs }: DecryptCall,
): Promise<Result<DecryptCommandOutput, ReleaseRefusal>> {
  const { dialer, trustAnchors } = options;
  const agent = new RelayAgent({ dialer, host: arn.host, port: HTTPS_PORT, trustAnchors });
  const client = createClient(arn, credentials, agent, nowMs);
  try {
    const command = new DecryptCommand({
      KeyId: arn.text,
      CiphertextBlob: wrapped.ciphertext,
      EncryptionContext: { ...wrapped.encryptionContext },
      EncryptionAlgorithm: ENCRYPTION_ALGORITHM,
      Recipient: {
        AttestationDocument: document,
        KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      },
    });
    const abortSignal = AbortSignal.timeout(options.deadlineMs ?? KMS_DEADLINE_MS);
    return ok(await client.send(command, { abortSignal }));
  } catch (error) {
    if (agent.refusal !== null) return err(ofRelay(agent.refusal));
    return err(refusal(decideReleaseRefusal(error, KMSServiceException)));
  } finally {
    client.destroy();
    agent.destroy();
  }
}

/** Every setting that the SDK would otherwise look for in the environment or in files is given. */
function createClient(
  arn: KeyArn,
  credentials: AwsCredentials,
  agent: RelayAgent,
  nowMs: number,
): KMSClient {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return new KMSClient({
    region: arn.region,
    endpoint: `https://${arn.host}`,
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === null ? {} : { sessionToken }),
    },
    requestHandler: new BoundedHandler({ httpsAgent: agent }),
    // The SDK signs the time of day: the system's clock corrected to ours.
    disableClockSkewCorrection: false,
    // oxlint-disable-next-line no-restricted-globals -- the only use: what trusted time differs by
    systemClockOffset: nowMs - Date.now(),
    maxAttempts: 1,
    retryMode: "standard",
    defaultsMode: "standard",
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    authSchemePreference: ["sigv4"],
    userAgentAppId: "redoubt",
  });
}

function ofRelay(cause: Refusal): ReleaseRefusal {
  const { code } = cause;
  if (code === "RELAY_HOST_DENIED" || code === "RELAY_UNREACHABLE") return refusal(code);
  return refusal("KMS_UNAVAILABLE");
}

function openAnswer(
  answer: DecryptCommandOutput,
  arn: KeyArn,
  recipient: RecipientKey,
): Result<Uint8Array<ArrayBuffer>, ReleaseRefusal> {
  const { Plaintext, CiphertextForRecipient, KeyId, EncryptionAlgorithm } = answer;
  if (Plaintext !== undefined && Plaintext.length > 0) {
    // KMS never does this for a Recipient: whoever answered has ignored it.
    Plaintext.fill(0);
    return err(refusal("KMS_MALFORMED"));
  }
  if (KeyId === undefined) return err(refusal("KMS_MALFORMED"));
  if (KeyId !== arn.text) return err(refusal("KMS_KEY_MISMATCH"));
  if (EncryptionAlgorithm !== undefined && EncryptionAlgorithm !== ENCRYPTION_ALGORITHM) {
    return err(refusal("KMS_MALFORMED"));
  }
  if (CiphertextForRecipient === undefined) return err(refusal("KMS_MALFORMED"));
  return openCiphertextForRecipient(CiphertextForRecipient, recipient);
}
