// The local KMS on a port of its own behind a real relay, and what an enclave needs to use it: the
// NSM simulator, credentials, a key with a policy. Everything in one process and one folder.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createNsm } from "../../enclave/attestation/nsm.ts";
import { type AwsCredentials, PushedCredentials } from "../../enclave/aws/credentials.ts";
import { createRelayDialer, type RelayDialer } from "../../enclave/aws/relay-dialer.ts";
import type { KeyReleaser, WrappedKey } from "../../enclave/core/ports.ts";
import { createKeyReleaser, type KeyReleaserOptions } from "../../enclave/kms/kms-client.ts";
import { connectTo } from "../../parent/platform/socket.ts";
import { type Relay, startRelay } from "../../parent/relay/relay.ts";
import { type AwsFault, type AwsServer, startAwsServer } from "../../scripts/local/aws-server.ts";
import { createLocalCa, type LocalCa } from "../../scripts/local/ca.ts";
import { encodeCertificatePem } from "../../scripts/local/certificate-issuer.ts";
import { createLocalKmsKey, encryptUnder, readLocalKmsKey } from "../../scripts/local/kms-keys.ts";
import { createDocumentVerifier } from "../../scripts/local/kms-program.ts";
import { createLocalKms } from "../../scripts/local/kms-server.ts";
import { createRoot } from "../../scripts/local/nsm-pki.ts";
import { NsmSimulator, sampleMeasurements } from "../../scripts/local/nsm-simulator.ts";
import { createLocalSecretsManager } from "../../scripts/local/secrets-server.ts";
import type { LocalCredentials } from "../../scripts/local/sigv4.ts";
import { invariant } from "../../shared/invariant.ts";
import { SilentLog } from "./silent-log.ts";

export const REGION = "eu-central-1";
export const KMS_HOST = `kms.${REGION}.amazonaws.com`;
export const ACCOUNT_ID = "111122223333";
export const CALLER: LocalCredentials = {
  accessKeyId: "ASIALOCALLOCALLOCAL1",
  secretAccessKey: "local/secret+access/key+of/forty+chars+00",
  sessionToken: "local-session-token",
  arn: `arn:aws:iam::${ACCOUNT_ID}:role/redoubt`,
};
export const CONTEXT = { "redoubt:bundle": "validators-1", "redoubt:purpose": "bundle" };
export const DATA_KEY = Buffer.from("the data key of a bundle, 32 b.!");
export const PCRS = sampleMeasurements("redoubt test");

export type LocalAws = {
  readonly folder: string;
  readonly ca: LocalCa;
  readonly server: AwsServer;
  readonly relay: Relay;
  readonly dialer: RelayDialer;
  /** Trusted time; the simulated NSM, KMS and the enclave share it. */
  nowMs: () => number;
  fault: (operation: string, body: string) => AwsFault | undefined;
  /** A key under this policy, and a data key wrapped under it. */
  wrap(policy: object): WrappedKey;
  releaser(options?: Partial<KeyReleaserOptions>, credentials?: AwsCredentials): KeyReleaser;
};

export async function startLocalAws(context: TestContext): Promise<LocalAws> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-aws-"));
  const ca = createLocalCa(join(folder, "ca"));
  const root = createRoot();
  const keys = join(folder, "keys");
  const state = {
    nowMs: (): number => Date.now(),
    fault: (_operation: string, _body: string): AwsFault | undefined => undefined,
  };
  const nowMs = (): number => state.nowMs();
  const verifyDocument = createDocumentVerifier(encodeCertificatePem(root.der));
  const kms = createLocalKms({ folder: keys, verifyDocument, nowMs });
  const arnPrefix = `arn:aws:secretsmanager:${REGION}:${ACCOUNT_ID}`;
  const server = await startAwsServer({
    listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
    ...ca.issueCertificate({
      commonName: "aws",
      dnsNames: [KMS_HOST, "localhost"],
      ipAddresses: ["127.0.0.1"],
      usage: ["server"],
    }),
    services: [kms, createLocalSecretsManager(join(folder, "secrets"), arnPrefix)],
    credentials: () => [CALLER],
    nowMs,
    fault: (operation, body) => state.fault(operation, body),
  });
  const relay = await startRelay({
    listen: { kind: "unix", path: join(folder, "relay.sock") },
    allow: [`${KMS_HOST}:443`],
    hosts: new Map([[`${KMS_HOST}:443`, `127.0.0.1:${server.port}`]]),
    log: new SilentLog(),
  });
  context.after(async () => {
    await relay.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const dialer = createRelayDialer(() => connectTo(relay.address, 5000, { allowHalfOpen: true }));
  const simulator = new NsmSimulator({ root, nowMs, pcrs: PCRS, isDebug: false });
  const credentials = new PushedCredentials();
  return Object.assign(state, {
    folder,
    ca,
    server,
    relay,
    dialer,
    wrap: (policy: object) => wrapUnder(keys, policy),
    releaser: (
      options: Partial<KeyReleaserOptions> = {},
      pushed: AwsCredentials = { ...CALLER, expirationMs: 0 },
    ) => {
      invariant(credentials.put(pushed).ok, "the credentials are well-formed");
      const nsm = createNsm(simulator.device());
      const trustAnchors = [ca.certificatePem];
      return createKeyReleaser({ nsm, dialer, credentials, trustAnchors, nowMs, ...options });
    },
  });
}

function wrapUnder(keys: string, policy: object): WrappedKey {
  const spec = { region: REGION, accountId: ACCOUNT_ID, policy: JSON.stringify(policy) };
  const keyArn = createLocalKmsKey(keys, spec);
  const key = readLocalKmsKey(keys, keyArn);
  invariant(key !== undefined, "the key was just made");
  const ciphertext = encryptUnder(key, DATA_KEY, new Map(Object.entries(CONTEXT)));
  return { keyArn, ciphertext, encryptionContext: CONTEXT };
}

/** Decrypt for this image only, and only through an attestation document. */
export function imagePolicy(pcr0: Uint8Array): object {
  const hex = Buffer.from(pcr0).toString("hex");
  const condition = { "kms:RecipientAttestation:ImageSha384": hex };
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: CALLER.arn },
        Action: "kms:Decrypt",
        Resource: "*",
        Condition: { StringEqualsIgnoreCase: condition },
      },
      {
        Effect: "Deny",
        Principal: "*",
        Action: "kms:Decrypt",
        Resource: "*",
        Condition: { StringNotEqualsIgnoreCase: condition },
      },
    ],
  };
}
