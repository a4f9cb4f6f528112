// `npm run test:mutation`: do the tests of the guard, the rule, the floor and the stores notice
// mistakes in them? A sample of the mutants, chosen by the text of the modules, so that the same
// tree gives the same run; all of them with REDOUBT_MUTATION=full. REDOUBT_MUTATION_SEED chooses
// another sample, arguments choose modules by a part of their names, REDOUBT_MUTANTS names a file
// with the lines `module | name` of those to be tried alone. Ends with `N passed, N
// failed`: modules, and the checks of the list of survivors and of the score.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { MODULES, WORKER_COUNT } from "./modules.ts";
import { findMutants, type Mutant } from "./mutants.ts";
import { readSurvivors } from "./survivors.ts";
import { judge, measure, type TestFile, type Verdict } from "./trial.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const SAMPLE_COUNT = 320;
/** Of all mutants that are programs, those that no test notices. */
const SURVIVED_SHARE_MAX = 0.05;

type Judged = { readonly mutant: Mutant; readonly verdict: Verdict };

class Report {
  passedCount = 0;
  failedCount = 0;

  check(isGood: boolean, line: string): void {
    if (isGood) this.passedCount += 1;
    else this.failedCount += 1;
    print(`${isGood ? "ok" : "not ok"} ${line}`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function keyOf({ module, name }: { readonly module: string; readonly name: string }): string {
  return `${module} | ${name}`;
}

/** The order of digests of a seed and the names: each sample is spread over all modules. */
function sampleOf(mutants: readonly Mutant[], count: number): readonly Mutant[] {
  const seed = process.env["REDOUBT_MUTATION_SEED"] ?? digest(mutants.map(keyOf).join("\n"));
  print(`a sample of ${count} of ${mutants.length}, REDOUBT_MUTATION_SEED=${seed}`);
  const chosen = mutants
    .map((mutant) => ({ mutant, rank: digest(`${seed} ${keyOf(mutant)}`) }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, count);
  const names = new Set(chosen.map(({ mutant }) => keyOf(mutant)));
  return mutants.filter((mutant) => names.has(keyOf(mutant)));
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function isExpected({ mutant, verdict }: Judged, listed: ReadonlySet<string>): boolean {
  // One that runs for too long on a slow machine is no reason to strike it from the list.
  return verdict === "timeout" || (verdict === "survived") === listed.has(keyOf(mutant));
}

async function judgeAll(
  mutants: readonly Mutant[],
  source: string,
  files: readonly TestFile[],
  listed: ReadonlySet<string>,
): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  const left = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const verdict = await judge(ROOT, source, mutant.wish, files);
      judged.push({ mutant, verdict });
      if (!isExpected({ mutant, verdict }, listed)) {
        const why =
          verdict === "survived" ? "survived, and is not listed" : `listed, but ${verdict}`;
        print(`   line ${mutant.line}, ${why}:\n${keyOf(mutant)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: WORKER_COUNT }, work));
  return judged;
}

async function runModule(
  report: Report,
  module: string,
  mutants: readonly Mutant[],
  listed: ReadonlySet<string>,
): Promise<readonly Judged[]> {
  const started = performance.now();
  const url = mutants[0]?.wish.url ?? "";
  const files: TestFile[] = [];
  try {
    for (const path of MODULES[module] ?? []) files.push(await measure(ROOT, url, path));
  } catch (thrown) {
    report.check(false, `${module}: ${thrown instanceof Error ? thrown.message : "broken"}`);
    return [];
  }
  const judged = await judgeAll(mutants, readFileSync(join(ROOT, module), "utf8"), files, listed);
  const count = (wanted: Verdict) => judged.filter(({ verdict }) => verdict === wanted).length;
  const isGood = judged.every((each) => isExpected(each, listed));
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const counts = (["killed", "survived", "timeout", "invalid"] as const).map(
    (verdict) => `${count(verdict)} ${verdict}`,
  );
  const line = `${module}: ${mutants.length} mutants, ${counts.join(", ")} (${seconds} s)`;
  report.check(isGood, line);
  return judged;
}

async function main(args: readonly string[]): Promise<Report> {
  const report = new Report();
  const modules = Object.keys(MODULES).filter(
    (module) => args.length === 0 || args.some((part) => module.includes(part)),
  );
  const found = findMutants(ROOT, modules);
  const all = [...found.values()].flat();
  const survivors = readSurvivors().filter(({ module }) => modules.includes(module));
  const names = new Set(all.map(keyOf));
  const gone = survivors.filter((survivor) => !names.has(keyOf(survivor)));
  report.check(gone.length === 0, `${survivors.length} listed survivors are mutants`);
  for (const survivor of gone) print(`   there is no\n${keyOf(survivor)}`);

  const file = process.env["REDOUBT_MUTANTS"];
  const named = file === undefined ? null : new Set(readFileSync(file, "utf8").split("\n"));
  const isFull = process.env["REDOUBT_MUTATION"] === "full" || args.length > 0;
  const wanted = named === null ? all : all.filter((mutant) => named.has(keyOf(mutant)));
  const chosen = isFull || named !== null ? wanted : sampleOf(all, SAMPLE_COUNT);
  const listed = new Set(survivors.map(keyOf));
  const judged: Judged[] = [];
  for (const module of modules) {
    const mutants = chosen.filter((mutant) => mutant.module === module);
    if (mutants.length > 0) judged.push(...(await runModule(report, module, mutants, listed)));
  }
  const programCount = judged.filter(({ verdict }) => verdict !== "invalid").length;
  const survivedCount = judged.filter(({ verdict }) => verdict === "survived").length;
  // Of a sample, chance decides it: there the share of what is listed stands for it.
  const share = isFull ? survivedCount / programCount : survivors.length / all.length;
  const score = (100 * (1 - share)).toFixed(1);
  const of = isFull ? `${programCount - survivedCount} of ${programCount}` : "by the list, of all";
  report.check(share <= SURVIVED_SHARE_MAX, `score ${score} % (${of}), wanted 95 %`);
  return report;
}

const { passedCount, failedCount } = await main(process.argv.slice(2));
print(`${passedCount} passed, ${failedCount} failed`);
process.exitCode = failedCount === 0 && passedCount > 0 ? 0 : 1;
