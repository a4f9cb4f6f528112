// The local stand-ins of AWS KMS and Secrets Manager as one program, over one HTTPS listener. Keys
// lie in DIR/keys/ID (with policy.json beside), secrets in DIR/secrets. It prints one JSON line
// when it is ready. It must never be started where real keys are: its secrets lie on the disk.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseAddress } from "../../shared/address.ts";
import { verifyAttestation } from "../../shared/attestation/verify.ts";
import { ok } from "../../shared/result.ts";
import { type AwsServer, startAwsServer } from "./aws-server.ts";
import { createLocalCa } from "./ca.ts";
import { isJsonObject, optionalText, requiredText } from "./json-fields.ts";
import { createLocalKms, type VerifyDocument } from "./kms-server.ts";
import { createLocalSecretsManager } from "./secrets-server.ts";
import type { LocalCredentials } from "./sigv4.ts";
import { runStandIn } from "./stand-in.ts";

const USAGE = `usage: kms-program.ts --dir DIR --nsm-root PEM --ca-dir DIR --credentials FILE
  [--listen tcp://127.0.0.1:0] [--account 000000000000] [--region eu-central-1]

  --dir DIR           keys and secrets
  --nsm-root PEM      the root that attestation documents must end at
  --ca-dir DIR        the local CA, made on first use; the listener's certificate is kept there
  --credentials FILE  JSON: {AccessKeyId, SecretAccessKey, Token?, Arn?}, or a list of them
  --listen ADDRESS    where to listen; port 0 lets the system choose
`;

/** KMS takes documents for about five minutes (nitro-kms.md §4). */
export const DOCUMENT_AGE_MS_MAX = 5 * 60_000;
const DOCUMENT_SKEW_MS_MAX = 60_000;

export const LOCAL_ACCOUNT_ID = "000000000000";
export const LOCAL_REGION = "eu-central-1";

/** Documents under this root, of any enclave that is not in debug mode: the policy decides. */
export function createDocumentVerifier(rootPem: string): VerifyDocument {
  const rootDer = new X509Certificate(rootPem).raw;
  return (bytes, nowMs) => {
    const verified = verifyAttestation(bytes, {
      rootDer,
      atMs: nowMs,
      pcrs: "any",
      nonce: null,
      // The real KMS takes debug documents too: their PCRs are zero, and no policy allows that.
      allowDebug: true,
      ageMsMax: DOCUMENT_AGE_MS_MAX,
      futureSkewMsMax: DOCUMENT_SKEW_MS_MAX,
    });
    if (!verified.ok) return verified;
    return ok({ pcrs: verified.value.pcrs, publicKey: verified.value.publicKey });
  };
}

/** One credential or a list of them, in the names that AWS's own files use. */
export function parseLocalCredentials(text: string): readonly LocalCredentials[] {
  const file: unknown = JSON.parse(text);
  const list: readonly unknown[] = Array.isArray(file) ? file : [file];
  return list.map((item) => {
    if (!isJsonObject(item)) throw new RangeError("a credential is not an object");
    return {
      accessKeyId: requiredText(item, "AccessKeyId"),
      secretAccessKey: requiredText(item, "SecretAccessKey"),
      sessionToken: optionalText(item, "Token") ?? null,
      arn: optionalText(item, "Arn") ?? `arn:aws:iam::${LOCAL_ACCOUNT_ID}:role/redoubt-local`,
    };
  });
}

function start(): Promise<AwsServer> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    strict: true,
    options: {
      dir: text,
      "nsm-root": text,
      "ca-dir": text,
      credentials: text,
      listen: { type: "string", default: "tcp://127.0.0.1:0" },
      account: { type: "string", default: LOCAL_ACCOUNT_ID },
      region: { type: "string", default: LOCAL_REGION },
    },
  });
  const { dir, "nsm-root": nsmRoot, "ca-dir": caDir, credentials, account, region } = values;
  const listen = parseAddress(values.listen);
  if (
    dir === undefined ||
    nsmRoot === undefined ||
    caDir === undefined ||
    credentials === undefined ||
    !listen.ok ||
    listen.value.kind !== "tcp"
  ) {
    throw new RangeError("an option is missing or malformed");
  }
  const tls = createLocalCa(caDir).issueFiles("aws", {
    commonName: "local AWS",
    dnsNames: [
      `kms.${region}.amazonaws.com`,
      `secretsmanager.${region}.amazonaws.com`,
      "localhost",
    ],
    ipAddresses: ["127.0.0.1"],
    usage: ["server"],
  });
  const nowMs = Date.now;
  const verifyDocument = createDocumentVerifier(readFileSync(nsmRoot, "utf8"));
  const kms = createLocalKms({ folder: join(dir, "keys"), verifyDocument, nowMs });
  const arnPrefix = `arn:aws:secretsmanager:${region}:${account}`;
  return startAwsServer({
    listen: listen.value,
    certificatePem: tls.certificatePem,
    privateKeyPem: tls.privateKeyPem,
    services: [kms, createLocalSecretsManager(join(dir, "secrets"), arnPrefix)],
    credentials: () => parseLocalCredentials(readFileSync(credentials, "utf8")),
    nowMs,
  });
}

if (import.meta.main) await runStandIn(USAGE, start);
