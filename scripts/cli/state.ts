// `redoubt state`: first records, what is recorded, and EIP-3076 files in and out. Everything is
// decided in the enclave; a command that was refused or only half done exits with 1.

import { open } from "node:fs/promises";
import { parseArgs } from "node:util";
import { encodePrefixedHex, parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { INTERCHANGE_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SCHEMES } from "../../shared/scheme.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import { type Admin, describeRefusal, openAdmin, parseAdminPath } from "./admin.ts";
import { listKeys, pagesOf, selectKeys, showStates } from "./admin-keys.ts";
import { writeFilesAtomically } from "./atomic-file.ts";
import type { Command, ExitCode } from "./command.ts";
import { encodeInterchange, parseInterchange } from "./interchange.ts";
import { readState } from "./state-export.ts";
import { type ImportKind, type ImportLine, importMaxima } from "./state-import.ts";

const USAGE = `redoubt state: the slashing protection records of the enclave's keys

  redoubt state init (--all | --key KEY...)   first records, for keys that have none
  redoubt state show [--key KEY...]           what is recorded
  redoubt state import FILE [--dry-run]       raise floors from an EIP-3076 file
  redoubt state export (FILE | -)             write an EIP-3076 file ("-": to stdout)

Options
  --admin URL   the parent's admin socket (unix:///...); default .redoubt/local/admin.sock
  --json        one JSON document on stdout instead of text

A key without a record signs nothing. Only initialise a key that has never signed anywhere else;
for any other key import the EIP-3076 file of the signer that it comes from. An import never
lowers a floor. Stop the validators before an export: what is signed later is not in the file.

Example
  redoubt state import slashing-protection.json --dry-run
`;

type Options = {
  readonly all: boolean;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
  readonly keys: readonly Uint8Array[];
  readonly adminPath: string;
  readonly file: string | null;
};

/** A wrong use of the command: exit code 2. */
type Misuse = { readonly misuse: string };

type Action = {
  readonly options: readonly string[];
  readonly needsFile: boolean;
  readonly run: (admin: Admin, options: Options) => Promise<Result<ExitCode, Refusal>>;
};

const ACTIONS: Readonly<Record<string, Action>> = {
  init: { options: ["all", "key"], needsFile: false, run: init },
  show: { options: ["key"], needsFile: false, run: show },
  import: { options: ["dry-run"], needsFile: true, run: importFile },
  export: { options: [], needsFile: true, run: exportFile },
};

export const command: Command = {
  name: "state",
  summary: "slashing protection records: init, show, import and export (EIP-3076)",
  usage: USAGE,
  run,
};

async function run(args: readonly string[]): Promise<ExitCode> {
  const [name = "", ...rest] = args;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) return misuse("say one of init, show, import, export");
  const options = parseOptions(name, action, rest);
  if (!options.ok) return misuse(options.error.misuse);
  const admin = await openAdmin(options.value.adminPath);
  if (!admin.ok) return refused(admin.error, `at ${options.value.adminPath}`);
  try {
    const outcome = await action.run(admin.value, options.value);
    return outcome.ok ? outcome.value : refused(outcome.error);
  } finally {
    admin.value.close();
  }
}

function misuse(text: string): ExitCode {
  process.stderr.write(`redoubt state: ${text}; see \`redoubt state --help\`\n`);
  return 2;
}

function refused(error: Refusal, where = ""): ExitCode {
  process.stderr.write(`redoubt state: ${describeRefusal(error)}${where && ` ${where}`}\n`);
  return 1;
}

function note(text: string): void {
  process.stderr.write(`redoubt state: ${text}\n`);
}

