// The command line of `redoubt seal`.

import { access, constants } from "node:fs/promises";
import { basename } from "node:path";
import { isBundleName, isSecretPrefix } from "../../shared/bundle/chunks.ts";
import { type KeyArn, parseKeyArn } from "../../shared/key-arn.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type Arguments, parseOptions } from "./arguments.ts";
import { type AwsOptions, readCredentials } from "./aws-options.ts";
import type { PasswordSource } from "./keystore-folder.ts";
import type { SecretsTarget } from "./secret-writer.ts";
import type { KeySource } from "./validator-key-files.ts";

export const SEAL_USAGE = `redoubt seal --keystores DIR (--password-file FILE | --passwords DIR)
             --kms-key ARN --out FILE.bundle [--to-secrets-manager PREFIX] [options]
redoubt seal (--validator-keys PATH | --tmkms-ed25519 FILE | --tmkms-secp256k1 FILE)...
             --kms-key ARN --out FILE.bundle [--to-secrets-manager PREFIX] [options]
redoubt seal --store-credentials FILE --kms-key ARN --out FILE.bundle [options]
redoubt seal --send FILE.bundle --to-secrets-manager PREFIX [options]
redoubt seal --show FILE.bundle [--json]

Opens the EIP-2335 keystores of a folder and seals their keys into a bundle, under a data key that
KMS makes and gives back to an attested enclave only. Needs kms:GenerateDataKey on the key. When a
keystore can't be opened, nothing is sealed and every reason is listed; run again after the repair:
what was opened is kept, encrypted under the keystores' own passwords, in FILE.bundle.partial, and
is not opened again.

With --validator-keys it seals the consensus keys of CometBFT chains instead: files named
priv_validator_key.json, of the types Ed25519, Secp256k1, Bls12_381 and Secp256k1eth. One whose public
key or address is not that of its secret is refused. Keys of tmkms say neither their type nor their
public key: the option says the type, and the address that is printed is for you to compare. Only
seeds of Ed25519 can be sealed: expanded keys of tmkms (64 or 96 bytes) are refused. All these files
hold keys in the clear, and are left as they are.

With --store-credentials it seals no keys but the long-lived access key of the IAM user who reads and
writes the state store's table (redoubt table): {"accessKeyId": ..., "secretAccessKey": ...}.

With --to-secrets-manager the bundle is then written to AWS Secrets Manager too, as PREFIX/FILE/0000
and so on, in the place of what was there. When that fails, the file is there: go on with --send.
Needs secretsmanager:PutSecretValue, CreateSecret, DescribeSecret and DeleteSecret on PREFIX/*.

  --keystores DIR        folder with *.json; other JSON (deposit data) is listed and ignored
  --password-file FILE   one password for all keystores
  --passwords DIR        a password for each: NAME.txt for NAME.json
  --validator-keys PATH  a priv_validator_key.json, or a folder with *.json; other JSON in a folder
                         (genesis, node key) is listed and ignored. May be repeated
  --tmkms-ed25519 FILE   a softsign key of tmkms: one line of base64. May be repeated
  --tmkms-secp256k1 FILE the same, of the other type. May be repeated
  --store-credentials FILE
                         seal these credentials of the state store instead of keystores
  --kms-key ARN          full ARN of the KMS key, as the manifest names it
  --out FILE.bundle      must not exist; with several bundles FILE-001.bundle, FILE-002.bundle ...
  --keys-per-bundle N    at most N keys in one bundle (default ${KEY_COUNT_MAX})
  --skip-failed          seal the others although some files failed
  --jobs N               keystores opened at once (default: as processors and memory allow)
  --kms-endpoint URL     another endpoint of KMS
  --kms-ca PEM           the only trust anchors for KMS and Secrets Manager
  --to-secrets-manager PREFIX
                         write the bundle there too, as \`bundles\` of the parent read it
  --region R             of Secrets Manager (default: that of the KMS key)
  --secrets-endpoint URL another endpoint of Secrets Manager
  --credentials FILE     AWS credentials as JSON (default: AWS_* variables, profile, role)
  --json                 one JSON object on stdout instead of text
  --send FILE            write a sealed bundle to Secrets Manager; no key is opened
  --show FILE            print what a bundle says in the clear: id, KMS key, number of keys

Exit codes: 0 sealed, 1 something failed, 2 wrong usage. When a file or KMS fails, nothing is
sealed.

Examples:
  redoubt seal --keystores validator_keys --password-file password.txt \\
    --kms-key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab \\
    --out keys.bundle
  redoubt seal --validator-keys ~/.gaia/config/priv_validator_key.json \\
    --kms-key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab \\
    --out gaia.bundle
`;

/** Under which KMS key something is sealed, and whereto. */
export type SealTarget = {
  readonly keyArn: KeyArn;
  readonly out: string;
  readonly aws: AwsOptions;
  /** Null: into files only. */
  readonly secrets: SecretsTarget | null;
};

export type KeySealOptions = SealTarget & {
  readonly keysPerBundle: number;
  readonly isSkippingFailed: boolean;
};

