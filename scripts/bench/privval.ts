// `npm run bench:privval`: our signer beside others that nodes of Tendermint chains use, with the
// same requests in one run, each with its state kept as shipped. Signers take turns in short
// blocks, so that whatever else the machine does hits all of them alike. Ours stands there with the
// parent's store, with a slow table, and with heights reserved ahead on that. `--json` prints one
// object, `--quick` measures for a moment only, `--only redoubt,tmkms` leaves signers out. One that
// can't be compiled here is told of in a line, and left out too.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Stops } from "../local/bring-up.ts";
import { ROOT_FOLDER } from "../local/program.ts";
import {
  type Contender,
  type ContenderName,
  type OwnName,
  startRedoubt,
  startRival,
  TABLE_DELAY_MS,
} from "./contender.ts";
import { FsyncLoop, isInMemory } from "./fsync-loop.ts";
import { type Block, runBlock } from "./privval-block.ts";
import {
  encodePrivvalTable,
  figuresOf,
  type LoadFigures,
  type PrivvalReport,
  spreadOf,
} from "./privval-report.ts";
import { RIVALS, type RivalName } from "./rival.ts";

type Load = { readonly pauseMs: number; readonly roundCount: number; readonly blockCount: number };

const RIVAL_NAMES = Object.keys(RIVALS) as readonly RivalName[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a literal table
const OWN_NAMES: readonly OwnName[] = ["redoubt", "redoubt-table", "redoubt-reserved"];
const NAMES: readonly ContenderName[] = [...OWN_NAMES, ...RIVAL_NAMES];
const REASON_LENGTH_MAX = 300;
const FSYNCS_PER_ROUND = 20;
const CACHE_FOLDER = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "redoubt/bench",
);

const values = readOptions();
const isQuick = values.quick === true;
/** Until what is compiled as it runs has been. */
const warmUp: Load = { pauseMs: 0, roundCount: 4, blockCount: isQuick ? 25 : 250 };
const loads: readonly Load[] = isQuick
  ? [{ pauseMs: 0, roundCount: 4, blockCount: 25 }]
  : [
      { pauseMs: 0, roundCount: 40, blockCount: 100 },
      { pauseMs: 20, roundCount: 20, blockCount: 25 },
    ];

function readOptions() {
  const flag = { type: "boolean" } as const;
  const text = { type: "string" } as const;
  const options = { json: flag, quick: flag, only: text, dir: text };
  try {
    const { values: read } = parseArgs({ strict: true, options });
    const names = read.only?.split(",") ?? NAMES;
    const only = NAMES.filter((name) => names.includes(name));
    if (only.length === names.length) return { ...read, only };
  } catch {
    // Told below.
  }
  const names = NAMES.join(",");
  process.stderr.write(
    `usage: npm run bench:privval -- [--json] [--quick] [--only ${names}] [--dir FOLDER]\n`,
  );
  process.exit(2);
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

function isOwn(name: ContenderName): name is OwnName {
  return OWN_NAMES.some((own) => own === name);
}

/** Null when the rival can't be had. */
async function start(name: ContenderName, folder: string, stops: Stops): Promise<Contender | null> {
  if (isOwn(name)) {
    const file: unknown = JSON.parse(readFileSync(join(ROOT_FOLDER, "package.json"), "utf8"));
    return startRedoubt(name, folder, String(Reflect.get(Object(file), "version")), stops);
  }
  say(`${name} ${RIVALS[name].version}, compiled here unless it was before`);
  try {
    return await startRival(name, RIVALS[name].build(CACHE_FOLDER), folder, stops);
  } catch (error) {
    const lines = (error instanceof Error ? error.message : "").trimEnd().split("\n");
    say(`${name} is left out: ${lines.join(" ").slice(0, REASON_LENGTH_MAX)}`);
    return null;
  }
}

/** Another signer goes first in each round. */
async function run(
  contenders: readonly Contender[],
  fsyncs: FsyncLoop,
  { pauseMs, roundCount, blockCount }: Load,
): Promise<LoadFigures> {
  const blocks = new Map<Contender, Block[]>(contenders.map((each) => [each, []]));
  const fsyncMs: number[] = [];
  for (let round = 0; round < roundCount; round++) {
    const first = round % contenders.length;
    for (const each of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      blocks.get(each)?.push(await runBlock(each, blockCount, pauseMs));
    }
    fsyncMs.push(...fsyncs.run(FSYNCS_PER_ROUND));
  }
  const signers = contenders.map((each) => figuresOf(each, blocks.get(each) ?? []));
  return { pauseMs, signers, fsync: spreadOf(fsyncMs) };
}

async function measure(folder: string, stops: Stops): Promise<PrivvalReport> {
  const contenders: Contender[] = [];
  for (const name of values.only) {
    const contender = await start(name, folder, stops);
    if (contender !== null) contenders.push(contender);
  }
  if (contenders.length === 0) throw new Error("no signer could be had");
  const fsyncs = new FsyncLoop(folder);
  await run(contenders, fsyncs, warmUp);
  const figures: LoadFigures[] = [];
  for (const load of loads) {
    say(`${load.roundCount * load.blockCount} requests each, pauses of ${load.pauseMs} ms`);
    figures.push(await run(contenders, fsyncs, load));
  }
  fsyncs.close();
  const hasTable = contenders.some(({ name }) => name !== "redoubt" && isOwn(name));
  return {
    loads: figures,
    tableDelayMs: hasTable ? TABLE_DELAY_MS : null,
    isInMemory: isInMemory(folder),
  };
}

// Short: unix sockets lie in it.
const folder = mkdtempSync(join(values.dir ?? tmpdir(), "redoubt-privval-"));
const stops: Stops = [];
try {
  const report = await measure(folder, stops);
  if (values.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(encodePrivvalTable(report));
} finally {
  for (const stop of stops.toReversed()) await stop();
  rmSync(folder, { recursive: true, force: true });
}
