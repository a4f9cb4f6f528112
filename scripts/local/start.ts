// `npm start`: the whole signer on one machine, with stand-ins for what AWS owns. It sets up what
// is missing, starts everything, shows what to try, and runs until it is told to stop; with
// `--once` it tries everything itself and exits.

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type LocalRun, print, type Stops } from "./bring-up.ts";
import { runConsensus } from "./consensus-run.ts";
import { runEthereum } from "./ethereum-run.ts";
import { type Layout, layoutOf, makeFolders } from "./layout.ts";
import {
  type LocalChain,
  parseStartOptions,
  type StartOptions,
  USAGE,
  UsageError,
} from "./options.ts";
import { SetupError } from "./setup.ts";

const UNIX_PATH_BYTES_MAX = 107;

const RUNS: Readonly<
  Record<LocalChain, (layout: Layout, options: StartOptions, stops: Stops) => Promise<LocalRun>>
> = { ethereum: runEthereum, tendermint: runConsensus };

/** A folder serves one run at a time: two would fight for sockets, ports and the store. */
function takeLock(layout: Layout): void {
  if (existsSync(layout.lock)) {
    const owner = Number(readFileSync(layout.lock, "utf8"));
    if (owner > 0 && isStart(owner)) {
      throw new SetupError(
        `another npm start (process ${owner}, ${layout.lock}) runs on ${layout.folder}`,
      );
    }
  }
  writeFileSync(layout.lock, String(process.pid));
}

/** A number may have gone to another process since. */
function isStart(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("scripts/local/start.ts");
  } catch {
    return false;
  }
}

async function run(options: StartOptions): Promise<boolean> {
  const layout = layoutOf(options.folder);
  if (Buffer.byteLength(join(layout.folder, "tampered-nsm.sock")) > UNIX_PATH_BYTES_MAX) {
    throw new SetupError(`the path of ${layout.folder} is too long for unix sockets; use --dir`);
  }
  makeFolders(layout);
  takeLock(layout);
  const stops: Stops = [];
  const stop = async () => {
    for (const each of stops.toReversed()) await each();
    rmSync(layout.lock, { force: true });
  };
  // A terminal interrupts the children too: their end is no news then.
  let isInterrupted = false;
  const interrupted = new Promise<false>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        isInterrupted = true;
        resolve(false);
      });
    }
    // Whoever started us is gone, even by kill -9.
    process.on("disconnect", () => resolve(false));
    process.channel?.unref();
  });
  try {
    const local = await Promise.race([RUNS[options.chain](layout, options, stops), interrupted]);
    if (local === false) return !options.isOnce;
    if (options.isOnce) return await Promise.race([tour(local), interrupted]);
    print(local.usage());
    const ended = local.parent.exited.then(async () => {
      await setImmediate();
      if (isInterrupted) return true;
      print("The parent has ended; its log is in logs/parent.log.");
      return false;
    });
    return await Promise.race([ended, interrupted.then(() => true)]);
  } finally {
    print("Stopping.");
    await stop();
  }
}

async function tour(local: LocalRun): Promise<boolean> {
  const isRight = await local.tour();
  print(isRight ? "Everything held." : "Something failed; see the lines with FAIL.");
  return isRight;
}

try {
  const options = parseStartOptions(process.argv.slice(2));
  if (options === null) print(USAGE);
  else process.exitCode = (await run(options)) ? 0 : 1;
} catch (error) {
  const isUsage = error instanceof UsageError;
  const text = error instanceof Error ? error.message : "failed";
  process.stderr.write(`npm start: ${text}\n${isUsage ? `\n${USAGE}` : ""}`);
  process.exitCode = isUsage ? 2 : 1;
}
// Children are stopped by now; whatever still holds the event loop is not waited for.
process.exit();