export type KeystoreSealOptions = KeySealOptions & {
  readonly keystoresDir: string;
  readonly passwords: PasswordSource;
  readonly jobCount: number | null;
};

/** Keys of CometBFT's validators, instead of keystores. */
export type ValidatorSealOptions = KeySealOptions & { readonly sources: readonly KeySource[] };

/** The credentials of the state store, instead of keys. */
export type StoreSealOptions = SealTarget & { readonly credentialsFile: string };

/** The region is null when the bundle's KMS key says it. */
export type SendOptions = Omit<SecretsTarget, "region"> & {
  readonly file: string;
  readonly region: string | null;
};

export type SealRequest =
  | { readonly kind: "help" }
  | { readonly kind: "show"; readonly file: string; readonly isJson: boolean }
  | { readonly kind: "send"; readonly options: SendOptions; readonly isJson: boolean }
  | { readonly kind: "store"; readonly options: StoreSealOptions; readonly isJson: boolean }
  | {
      readonly kind: "keystores";
      readonly options: KeystoreSealOptions;
      readonly isJson: boolean;
    }
  | {
      readonly kind: "validators";
      readonly options: ValidatorSealOptions;
      readonly isJson: boolean;
    };

const OPTIONS = {
  keystores: { type: "string" },
  "password-file": { type: "string" },
  passwords: { type: "string" },
  "validator-keys": { type: "string", multiple: true },
  "tmkms-ed25519": { type: "string", multiple: true },
  "tmkms-secp256k1": { type: "string", multiple: true },
  "store-credentials": { type: "string" },
  "kms-key": { type: "string" },
  out: { type: "string" },
  "kms-endpoint": { type: "string" },
  "kms-ca": { type: "string" },
  "to-secrets-manager": { type: "string" },
  region: { type: "string" },
  "secrets-endpoint": { type: "string" },
  credentials: { type: "string" },
  jobs: { type: "string" },
  "keys-per-bundle": { type: "string" },
  "skip-failed": { type: "boolean" },
  send: { type: "string" },
  show: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = Arguments<typeof OPTIONS>["values"];

export async function parseSealArgs(args: readonly string[]): Promise<Result<SealRequest, string>> {
  const parsed = parseOptions(args, OPTIONS);
  if (!parsed.ok) return parsed;
  const values = parsed.value;
  if (values.help === true) return ok({ kind: "help" });
  const isJson = values.json === true;
  if (values.show !== undefined) return ok({ kind: "show", file: values.show, isJson });
  if (values.send !== undefined) {
    const sending = await parseSending(values, values.send);
    return sending.ok ? ok({ kind: "send", options: sending.value, isJson }) : sending;
  }
  if (values["store-credentials"] !== undefined) {
    const sealing = await parseStoreSealing(values, values["store-credentials"]);
    return sealing.ok ? ok({ kind: "store", options: sealing.value, isJson }) : sealing;
  }
  const sources = parseSources(values);
  if (sources.length > 0) {
    const sealing = await parseValidatorSealing(values, sources);
    return sealing.ok ? ok({ kind: "validators", options: sealing.value, isJson }) : sealing;
  }
  const options = await parseKeystoreSealing(values);
  return options.ok ? ok({ kind: "keystores", options: options.value, isJson }) : options;
}

/** Of keystores alone: with anything else to seal they would be ignored. */
const KEYSTORE_OPTIONS = ["keystores", "password-file", "passwords", "jobs"] as const;
const SOURCE_OPTIONS = ["validator-keys", "tmkms-ed25519", "tmkms-secp256k1"] as const;
const KEY_OPTIONS = ["keys-per-bundle", "skip-failed"] as const;

function parseSources(values: Values): readonly KeySource[] {
  const json = (values["validator-keys"] ?? []).map((path) => ({ kind: "json", path }) as const);
  const tmkms = (["ed25519", "secp256k1"] as const).flatMap((scheme) =>
    (values[`tmkms-${scheme}`] ?? []).map((path) => ({ kind: "tmkms", path, scheme }) as const),
  );
  return [...json, ...tmkms];
}

async function parseKeystoreSealing(values: Values): Promise<Result<KeystoreSealOptions, string>> {
  const { keystores } = values;
  if (keystores === undefined) return err("--keystores or --validator-keys is missing");
  const passwords = parsePasswords(values["password-file"], values.passwords);
  if (passwords === null) return err("give either --password-file or --passwords");
  const jobCount = parseCount(values.jobs, 1024);
  if (jobCount === undefined) return err("--jobs must be a number from 1 to 1024");
  const sealing = await parseKeySealing(values);
  if (!sealing.ok) return sealing;
  return ok({ ...sealing.value, keystoresDir: keystores, passwords, jobCount });
}

async function parseValidatorSealing(
  values: Values,
  sources: readonly KeySource[],
): Promise<Result<ValidatorSealOptions, string>> {
  const stray = KEYSTORE_OPTIONS.find((name) => values[name] !== undefined);
  if (stray !== undefined) return err(`give either --${stray} or keys of validators`);
  const sealing = await parseKeySealing(values);
  return sealing.ok ? ok({ ...sealing.value, sources }) : sealing;
}

async function parseKeySealing(values: Values): Promise<Result<KeySealOptions, string>> {
  const keysPerBundle = parseCount(values["keys-per-bundle"], KEY_COUNT_MAX);
  if (keysPerBundle === undefined) {
    return err(`--keys-per-bundle must be a number from 1 to ${KEY_COUNT_MAX}`);
  }
  const target = await parsePlace(values);
  if (!target.ok) return target;
  return ok({
    ...target.value,
    keysPerBundle: keysPerBundle ?? KEY_COUNT_MAX,
    isSkippingFailed: values["skip-failed"] === true,
  });
}

async function parseStoreSealing(
  values: Values,
  credentialsFile: string,
): Promise<Result<StoreSealOptions, string>> {
  const others = [...KEYSTORE_OPTIONS, ...SOURCE_OPTIONS, ...KEY_OPTIONS];
  const stray = others.find((name) => values[name] !== undefined);
  if (stray !== undefined) return err(`give either --store-credentials or --${stray}`);
  const place = await parsePlace(values);
  return place.ok ? ok({ ...place.value, credentialsFile }) : place;
}

/** Under which key, and whereto, whatever is sealed. */
async function parsePlace(values: Values): Promise<Result<SealTarget, string>> {
  const { out } = values;
  if (out === undefined || !out.endsWith(".bundle")) return err("--out FILE.bundle is missing");
  const keyArn = parseKeyArn(values["kms-key"] ?? "");
  if (!keyArn.ok) return err("--kms-key must be the full ARN of a KMS key, no alias and no id");
  const endpoint = values["kms-endpoint"] ?? null;
  if (endpoint !== null && !URL.canParse(endpoint)) return err("--kms-endpoint must be a URL");
  const aws = await parseAws(values);
  if (!aws.ok) return aws;
  const target = parseTarget(values, aws.value);
  if (!target.ok) return target;
  if (target.value !== null && !isBundleName(`${bundleNameOf(out)}-${KEY_COUNT_MAX}`)) {
    return err("--out must have a name that fits into a secret's: letters, digits, _+=.@-");
  }
  const region = target.value?.region ?? keyArn.value.region;
  return ok({
    keyArn: keyArn.value,
    out,
    aws: { ...aws.value, endpoint },
    secrets: target.value === null ? null : { ...target.value, region },
  });
}

async function parseSending(values: Values, file: string): Promise<Result<SendOptions, string>> {
  const others = ["keystores", "store-credentials", ...SOURCE_OPTIONS] as const;
  const stray = others.find((name) => values[name] !== undefined);
  if (stray !== undefined) return err(`give either --${stray} or --send`);
  if (!file.endsWith(".bundle") || !isBundleName(bundleNameOf(file))) {
    return err("--send takes NAME.bundle, with a name of letters, digits, _+=.@-");
  }
  const aws = await parseAws(values);
  if (!aws.ok) return aws;
  const target = parseTarget(values, aws.value);
  if (!target.ok) return target;
  if (target.value === null) return err("--to-secrets-manager is missing");
  return ok({ ...target.value, file });
}

/** A bundle's name is that of its file. */
export function bundleNameOf(file: string): string {
  return basename(file, ".bundle");
}

/** What all services have in common. */
async function parseAws(values: Values): Promise<Result<Omit<AwsOptions, "endpoint">, string>> {
  const credentials =
    values.credentials === undefined ? null : await readCredentials(values.credentials);
  if (credentials?.ok === false) return credentials;
  const caFile = values["kms-ca"] ?? null;
  if (caFile !== null && !(await isReadable(caFile))) return err(`can't read ${caFile}`);
  return ok({ caFile, credentials: credentials?.value ?? null });
}

async function isReadable(file: string): Promise<boolean> {
  try {
    await access(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Null when bundles go into files only. */
function parseTarget(
  values: Values,
  aws: Omit<AwsOptions, "endpoint">,
): Result<Omit<SendOptions, "file"> | null, string> {
  const { "to-secrets-manager": prefix, region, "secrets-endpoint": endpoint } = values;
  if (prefix === undefined) {
    const isStray = region !== undefined || endpoint !== undefined;
    return isStray ? err("--region and --secrets-endpoint need --to-secrets-manager") : ok(null);
  }
  if (!isSecretPrefix(prefix)) return err("--to-secrets-manager takes letters, digits, /_+=.@-");
  if (region !== undefined && !/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) {
    return err("--region must be an AWS region");
  }
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    return err("--secrets-endpoint must be a URL");
  }
  return ok({ prefix, region: region ?? null, aws: { ...aws, endpoint: endpoint ?? null } });
}

function parsePasswords(file: string | undefined, dir: string | undefined): PasswordSource | null {
  if (file !== undefined && dir === undefined) return { kind: "one", file };
  if (dir !== undefined && file === undefined) return { kind: "each", dir };
  return null;
}

/** Null when it was not given, undefined when it is wrong. */
function parseCount(text: string | undefined, max: number): number | null | undefined {
  if (text === undefined) return null;
  const count = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= max ? count : undefined;
}
