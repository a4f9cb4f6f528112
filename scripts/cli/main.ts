// The `redoubt` command line: finds the command, prints help and versions, and turns whatever goes
// wrong into one line and an exit code (0 ok, 1 refused or failed, 2 wrong use). It must never
// show a stack to an operator, and never exit before what was printed has left.

import { readFileSync } from "node:fs";
import { command as audit } from "./audit.ts";
import type { Command } from "./command.ts";
import { command as identity } from "./identity.ts";
import { command as init } from "./init.ts";
import { command as measure } from "./measure.ts";
import { command as policy } from "./policy.ts";
import { command as seal } from "./seal.ts";
import { command as state } from "./state.ts";
import { command as table } from "./table.ts";
import { command as upgrade } from "./upgrade.ts";
import { command as verify } from "./verify.ts";

/** In the order of an installation. */
const COMMANDS: readonly Command[] = [
  init,
  identity,
  measure,
  policy,
  table,
  seal,
  state,
  upgrade,
  audit,
  verify,
];

function usage(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const lines = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return `redoubt: a remote signer for validators inside an AWS Nitro Enclave

  redoubt COMMAND [OPTION...]
  redoubt COMMAND --help

Commands
${lines.join("\n")}

Exit codes: 0 ok, 1 refused or failed check, 2 wrong use.
`;
}

function version(): string {
  const file = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const description: unknown = JSON.parse(file);
  const hasVersion =
    typeof description === "object" && description !== null && "version" in description;
  return hasVersion ? String(description.version) : "unknown";
}

/** Asked for anywhere before a lone `--`, help wins over everything else. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end === -1 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") {
    process.stdout.write(`redoubt ${version()}\n`);
    return 0;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(usage());
    return 0;
  }
  const found = COMMANDS.find((command) => command.name === name);
  if (found !== undefined) {
    if (!asksForHelp(rest)) return found.run(rest);
    process.stdout.write(found.usage);
    return 0;
  }
  const problem = name === undefined ? "no command given" : `no command "${name}"`;
  const names = COMMANDS.map((command) => command.name).join(", ");
  process.stderr.write(`redoubt: ${problem}; there are ${names} (see \`redoubt --help\`)\n`);
  return 2;
}

function crash(error: unknown): void {
  // One line: the first of the message. Stacks are for the tests.
  const text = error instanceof Error ? `${error.name}: ${error.message}` : "unknown failure";
  process.stderr.write(`redoubt: this is a bug: ${text.split("\n", 1)[0] ?? ""}\n`);
  process.exit(1);
}

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);
// A reader that has seen enough (`| head`) is no failure of ours, and no success either: what ends
// with 1 must not end with 0 because nobody read why. A disk that is full is a failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") process.exit(1);
});

process.exitCode = await main(process.argv.slice(2));
