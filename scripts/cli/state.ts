// `redoubt state`: first records, what is recorded, and the files of other signers in and out.
// Everything is decided in the enclave; a command that was refused or only half done exits with 1.

import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import { type Admin, describeRefusal, openAdmin } from "./admin.ts";
import { pagesOf } from "./admin-keys.ts";
import type { Command, ExitCode } from "./command.ts";
import { checkDraft, draftOverride } from "./override-draft.ts";
import { chosenKeys } from "./state-choice.ts";
import { checkFloor, raiseFloor } from "./state-floor.ts";
import { type ActionSyntax, parseStateOptions, type StateOptions } from "./state-options.ts";
import { applyOverride, checkSign, signOverride } from "./state-override.ts";
import { checkProofs } from "./state-proof.ts";
import { checkRetire, retire } from "./state-retire.ts";
import { show } from "./state-show.ts";
import { print, printJson } from "./state-text.ts";
import { checkTransfer, exportFile, importFile } from "./state-transfer.ts";

const USAGE = `redoubt state: the slashing protection records of the enclave's keys

  redoubt state init (--all | --key KEY...)   first records, for keys that have none
  redoubt state show [--key KEY...]           what is recorded
  redoubt state import FILE [--dry-run]       raise floors from an EIP-3076 file
  redoubt state import FILE [--chain ID] [--key KEY] [--format F] [--dry-run] [--yes]
                                              the same from a Tendermint signer's state file
  redoubt state export (FILE | -)             write an EIP-3076 file ("-": to stdout)
  redoubt state export (FILE | -) --format F [--chain ID] [--key KEY]
                                              write a Tendermint signer's state file
  redoubt state floor (--all | --key KEY...) [--slot N] [--source E --target E] [--dry-run]
                                              raise floors to these heights, as if signed
  redoubt state floor (--all | --key KEY...) --height H [--round R --step NAME] [--chain ID]
                      [--dry-run] [--yes]     the same for a Tendermint chain; H alone: all of H
  redoubt state retire --key KEY... --proof FILE --export FILE [--yes]
                                              end a key for ever; write the proof, and EIP-3076
  redoubt state retire --key KEY --proof FILE --export FILE --format F [--chain ID] [--yes]
                                              the same for a Tendermint chain, with a state file
  redoubt state proof FILE [--root PEM] [--release FILE] [--pcr N=HEX] [--manifest FILE]
                                              check such proofs, offline
  redoubt state override draft --key KEY [--slot N] [--source E --target E]
                               --valid-minutes M --out ORDER.json
  redoubt state override draft --key KEY --height H [--round R --step NAME]
                               --valid-minutes M --out ORDER.json
  redoubt state override sign ORDER.json --operator-key PEM [--yes]
  redoubt state override apply ORDER.json     lower a floor, by order of several operators

Options
  --admin URL   the parent's admin socket (unix:///...); default .redoubt/local/admin.sock
  --json        one JSON document on stdout instead of text
  --yes         do not ask for a typed confirmation
  --chain ID    one of the enclave's Tendermint chains, when it has several
  --format F    filepv, tmkms or horcrux; an import needs it only where the file does not tell

A key without a record signs nothing. Only initialise a key that has never signed anywhere else;
for any other key import the EIP-3076 file of the signer that it comes from. An import never
lowers a floor. Stop the validators before an export: what is signed later is not in the file.
A retired key never signs again, whatever happens. An order may lower a floor, once, in the boot of
the enclave that it was drafted in: what was signed above it before can then be contradicted
(docs/operations.md).

For Tendermint chains a height that is more than 10,000,000 above a key's record has to be
confirmed.

Examples
  redoubt state import slashing-protection.json --dry-run
  redoubt state import priv_validator_state.json --chain cosmoshub-4
`;

type Outcome = Promise<Result<ExitCode, Refusal>>;

/** With a signer to talk to, or, offline, without. */
type Action = ActionSyntax &
  (
    | { readonly run: (admin: Admin, options: StateOptions) => Outcome }
    | { readonly runOffline: (options: StateOptions) => Promise<ExitCode> }
  );

const FLOOR_HEIGHTS = ["slot", "source", "target", "height", "round", "step"];
const FLOOR_OPTIONS = ["all", "key", "chain", "dry-run", "yes", ...FLOOR_HEIGHTS];

export const ACTIONS: Readonly<Record<string, Action>> = {
  init: { options: ["all", "key"], needsFile: false, needsChoice: true, run: init },
  show: { options: ["key"], needsFile: false, run: show },
  import: {
    options: ["dry-run", "key", "chain", "format", "yes"],
    needsFile: true,
    check: checkTransfer,
    run: importFile,
  },
  export: {
    options: ["key", "chain", "format"],
    needsFile: true,
    check: checkTransfer,
    run: exportFile,
  },
  floor: {
    options: FLOOR_OPTIONS,
    needsFile: false,
    needsChoice: true,
    check: checkFloor,
    run: raiseFloor,
  },
  retire: {
    options: ["key", "chain", "format", "proof", "export", "yes"],
    needsFile: false,
    check: checkRetire,
    run: retire,
  },
  proof: {
    options: ["root", "release", "manifest", "pcr"],
    needsFile: true,
    runOffline: checkProofs,
  },
  "override draft": {
    options: ["key", ...FLOOR_HEIGHTS, "valid-minutes", "out"],
    needsFile: false,
    check: checkDraft,
    run: draftOverride,
  },
  "override sign": {
    options: ["operator-key", "yes"],
    needsFile: true,
    check: checkSign,
    runOffline: signOverride,
  },
  "override apply": { options: [], needsFile: true, run: applyOverride },
};

export const command: Command = {
  name: "state",
  summary: "slashing protection records: EIP-3076 in and out, floors, retired keys",
  usage: USAGE,
  run,
};

async function run(args: readonly string[]): Promise<ExitCode> {
  const wordCount = args[0] === "override" ? 2 : 1;
  const name = args.slice(0, wordCount).join(" ");
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) return misuse(`say one of ${Object.keys(ACTIONS).join(", ")}`);
  const options = parseStateOptions(name, action, args.slice(wordCount));
  if (!options.ok) return misuse(options.error.misuse);
  if ("runOffline" in action) return action.runOffline(options.value);
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

async function init(admin: Admin, options: StateOptions): Promise<Result<ExitCode, Refusal>> {
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
