// `redoubt policy`: writes the policy of the KMS key that opens sealed bundles, and judges one that
// is there. It changes nothing at AWS: whoever may put the policy reads it first.

import { encodeHex } from "../../shared/bytes/hex.ts";
import { err, type Result } from "../../shared/result.ts";
import type { Finding } from "../policy/finding.ts";
import { buildKeyPolicy, type KeyPolicyDocument } from "../policy/key-policy.ts";
import { lintKeyPolicy, policyAdministrators, policyRegisters } from "../policy/lint.ts";
import {
  checkRegisters,
  measureManifest,
  parseImagePcrs,
  parseReleasePcrs,
  type Registers,
  rolePcr,
  withValue,
} from "../policy/plan.ts";
import { unwrapPolicy } from "../policy/statement.ts";
import { readSourceFile } from "./attestation-source.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";
import {
  type BuildOptions,
  keyProblem,
  type LintOptions,
  PCR_VALUE_COUNT_MAX,
  parsePolicyOptions,
} from "./policy-options.ts";

const USAGE = `redoubt policy: the policy of the KMS key that opens sealed bundles

  redoubt policy --account ID --role ARN --sealer ARN --admin ARN
                 (--release FILE | --eif-json FILE | --pcr 0=HEX)
                 (--manifest FILE | --pcr 16=HEX) [OPTION...]
  redoubt policy lint FILE [--json]

Writes a key policy to stdout and what to know about it to stderr. Decrypt is allowed to one role, in
an enclave with this image and this manifest, and denied to everybody else; grants and re-encryption
are denied; sealers seal and read nothing; administrators change the policy and use nothing.

lint reads a key policy, or what \`aws kms get-key-policy\` printed, and names every hole in it, the
statement that has it and what it lets somebody do.

  --account ID        account of the key, 12 digits
  --role ARN          role of the parent's instance: it calls Decrypt for the enclave
  --sealer ARN        who seals bundles (redoubt seal); may be repeated
  --admin ARN         who changes this policy, of the key's account; may be repeated
  --release FILE      PCR0 to PCR2, from a release record
  --eif-json FILE     PCR0 to PCR2, from {"Measurements":{"PCR0":HEX,...}} as nitro-cli prints it
  --manifest FILE     PCR16, computed from the exact bytes of a manifest
  --pcr N=HEX         a register, 48 bytes; N is 0, 1, 2, 3, 4, 8 or 16. Zeros are refused
  --role-pcr3         pin PCR3 too, computed from --role
  --key-arn ARN       the key, to be compared with --account and every --manifest
  --json              one JSON object on stdout

--release, --eif-json, --manifest and --pcr may be repeated: an upgrade needs the old and the new
value for the time of the change, and a policy without the old one after it.

Exit codes: 0 written, or no hole (warnings are none); 1 a hole; 2 wrong use.

Example
  redoubt policy --account 111122223333 --role arn:aws:iam::111122223333:role/redoubt-parent \\
    --sealer arn:aws:iam::111122223333:role/redoubt-sealing \\
    --admin arn:aws:iam::111122223333:role/redoubt-kms-admin \\
    --release release.json --manifest manifest.json > policy.json
`;

export const command: Command = {
  name: "policy",
  summary: "write the KMS key policy for an image and a manifest, or lint one",
  usage: USAGE,
  run: async (args) => printOutcome(await runPolicy(args)),
};

export async function runPolicy(args: readonly string[]): Promise<Outcome> {
  const options = parsePolicyOptions(args);
  if (!options.ok) return misuse(options.error);
  return options.value.kind === "lint" ? lint(options.value) : build(options.value);
}

async function build(options: BuildOptions): Promise<Outcome> {
  const registers = await registersOf(options);
  if (!registers.ok) return misuse(registers.error);
  const policy = buildKeyPolicy({ ...options, pcrs: registers.value });
  const text = `${JSON.stringify(policy, null, 2)}\n`;
  const findings = lintKeyPolicy(new TextEncoder().encode(text));
  const notes = [...buildNotes(options, registers.value), ...findings.map(lineOf)];
  const hasHole = findings.some(({ severity }) => severity === "hole");
  // The builder and the judge disagree: then neither is to be trusted.
  if (hasHole) return { exitCode: 1, stdout: "", stderr: textOfNotes(notes) };
  if (!options.isJson) return { exitCode: 0, stdout: text, stderr: textOfNotes(notes) };
  const stdout = `${JSON.stringify(summaryOf(policy, registers.value, notes))}\n`;
  return { exitCode: 0, stdout, stderr: "" };
}

