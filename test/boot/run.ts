// `npm run test:boot [-- GROUP... --connections N]`: boots the image in QEMU and signs with it over
// AF_VSOCK. Each guest is a Debian kernel with two ramdisks: the test's own (`initramfs.ts`) and,
// after it, the image's second one as it is. What a guest finds comes back line by line; the last
// line is `N passed, N failed`.
//
// Stand-ins, because there is no Nitro hypervisor here: `/dev/nsm` is a CUSE device in front of the
// simulated NSM, whose PCR0 to PCR2 are made up; the parent is at the loopback CID and the KMS is
// local, so that the signing runs use another composition root (`enclave.boot.ts`) on the image's
// program; clock source and entropy source are files laid over those of sysfs. The image's own
// entry runs unmodified where it has to refuse, and once to start.

import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { encodeCpio } from "../../scripts/image/cpio.ts";
import { buildNative } from "../../scripts/native/compile.ts";
import { CONNECTIONS_PARAMETER, GROUPS_PARAMETER, TIME_PARAMETER } from "./guest/parameters.ts";
import { programRamdisk } from "./image.ts";
import { testTree } from "./initramfs.ts";
import { BootError, type Kernel, requireKernel, requireTools } from "./kernel.ts";
import { prepareLocalFiles } from "./local-files.ts";
import { lastConsoleLines, runMachine } from "./machine.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = join(ROOT, ".redoubt/boot");
/** Groups of checks (`guest.ts`), for each machine: each takes one of the host's processors. */
const MACHINES: readonly (readonly string[])[] = [["refusals", "vsock"], ["signing"]];
/** Several times what an idle machine of two cores takes. */
const DEADLINE_MS = 600_000;
/** Of the search for leaked descriptors; 100,000 take six minutes and more. */
const CONNECTIONS_BY_DEFAULT = "20000";
const CONNECTION_MS_MAX = 20;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Reads the guests' lines: what passed, what failed, and whether all came to their end. */
class Results {
  passedCount = 0;
  failedCount = 0;

  read(line: string): void {
    if (line.startsWith("ok ")) this.passedCount += 1;
    else if (line.startsWith("not ok ")) this.failedCount += 1;
    print(/^(not )?ok |^#/.test(line) ? line : `# ${line}`);
  }
}

function writeRamdisks(path: string, ramdisks: readonly Uint8Array[]): void {
  const file = openSync(path, "w");
  try {
    for (const bytes of ramdisks) {
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset);
    }
  } finally {
    closeSync(file);
  }
}

/** A machine for one set of checks. */
async function runGroups(
  groups: readonly string[],
  kernel: Kernel,
  ramdiskPath: string,
  results: Results,
  connectionCount: number,
): Promise<void> {
  const consolePath = join(FOLDER, `console-${groups.join("-")}.log`);
  let isDone = false;
  const failedBefore = results.failedCount;
  const end = await runMachine({
    kernelPath: kernel.imagePath,
    ramdiskPath,
    consolePath,
    parameters: [
      `${TIME_PARAMETER}=${Date.now()}`,
      `${GROUPS_PARAMETER}=${groups.join(",")}`,
      `${CONNECTIONS_PARAMETER}=${connectionCount}`,
    ],
    deadlineMs: DEADLINE_MS + connectionCount * CONNECTION_MS_MAX,
    onLine: (line) => {
      if (line === "done") isDone = true;
      else results.read(line);
    },
  });
  if (!isDone) results.read(`not ok the checks came to their end (${groups.join(", ")}): ${end}`);
  if (results.failedCount === failedBefore) return;
  print(`--- the guest's console (${groups.join(", ")})\n${lastConsoleLines(consolePath)}`);
}

async function main(chosen: readonly string[], connectionCount: number): Promise<number> {
  requireTools();
  mkdirSync(FOLDER, { recursive: true });
  const kernel = requireKernel(FOLDER);
  const localFolder = join(FOLDER, "local");
  buildNative({ root: ROOT, cc: "cc", outFolder: join(ROOT, "build") });
  await prepareLocalFiles(localFolder);
  const own = encodeCpio(testTree({ root: ROOT, kernel, localFolder, buildFolder: FOLDER }));
  const image = programRamdisk(ROOT);
  const ramdiskPath = join(FOLDER, "ramdisks.cpio");
  writeRamdisks(ramdiskPath, [own, image]);
  print(`# Linux ${kernel.version}; ramdisks of ${own.length} (ours) and ${image.length} bytes`);
  const results = new Results();
  const machines = chosen.length === 0 ? MACHINES : [chosen];
  await Promise.all(
    machines.map((groups) => runGroups(groups, kernel, ramdiskPath, results, connectionCount)),
  );
  print(`${results.passedCount} passed, ${results.failedCount} failed`);
  return results.failedCount === 0 && results.passedCount > 0 ? 0 : 1;
}

// The machine ends with us.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(130));
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { connections: { type: "string", default: CONNECTIONS_BY_DEFAULT } },
  });
  const connectionCount = Number(values.connections);
  if (!Number.isSafeInteger(connectionCount) || connectionCount < 1) {
    throw new BootError("--connections is a count");
  }
  process.exitCode = await main(positionals, connectionCount);
} catch (error) {
  const trace = error instanceof Error ? (error.stack ?? error.message) : "threw something";
  const reason = error instanceof BootError ? error.message : trace;
  print(`not ok the machine could not be made: ${reason}`);
  print("0 passed, 1 failed");
  process.exitCode = 1;
}