function parseOptions(
  name: string,
  action: Action,
  args: readonly string[],
): Result<Options, Misuse> {
  const parsed = parseFlags(args);
  if (parsed === null) return err({ misuse: "unknown option or missing value" });
  const { values, positionals } = parsed;
  for (const option of ["all", "key", "dry-run"] as const) {
    if (values[option] !== undefined && !action.options.includes(option)) {
      return err({ misuse: `${name} has no option --${option}` });
    }
  }
  const takesKeys = values.key !== undefined;
  const [file, ...extra] = positionals;
  if (action.needsFile && (file === undefined || extra.length > 0)) {
    return err({ misuse: `${name} takes exactly one file` });
  }
  if (!action.needsFile && positionals.length > 0 && !takesKeys) {
    return err({ misuse: `${name} takes no ${positionals[0] ?? ""}` });
  }
  const keys = parseKeys([...(values.key ?? []), ...(takesKeys ? positionals : [])]);
  if (!keys.ok) return keys;
  const all = values.all ?? false;
  if (name === "init" && all === takesKeys) return err({ misuse: "say either --all or --key" });
  const adminPath = parseAdminPath(values.admin);
  if (!adminPath.ok) return err({ misuse: "--admin takes unix:///PATH" });
  return ok({
    all,
    isDryRun: values["dry-run"] ?? false,
    isJson: values.json ?? false,
    keys: keys.value,
    adminPath: adminPath.value,
    file: action.needsFile ? (file ?? null) : null,
  });
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        all: { type: "boolean" },
        key: { type: "string", multiple: true },
        admin: { type: "string" },
        json: { type: "boolean" },
        "dry-run": { type: "boolean" },
      },
    });
  } catch {
    return null;
  }
}

function parseKeys(texts: readonly string[]): Result<readonly Uint8Array[], Misuse> {
  const keys = new Map<string, Uint8Array>();
  for (const text of texts) {
    const prefixed = text.startsWith("0x") ? text : `0x${text}`;
    const key = parsePrefixedHex(prefixed, SCHEMES["bls12381-pop"].publicKeyBytes);
    if (!key.ok) return err({ misuse: `${text} is not a public key of 48 bytes in hex` });
    keys.set(prefixed.toLowerCase(), key.value);
  }
  return ok([...keys.values()]);
}

/** The keys that the options name, or all of them. */
async function chosenKeys(
  admin: Admin,
  options: Options,
): Promise<Result<readonly Uint8Array[], Refusal>> {
  if (options.keys.length === 0) return listKeys(admin);
  const selected = await selectKeys(admin, options.keys);
  if (!selected.ok) return selected;
  const [unknown] = selected.value.unknown;
  if (unknown === undefined) return ok(selected.value.known);
  note(`not a key of the enclave: ${encodePrefixedHex(unknown)}`);
  return err(refusal("KEY_UNKNOWN"));
}

async function init(admin: Admin, options: Options): Promise<Result<ExitCode, Refusal>> {
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  let createdCount = 0;
  for (const page of pagesOf(keys.value)) {
    const created = await admin.call("state.init", { keys: page });
    if (!created.ok) return created;
    createdCount += created.value.createdCount;
  }
  const existingCount = keys.value.length - createdCount;
  if (options.isJson) printJson({ created: createdCount, existing: existingCount });
  else print(`created ${createdCount}, already there ${existingCount}`);
  return ok(0);
}

async function show(admin: Admin, options: Options): Promise<Result<ExitCode, Refusal>> {
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  const states = await showStates(admin, keys.value);
  if (!states.ok) return states;
  if (options.isJson) {
    printJson({ keys: states.value.map((state) => stateJson(state)) });
  } else {
    for (const state of states.value) print(`${encodePrefixedHex(state.key)} ${stateText(state)}`);
    print(`keys ${states.value.length}`);
  }
  return ok(0);
}

