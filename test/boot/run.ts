// `npm run test:boot [-- GROUP...]`: boots the image in QEMU and signs with it over AF_VSOCK. The guest is a Debian
// kernel with two ramdisks: the test's own (`initramfs.ts`) and, after it, the image's second one as
// it is. What the guest finds comes back line by line; the last line is `N passed, N failed`.
//
// Stand-ins, because there is no Nitro hypervisor here: `/dev/nsm` is a CUSE device in front of the
// simulated NSM; the parent is at the loopback CID and the KMS is local, so that the signing runs
// use another composition root (`enclave.boot.ts`) on the image's program; clock source and
// entropy source are files laid over those of sysfs. The image's own entry runs unmodified where
// it has to refuse.

import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { encodeCpio } from "../../scripts/image/cpio.ts";
import { TIME_PARAMETER } from "./guest/hypervisor-time.ts";
import { buildNative } from "../../scripts/native/compile.ts";
import { programRamdisk } from "./image.ts";
import { testTree } from "./initramfs.ts";
import { BootError, requireKernel, requireTools } from "./kernel.ts";
import { prepareLocalFiles } from "./local-files.ts";
import { lastConsoleLines, runMachine } from "./machine.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = join(ROOT, ".redoubt/boot");
/** Several times what an idle machine of two cores takes. */
const DEADLINE_MS = 600_000;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Reads the guest's lines: what passed, what failed, and whether it came to its end. */
class Results {
  passedCount = 0;
  failedCount = 0;
  #isDone = false;

  read(line: string): void {
    if (line === "done") this.#isDone = true;
    else if (line.startsWith("ok ")) this.passedCount += 1;
    else if (line.startsWith("not ok ")) this.failedCount += 1;
    if (line !== "done") print(line);
  }

  end(reason: string): void {
    if (this.#isDone) return;
    this.failedCount += 1;
    print(`not ok the guest came to the end of its checks: ${reason}`);
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

async function main(groups: string): Promise<number> {
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
  const consolePath = join(FOLDER, "console.log");
  const results = new Results();
  const end = await runMachine({
    kernelPath: kernel.imagePath,
    ramdiskPath,
    consolePath,
    parameters: [`${TIME_PARAMETER}=${Date.now()}`, ...(groups === "" ? [] : [`redoubt.checks=${groups}`])],
    deadlineMs: DEADLINE_MS,
    onLine: (line) => results.read(line),
  });
  results.end(end);
  if (results.failedCount > 0) print(`--- the guest's console\n${lastConsoleLines(consolePath)}`);
  print(`${results.passedCount} passed, ${results.failedCount} failed`);
  return results.failedCount === 0 && results.passedCount > 0 ? 0 : 1;
}

// The machine ends with us.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
try {
  process.exitCode = await main(process.argv.slice(2).join(","));
} catch (error) {
  const reason = error instanceof BootError ? error.message : String(Object(error).stack);
  print(`not ok the machine could not be made: ${reason}`);
  print("0 passed, 1 failed");
  process.exitCode = 1;
}