/** All registers, from options, images and manifests; the error is a sentence for people. */
async function registersOf(options: BuildOptions): Promise<Result<Registers, string>> {
  let registers: Registers = options.pcrs;
  const images = [
    ...options.releasePaths.map((path) => ({ path, parse: parseReleasePcrs })),
    ...options.eifPaths.map((path) => ({ path, parse: parseImagePcrs })),
  ];
  for (const { path, parse } of images) {
    const pcrs = await readAs(path, parse);
    if (!pcrs.ok) return pcrs;
    for (const [index, value] of pcrs.value) registers = withValue(registers, index, value);
  }
  const keyArns = new Set(options.keyArn === null ? [] : [options.keyArn.text]);
  for (const path of options.manifestPaths) {
    const manifest = await readAs(path, measureManifest);
    if (!manifest.ok) return manifest;
    const problem = keyProblem(manifest.value.keyArn, options.account, options.roleArn);
    if (problem !== null) return err(`${path} ${problem}`);
    registers = withValue(registers, 16, manifest.value.pcr);
    keyArns.add(manifest.value.keyArn);
  }
  if (keyArns.size > 1) return err(`more than one key is named: ${[...keyArns].join(", ")}`);
  if (options.pinsRole) registers = withValue(registers, 3, rolePcr(options.roleArn));
  return checkRegisters(registers, PCR_VALUE_COUNT_MAX);
}

async function readAs<T>(
  path: string,
  parse: (bytes: Uint8Array) => Result<T, string>,
): Promise<Result<T, string>> {
  const bytes = await readSourceFile(path);
  if (!bytes.ok) return bytes;
  const value = parse(bytes.value);
  return value.ok ? value : err(`${path} ${value.error}`);
}

function buildNotes(options: BuildOptions, registers: Registers): readonly string[] {
  const notes = [...registers].flatMap(([index, values]) =>
    values.map((value) => `PCR${index} ${encodeHex(value)}`),
  );
  const key = options.keyArn?.text ?? "KEY";
  notes.push(
    `put it with: aws kms put-key-policy --key-id ${key} --policy-name default --policy file://FILE`,
    "the account's root has no rights: unless an --admin puts it, KMS asks for " +
      "--bypass-policy-lockout-safety-check; if all of them are lost, only AWS support helps",
    "every --admin can still change this policy and let any enclave in: alarm in CloudTrail on " +
      "PutKeyPolicy, CreateGrant, ScheduleKeyDeletion and on every Decrypt",
  );
  for (const arn of [options.roleArn, ...options.sealerArns]) {
    if (arn.split(":")[4] === options.account) continue;
    notes.push(`${arn} is of another account: it needs an IAM policy there too`);
  }
  if ([...registers.values()].some((values) => values.length > 1)) {
    notes.push("a register has two values: write the policy without the old one after the change");
  }
  return notes;
}

function summaryOf(policy: KeyPolicyDocument, registers: Registers, notes: readonly string[]) {
  const pcrs: Record<string, readonly string[]> = {};
  for (const [index, values] of registers) pcrs[index] = values.map(encodeHex);
  return { ok: true, policy, pcrs, notes };
}

async function lint({ path, isJson }: LintOptions): Promise<Outcome> {
  const bytes = await readSourceFile(path);
  if (!bytes.ok) return misuse(bytes.error);
  const policy = unwrapPolicy(bytes.value);
  const findings = lintKeyPolicy(policy);
  const notes = [...registerNotes(policy), ...lintNotes(policyAdministrators(policy))];
  const holes = findings.filter(({ severity }) => severity === "hole").length;
  const exitCode = holes === 0 ? 0 : 1;
  if (isJson) {
    const stdout = `${JSON.stringify({ ok: holes === 0, findings, notes })}\n`;
    return { exitCode, stdout, stderr: "" };
  }
  const total = `${holes} holes, ${findings.length - holes} warnings`;
  const lines = [...findings.map(lineOf), ...notes.map((note) => `note: ${note}`), total];
  return { exitCode, stdout: `${lines.join("\n")}\n`, stderr: "" };
}

/** A lint can't know which image is the right one. */
function registerNotes(policy: Uint8Array): readonly string[] {
  return [...policyRegisters(policy)]
    .sort(([a], [b]) => a - b)
    .map(([index, values]) => `decrypts, if it is yours: PCR${index} ${values.join(" or ")}`);
}

function lintNotes(administrators: readonly string[] | null): readonly string[] {
  if (administrators === null) return [];
  if (administrators.length === 0) {
    return ["nobody can change this policy; if it is wrong, only AWS support helps"];
  }
  return [
    `can change this policy, and let any enclave in: ${administrators.join(", ")}`,
    "grants, the key's origin and replicas are not in a policy: see `aws kms list-grants` and " +
      "`aws kms describe-key` (Origin AWS_KMS, MultiRegion false)",
  ];
}

function lineOf({ severity, code, statement, what }: Finding): string {
  return `${severity.padEnd(7)}  ${code.padEnd(22)}  ${statement ?? "policy"}: ${what}`;
}

function textOfNotes(notes: readonly string[]): string {
  return notes.map((note) => `note: ${note}\n`).join("");
}

function misuse(reason: string): Outcome {
  const stderr = `redoubt policy: ${reason} (see \`redoubt policy --help\`)\n`;
  return { exitCode: 2, stdout: "", stderr };
}