async function importFile(admin: Admin, options: Options): Promise<Result<ExitCode, Refusal>> {
  const bytes = await readBounded(options.file ?? "");
  if (bytes === null) {
    note(`can't read ${options.file ?? ""}, or it has more than ${INTERCHANGE_BYTES_MAX} bytes`);
    return ok(1);
  }
  const interchange = parseInterchange(bytes);
  if (!interchange.ok) return interchange;
  const lines = await importMaxima(admin, interchange.value, options.isDryRun);
  if (!lines.ok) return lines;
  const counts = countKinds(lines.value);
  if (options.isJson) {
    printJson({
      dryRun: options.isDryRun,
      counts,
      keys: lines.value.map((line) => lineJson(line)),
    });
  } else {
    for (const line of lines.value) print(lineText(line));
    const summary = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`);
    print(`${options.isDryRun ? "dry run, nothing was changed: " : ""}${summary.join(", ")}`);
  }
  if (counts.short > 0) note("the enclave did not raise every floor: do not sign with these keys");
  const isForeign = lines.value.length > 0 && counts.unknown === lines.value.length;
  if (isForeign) note("the enclave has none of the keys of this file");
  return ok(counts.short > 0 || isForeign ? 1 : 0);
}

async function exportFile(admin: Admin, options: Options): Promise<Result<ExitCode, Refusal>> {
  const state = await readState(admin);
  if (!state.ok) return state;
  const { interchange, missingCount, isSigning } = state.value;
  const text = encodeInterchange(interchange);
  const isToStdout = options.file === "-";
  if (isToStdout) process.stdout.write(text);
  else {
    try {
      const bytes = new TextEncoder().encode(text);
      await writeFilesAtomically([{ path: options.file ?? "", bytes }]);
    } catch {
      note(`can't write ${options.file ?? ""}`);
      return ok(1);
    }
  }
  if (missingCount > 0) note(`keys without a record, which are not in the file: ${missingCount}`);
  if (isSigning) note("the signer is running: what it signs from now on is not in the file");
  const exportedCount = interchange.keys.length;
  if (isToStdout) return ok(0);
  if (options.isJson) printJson({ exported: exportedCount, missing: missingCount, isSigning });
  else print(`exported ${exportedCount} keys to ${options.file ?? ""}`);
  return ok(0);
}

/** Null when the file can't be read or is too large. */
async function readBounded(path: string): Promise<Uint8Array | null> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      return size > INTERCHANGE_BYTES_MAX ? null : await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}

function countKinds(lines: readonly ImportLine[]): Readonly<Record<ImportKind, number>> {
  const counts = { created: 0, raised: 0, unchanged: 0, unknown: 0, short: 0 };
  for (const line of lines) counts[line.kind] += 1;
  return counts;
}

function stateText(state: EthereumState): string {
  if (!state.hasRecord) return "no record";
  return `slot ${height(state.blockSlot)} source ${height(state.source)} target ${height(state.target)}`;
}

function height(value: bigint | null): string {
  return value === null ? "-" : value.toString();
}

function lineText(line: ImportLine): string {
  const key = encodePrefixedHex(line.key);
  if (line.before === null || line.after === null) return `${key} unknown key`;
  return `${key} ${line.kind}: ${stateText(line.before)} -> ${stateText(line.after)}`;
}

function stateJson(state: EthereumState) {
  return {
    key: encodePrefixedHex(state.key),
    hasRecord: state.hasRecord,
    seq: state.seq,
    blockSlot: state.blockSlot?.toString() ?? null,
    blockRoot: rootJson(state.blockRoot),
    source: state.source?.toString() ?? null,
    target: state.target?.toString() ?? null,
    attestationRoot: rootJson(state.attestationRoot),
  };
}

function rootJson(root: Uint8Array | null): string | null {
  return root === null ? null : encodePrefixedHex(root);
}

function lineJson(line: ImportLine) {
  return {
    key: encodePrefixedHex(line.key),
    result: line.kind,
    before: line.before === null ? null : stateJson(line.before),
    after: line.after === null ? null : stateJson(line.after),
  };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printJson(value: unknown): void {
  print(JSON.stringify(value));
}
