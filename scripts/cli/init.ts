// `redoubt init`: from the configuration of another signer to files that an enclave, a parent and
// an operator can start from. It must never overwrite a file, and never show a secret: it opens
// key files for their public keys alone.

import { access, mkdir, open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type KeyArn, parseKeyArn } from "../../shared/key-arn.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parseTmkmsConfig, TMKMS_CONFIG_BYTES_MAX } from "../tmkms/config.ts";
import { readChainKeys } from "../tmkms/key-files.ts";
import { manifestText, parentText } from "../tmkms/new-files.ts";
import { commandsOf, type Migration, nextStepsText } from "../tmkms/next-steps.ts";
import { planMigration } from "../tmkms/plan.ts";
import { parseOptions } from "./arguments.ts";
import { readSourceFile } from "./attestation-source.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";

const USAGE = `redoubt init: begin with what another signer's configuration says

  redoubt init --tmkms tmkms.toml --out DIR [--kms-key ARN] [--chain ID]... [--json]

Writes DIR/manifest.json, DIR/parent.json and DIR/NEXT-STEPS.md, which has the commands that seal
these keys and import these states, and prints each public key in its chain's key_format, as tmkms
prints it at its start: compare them. Opens softsign's key files for their public keys, seals and
signs nothing, and leaves tmkms as it is. What can't be carried over is listed, one by one: keys
in a YubiHSM, a Ledger or Fortanix DSM, account keys, state_hook, settings without a counterpart.

A relative path in tmkms.toml begins where tmkms is started: call this from the same folder.

  --tmkms FILE    the configuration of tmkms
  --out DIR       is made; none of the three files may be there
  --kms-key ARN   full ARN of the KMS key that bundles are sealed under. Without it two places
                  have to be filled in, and the files are refused until they are
  --chain ID      only this chain; may be repeated. A key that tmkms uses for several chains needs
                  an enclave for each
  --json          one JSON object on stdout

Exit codes: 0 written, and whole; 1 written without a key or a chain of tmkms, or something was
refused and nothing written; 2 wrong use.

Example
  redoubt init --tmkms /etc/tmkms/tmkms.toml --out redoubt-cosmos \\
    --kms-key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
`;

export const command: Command = {
  name: "init",
  summary: "begin with another signer's configuration: tmkms",
  usage: USAGE,
  run: async (args) => printOutcome(await runInit(args)),
};

type InitOptions = {
  readonly config: string;
  readonly out: string;
  readonly keyArn: KeyArn | null;
  readonly only: ReadonlySet<string> | null;
  readonly isJson: boolean;
};

const OPTIONS = {
  tmkms: { type: "string" },
  out: { type: "string" },
  "kms-key": { type: "string" },
  chain: { type: "string", multiple: true },
  json: { type: "boolean" },
} as const;

/** The error is a sentence for people; the exit code is 2. */
export function parseInitOptions(args: readonly string[]): Result<InitOptions, string> {
  const parsed = parseOptions(args, OPTIONS);
  if (!parsed.ok) return parsed;
  const { tmkms: config, out, "kms-key": arn, chain, json: isJson = false } = parsed.value;
  if (config === undefined) return err("--tmkms FILE is missing");
  if (out === undefined) return err("--out DIR is missing");
  const keyArn = arn === undefined ? null : parseKeyArn(arn);
  if (keyArn?.ok === false) {
    return err("--kms-key must be the full ARN of a KMS key, no alias and no id");
  }
  const only = chain === undefined ? null : new Set(chain);
  return ok({ config, out, keyArn: keyArn?.value ?? null, only, isJson });
}

