// The options of `redoubt policy`, parsed strictly: a policy for another role, account or register
// than was meant is worse than none. It reads no files.

import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { parseHex } from "../../shared/bytes/hex.ts";
import { type KeyArn, parseKeyArn } from "../../shared/key-arn.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parseArguments, parseOptions } from "./arguments.ts";

export type BuildOptions = {
  readonly kind: "build";
  /** Where the key is. */
  readonly account: string;
  readonly roleArn: string;
  readonly sealerArns: readonly string[];
  readonly adminArns: readonly string[];
  readonly pcrs: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Release records. */
  readonly releasePaths: readonly string[];
  /** JSON with the measurements of an image, as image tools print it. */
  readonly eifPaths: readonly string[];
  readonly manifestPaths: readonly string[];
  readonly pinsRole: boolean;
  readonly keyArn: KeyArn | null;
  readonly isJson: boolean;
};

export type LintOptions = {
  readonly kind: "lint";
  readonly path: string;
  readonly isJson: boolean;
};

/** Of one register: an upgrade needs two. A key policy has room for 32 KiB. */
export const PCR_VALUE_COUNT_MAX = 8;
const PRINCIPAL_COUNT_MAX = 8;

/** The registers that AWS fills, and the manifest's. All others are zero in every enclave. */
const REGISTERS: readonly number[] = [0, 1, 2, 3, 4, 8, 16];

const OPTIONS = {
  account: { type: "string" },
  role: { type: "string" },
  sealer: { type: "string", multiple: true },
  admin: { type: "string", multiple: true },
  pcr: { type: "string", multiple: true },
  release: { type: "string", multiple: true },
  "eif-json": { type: "string", multiple: true },
  manifest: { type: "string", multiple: true },
  "role-pcr3": { type: "boolean" },
  "key-arn": { type: "string" },
  json: { type: "boolean" },
} as const;

/** The error is a sentence for people; the exit code is 2. */
export function parsePolicyOptions(
  args: readonly string[],
): Result<BuildOptions | LintOptions, string> {
  return args[0] === "lint" ? parseLint(args.slice(1)) : parseBuild(args);
}

function parseLint(args: readonly string[]): Result<LintOptions, string> {
  const parsed = parseArguments(args, { json: { type: "boolean" } });
  if (!parsed.ok) return parsed;
  const [path, ...rest] = parsed.value.positionals;
  if (path === undefined || rest.length > 0) return err("lint takes one FILE");
  return ok({ kind: "lint", path, isJson: parsed.value.values.json ?? false });
}

function parseBuild(args: readonly string[]): Result<BuildOptions, string> {
  const parsed = parseOptions(args, OPTIONS);
  if (!parsed.ok) return parsed;
  const values = parsed.value;
  const { account, role: roleArn } = values;
  if (account === undefined || !/^\d{12}$/.test(account)) return err("--account takes 12 digits");
  if (roleArn === undefined || principalOf(roleArn)?.kind !== "role") {
    return err("--role takes one role's ARN: arn:aws:iam::111122223333:role/NAME");
  }
  const sealerArns = values.sealer ?? [];
  const adminArns = values.admin ?? [];
  const principals = checkPrincipals(account, roleArn, sealerArns, adminArns);
  if (!principals.ok) return principals;
  const keyArn = parseKey(values["key-arn"], account, roleArn);
  if (!keyArn.ok) return keyArn;
  const pcrs = parsePcrs(values.pcr ?? []);
  if (!pcrs.ok) return pcrs;
  const pinsRole = values["role-pcr3"] ?? false;
  if (pinsRole && pcrs.value.has(3)) return err("--role-pcr3 and --pcr 3 exclude each other");
  return ok({
    kind: "build",
    account,
    roleArn,
    sealerArns,
    adminArns,
    pcrs: pcrs.value,
    releasePaths: values.release ?? [],
    eifPaths: values["eif-json"] ?? [],
    manifestPaths: values.manifest ?? [],
    pinsRole,
    keyArn: keyArn.value,
    isJson: values.json ?? false,
  });
}

