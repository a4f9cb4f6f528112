// `npm test`: everything that decides whether a change is good, the same for people and for CI.
// First the static tier (types, lint, format, house rules, closure), then the tests. Quiet when
// all is well; its last line is always `N passed, N failed`.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CommandCheck, runCommand } from "./check/command.ts";
import type { Failure, Outcome } from "./check/outcome.ts";
import { runTests, testFilesOf } from "./check/tests.ts";

const root = resolve(import.meta.dirname, "..");

const NAME_WIDTH = 12;

type Tier = {
  readonly name: string;
  /** Null when there is nothing to run; `absence` says why. */
  readonly run: () => Promise<Outcome> | null;
  readonly absence?: string;
};

const STATIC_COMMANDS: readonly CommandCheck[] = [
  { name: "types", args: ["node_modules/typescript/bin/tsc", "-b"] },
  {
    name: "lint",
    args: ["node_modules/oxlint/bin/oxlint", "--type-aware", "--deny-warnings", "."],
  },
  { name: "format", args: ["node_modules/@biomejs/biome/bin/biome", "check", "."] },
  { name: "closure", args: ["scripts/closure.ts", "--check"] },
];

/** In this order: what fails fast comes first. */
const TEST_FOLDERS: readonly string[] = ["unit", "property", "simulation", "integration"];

const STATIC_TIERS: readonly Tier[] = [
  ...STATIC_COMMANDS.map((check) => ({ name: check.name, run: () => runCommand(root, check) })),
  { name: "tidy", run: () => runTests(root, [join(root, "test/tidy.test.ts")]) },
];

const TEST_TIERS: readonly Tier[] = [
  ...TEST_FOLDERS.map((folder) => ({
    name: folder,
    run: () => runFolder(`test/${folder}`),
    absence: `test/${folder} holds no tests yet`,
  })),
  {
    name: "vectors",
    run: () => runVectors(),
    absence: "no shared/vectors beside the repository, and REDOUBT_VECTORS names no folder",
  },
];

function runFolder(folder: string): Promise<Outcome> | null {
  const files = testFilesOf(root, folder);
  return files.length === 0 ? null : runTests(root, files);
}

/** Vectors that are not part of the repository, when they lie beside it. */
function runVectors(): Promise<Outcome> | null {
  const folder = resolve(root, process.env["REDOUBT_VECTORS"] ?? "../shared/vectors");
  const program = "test/vectors/run.ts";
  if (!existsSync(folder) || !existsSync(join(root, program))) return null;
  return runCommand(root, { name: "vectors", args: [program, folder] });
}

function chooseTiers(args: readonly string[]): readonly Tier[] | null {
  const all = [...STATIC_TIERS, ...TEST_TIERS];
  if (args.length === 0) return all;
  if (args.length === 1 && args[0] === "--static") return STATIC_TIERS;
  const chosen = all.filter((tier) => args.includes(tier.name));
  return chosen.length === new Set(args).size ? chosen : null;
}

async function runTier(tier: Tier): Promise<Outcome | null> {
  const started = performance.now();
  const running = tier.run();
  if (running === null) {
    print(`${tier.name.padEnd(NAME_WIDTH)} nothing to run: ${tier.absence ?? "no tests"}`);
    return null;
  }
  // First the name alone: whoever waits sees for what.
  process.stdout.write(tier.name.padEnd(NAME_WIDTH));
  const outcome = await running;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const counts = [`${outcome.passedCount} passed`];
  if (outcome.failures.length > 0) counts.push(`${outcome.failures.length} failed`);
  if (outcome.skippedCount > 0) counts.push(`${outcome.skippedCount} skipped`);
  print(` ${counts.join(", ")} (${seconds} s)`);
  for (const note of outcome.notes) print(`${"".padEnd(NAME_WIDTH)} ${note}`);
  return outcome;
}

function printFailures(failures: readonly Failure[]): void {
  for (const { name, output } of failures) {
    if (output.length > 0) print(`\n--- ${name}\n${output}`);
  }
  print(`\nfailed:`);
  for (const { name } of failures) print(`  ${name}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const tiers = chooseTiers(args);
  if (tiers === null) {
    const names = [...STATIC_TIERS, ...TEST_TIERS].map((tier) => tier.name);
    process.stderr.write(`usage: npm test [-- --static | ${names.join(" | ")} ...]\n`);
    return 2;
  }
  let passedCount = 0;
  const failures: Failure[] = [];
  for (const tier of tiers) {
    const outcome = await runTier(tier);
    passedCount += outcome?.passedCount ?? 0;
    failures.push(...(outcome?.failures ?? []));
  }
  if (failures.length > 0) printFailures(failures);
  print(`\n${passedCount} passed, ${failures.length} failed`);
  return failures.length === 0 && passedCount > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