export async function runInit(args: readonly string[]): Promise<Outcome> {
  const options = parseInitOptions(args);
  if (!options.ok) return misuse(options.error);
  const { config: path, out, keyArn, only, isJson } = options.value;
  const bytes = await readSourceFile(path, TMKMS_CONFIG_BYTES_MAX);
  if (!bytes.ok) return misuse(bytes.error);
  const config = parseTmkmsConfig(bytes.value);
  if (!config.ok) return refused(config.error, isJson);
  const stranger = [...(only ?? [])].find((id) => !config.value.chain.some((c) => c.id === id));
  if (stranger !== undefined) return misuse(`--chain ${stranger}: ${path} has no such chain`);
  const plan = planMigration(config.value, process.cwd(), only);
  if (!plan.ok) return refused(plan.error, isJson);
  const chains = await readChainKeys(plan.value.chains);
  if (!chains.ok) return refused(chains.error, isJson);
  const notes = [...plan.value.notes, ...(await missingFiles(plan.value))];
  const folder = resolve(out);
  const migration = { plan: { ...plan.value, notes }, chains: chains.value, keyArn, folder };
  const written = await writeNew(folder, [
    ["manifest.json", manifestText(chains.value, keyArn)],
    ["parent.json", parentText(plan.value, keyArn)],
    ["NEXT-STEPS.md", nextStepsText(migration)],
  ]);
  if (!written.ok) return refused([written.error], isJson);
  const exitCode = plan.value.leftOut.length === 0 ? 0 : 1;
  return { exitCode, stdout: (isJson ? jsonOf : textOf)(migration, written.value), stderr: "" };
}

/** They may lie on another machine, or be the sign of a wrong folder. */
async function missingFiles({
  chains,
  identityFile,
}: Migration["plan"]): Promise<readonly string[]> {
  const paths = chains.map(({ chainId, stateFile }) => [chainId, stateFile] as const);
  const notes: string[] = [];
  for (const [chainId, path] of paths) {
    if (await isThere(path)) continue;
    notes.push(`${chainId}: there is no state file ${path}; find the one that tmkms writes`);
  }
  if (identityFile !== null && !(await isThere(identityFile))) {
    notes.push(`there is no identity file ${identityFile}`);
  }
  return notes;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** All or none, as far as nobody else writes there meanwhile. Answers the paths. */
async function writeNew(
  folder: string,
  files: readonly (readonly [name: string, text: string])[],
): Promise<Result<readonly string[], string>> {
  const paths = files.map(([name]) => join(folder, name));
  for (const path of paths) if (await isThere(path)) return err(`${path} is there already`);
  const begun: string[] = [];
  try {
    await mkdir(join(folder, "bundles"), { recursive: true });
    for (const [name, text] of files) {
      const file = await open(join(folder, name), "wx");
      begun.push(join(folder, name));
      try {
        await file.writeFile(text);
      } finally {
        await file.close();
      }
    }
    return ok(paths);
  } catch (error) {
    // Half of it would stand in the way of the next try.
    for (const path of begun) await rm(path, { force: true });
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    return err(`${folder} can't be written (${code})`);
  }
}

function jsonOf(migration: Migration, written: readonly string[]): string {
  const { plan, chains } = migration;
  const keys = chains.map((chain) => ({
    chain: chain.chainId,
    publicKey: encodePrefixedHex(chain.publicKey),
    shownKey: chain.shownKey,
    address: chain.address,
    commands: commandsOf(chain, migration),
  }));
  const { leftOut, notes, nodes } = plan;
  const ok = leftOut.length === 0;
  return `${JSON.stringify({ ok, written, keys, nodes, leftOut, notes, problems: [] })}\n`;
}

function textOf({ plan, chains }: Migration, written: readonly string[]): string {
  const keys = chains.flatMap(({ chainId, shownKey, address }) => [
    chainId,
    `  key      ${shownKey}`,
    `  address  ${address}`,
    ...plan.nodes.filter((node) => node.chainId === chainId).map((n) => `  node     ${n.address}`),
  ]);
  const lines = [
    ...keys,
    ...plan.leftOut.map((line) => `left out: ${line}`),
    ...plan.notes.map((line) => `note: ${line}`),
    ...written.map((path) => `written: ${path}`),
  ];
  return `${lines.join("\n")}\n`;
}

function refused(problems: readonly string[], isJson: boolean): Outcome {
  const stderr = problems.map((problem) => `redoubt init: ${problem}\n`).join("");
  const stdout = isJson ? `${JSON.stringify({ ok: false, written: [], problems })}\n` : "";
  return { exitCode: 1, stdout, stderr };
}

function misuse(reason: string): Outcome {
  const stderr = `redoubt init: ${reason} (see \`redoubt init --help\`)\n`;
  return { exitCode: 2, stdout: "", stderr };
}