type Principal = { readonly partition: string; readonly account: string; readonly kind: string };

/** A role or a user of IAM. Neither an account, nor a session, nor a pattern. */
function principalOf(arn: string): Principal | undefined {
  const form =
    /^arn:(aws|aws-cn|aws-us-gov):iam::(\d{12}):(role|user)\/(?:[\w+=,.@-]+\/)*[\w+=,.@-]+$/;
  const [, partition, account, kind] = form.exec(arn) ?? [];
  if (partition === undefined || account === undefined || kind === undefined) return undefined;
  return arn.length <= 256 ? { partition, account, kind } : undefined;
}

function checkPrincipals(
  account: string,
  roleArn: string,
  sealerArns: readonly string[],
  adminArns: readonly string[],
): Result<null, string> {
  for (const [option, arns] of [
    ["--sealer", sealerArns],
    ["--admin", adminArns],
  ] as const) {
    const isCount = arns.length > 0 && arns.length <= PRINCIPAL_COUNT_MAX;
    if (!isCount || arns.some((arn) => principalOf(arn) === undefined)) {
      return err(`${option} takes the ARN of a role or a user, up to ${PRINCIPAL_COUNT_MAX} times`);
    }
  }
  const all = [roleArn, ...sealerArns, ...adminArns];
  if (new Set(all.map((arn) => arn.toLowerCase())).size !== all.length) {
    return err("--role, --sealer and --admin must differ: nobody is to hold two of these powers");
  }
  const partition = principalOf(roleArn)?.partition;
  if (all.some((arn) => principalOf(arn)?.partition !== partition)) {
    return err("the principals are of different partitions of AWS");
  }
  if (adminArns.some((arn) => principalOf(arn)?.account !== account)) {
    return err("--admin must be of the key's --account: PutKeyPolicy works in it alone");
  }
  return ok(null);
}

function parseKey(
  text: string | undefined,
  account: string,
  roleArn: string,
): Result<KeyArn | null, string> {
  if (text === undefined) return ok(null);
  const arn = parseKeyArn(text);
  if (!arn.ok) return err("--key-arn takes one full ARN of a KMS key");
  const problem = keyProblem(arn.value.text, account, roleArn);
  return problem === null ? ok(arn.value) : err(`--key-arn ${problem}`);
}

/** Why a key can't be the one that this policy is for. */
export function keyProblem(keyArn: string, account: string, roleArn: string): string | null {
  const [, partition, , , keyAccount] = keyArn.split(":");
  if (keyAccount !== account) return `names a key of account ${keyAccount}, not ${account}`;
  if (partition !== roleArn.split(":")[1]) return "names a key of another partition than --role";
  // A replica has a policy of its own, which this one says nothing about.
  return keyArn.includes(":key/mrk-")
    ? "names a multi-region key: its replicas open bundles too"
    : null;
}

function parsePcrs(
  texts: readonly string[],
): Result<ReadonlyMap<number, readonly Uint8Array[]>, string> {
  const pcrs = new Map<number, readonly Uint8Array[]>();
  const seen = new Set<string>();
  for (const text of texts) {
    const match = /^(0|[1-9]\d?)=([0-9a-fA-F]+)$/.exec(text);
    const index = Number(match?.[1] ?? -1);
    const value = parseHex(match?.[2] ?? "", PCR_BYTES);
    if (!value.ok || match === null) return err(`--pcr takes N=HEX, ${PCR_BYTES} bytes of hex`);
    if (!REGISTERS.includes(index)) {
      return err(`--pcr ${index}: this register is zero in every enclave of Redoubt`);
    }
    if (isZeroBytes(value.value)) {
      return err(
        `--pcr ${index}: zeros are an enclave in debug mode, or a register that is not set`,
      );
    }
    if (seen.has(text.toLowerCase())) return err(`--pcr ${index} is given twice with one value`);
    seen.add(text.toLowerCase());
    pcrs.set(index, [...(pcrs.get(index) ?? []), value.value]);
  }
  return ok(pcrs);
}
