// The command line of `redoubt seal`.

import { parseArgs } from "node:util";
import { type KeyArn, parseKeyArn } from "../../shared/key-arn.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type AwsOptions, readCredentials } from "./aws-options.ts";
import type { PasswordSource } from "./keystore-folder.ts";

export const SEAL_USAGE = `redoubt seal --keystores DIR (--password-file FILE | --passwords DIR)
             --kms-key ARN --out FILE.bundle [options]
redoubt seal --show FILE.bundle [--json]

Opens the EIP-2335 keystores of a folder and seals their keys into a bundle, under a data key that
KMS makes and gives back to an attested enclave only. Needs kms:GenerateDataKey on the key, and
nothing else. When a keystore can't be opened, nothing is sealed and every reason is listed; run
again after the repair: what was opened is kept, encrypted under the keystores' own passwords, in
FILE.bundle.partial, and is not opened again.

  --keystores DIR        folder with *.json; other JSON (deposit data) is listed and ignored
  --password-file FILE   one password for all keystores
  --passwords DIR        a password for each: NAME.txt for NAME.json
  --kms-key ARN          full ARN of the KMS key, as the manifest names it
  --out FILE.bundle      must not exist; with several bundles FILE-001.bundle, FILE-002.bundle ...
  --keys-per-bundle N    at most N keys in one bundle (default ${KEY_COUNT_MAX})
  --skip-failed          seal the others although some keystores failed
  --jobs N               keystores opened at once (default: as processors and memory allow)
  --kms-endpoint URL     another endpoint of KMS
  --kms-ca PEM           the only trust anchors for that endpoint
  --credentials FILE     AWS credentials as JSON (default: AWS_* variables, profile, role)
  --json                 one JSON object on stdout instead of text
  --show FILE            print what a bundle says in the clear: id, KMS key, number of keys

Exit codes: 0 sealed, 1 something failed and nothing was sealed, 2 wrong usage.

Example:
  redoubt seal --keystores validator_keys --password-file password.txt \\
    --kms-key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab \\
    --out keys.bundle
`;

export type SealOptions = {
  readonly keystoresDir: string;
  readonly passwords: PasswordSource;
  readonly keyArn: KeyArn;
  readonly out: string;
  readonly aws: AwsOptions;
  readonly jobCount: number | null;
  readonly keysPerBundle: number;
  readonly isSkippingFailed: boolean;
};

export type SealRequest =
  | { readonly kind: "help" }
  | { readonly kind: "show"; readonly file: string; readonly isJson: boolean }
  | { readonly kind: "seal"; readonly options: SealOptions; readonly isJson: boolean };

const OPTIONS = {
  keystores: { type: "string" },
  "password-file": { type: "string" },
  passwords: { type: "string" },
  "kms-key": { type: "string" },
  out: { type: "string" },
  "kms-endpoint": { type: "string" },
  "kms-ca": { type: "string" },
  credentials: { type: "string" },
  jobs: { type: "string" },
  "keys-per-bundle": { type: "string" },
  "skip-failed": { type: "boolean" },
  show: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

export async function parseSealArgs(args: readonly string[]): Promise<Result<SealRequest, string>> {
  let values: Values;
  try {
    ({ values } = parseArgs({ args: [...args], options: OPTIONS, strict: true }));
  } catch (error) {
    return err(error instanceof Error ? error.message : "wrong options");
  }
  if (values.help === true) return ok({ kind: "help" });
  const isJson = values.json === true;
  if (values.show !== undefined) return ok({ kind: "show", file: values.show, isJson });
  const options = await parseSealing(values);
  return options.ok ? ok({ kind: "seal", options: options.value, isJson }) : options;
}

async function parseSealing(values: Values): Promise<Result<SealOptions, string>> {
  const { keystores, out } = values;
  if (keystores === undefined) return err("--keystores is missing");
  if (out === undefined || !out.endsWith(".bundle")) return err("--out FILE.bundle is missing");
  const passwords = parsePasswords(values["password-file"], values.passwords);
  if (passwords === null) return err("give either --password-file or --passwords");
  const keyArn = parseKeyArn(values["kms-key"] ?? "");
  if (!keyArn.ok) return err("--kms-key must be the full ARN of a KMS key, no alias and no id");
  const jobCount = parseCount(values.jobs, 1024);
  if (jobCount === undefined) return err("--jobs must be a number from 1 to 1024");
  const keysPerBundle = parseCount(values["keys-per-bundle"], KEY_COUNT_MAX);
  if (keysPerBundle === undefined) {
    return err(`--keys-per-bundle must be a number from 1 to ${KEY_COUNT_MAX}`);
  }
  const endpoint = values["kms-endpoint"] ?? null;
  if (endpoint !== null && !URL.canParse(endpoint)) return err("--kms-endpoint must be a URL");
  const credentials =
    values.credentials === undefined ? null : await readCredentials(values.credentials);
  if (credentials?.ok === false) return credentials;
  return ok({
    keystoresDir: keystores,
    passwords,
    keyArn: keyArn.value,
    out,
    aws: { endpoint, caFile: values["kms-ca"] ?? null, credentials: credentials?.value ?? null },
    jobCount,
    keysPerBundle: keysPerBundle ?? KEY_COUNT_MAX,
    isSkippingFailed: values["skip-failed"] === true,
  });
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
