// What `enclave/main.nitro.ts` is, but for the two things that a guest without a hypervisor can't
// have: its parent is at the loopback CID, and its KMS is certified by the test's own CA. The guest
// puts this file into the image's `/run` (with `../../` as `/app/`); everything that it imports is
// the image's. Once it listens, it tries what the confinement must refuse.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { startNitro } from "../../enclave/platform/nitro.ts";
import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";

const LOOPBACK_CID = 1;
/** The parent of the guest listens there. */
const OPERATIONS_PORT = 9001;
const PROBE_DEADLINE_MS = 10_000;

/** What each gets to do its harm; it has done it when nothing is thrown or emitted. */
const PROBES: Readonly<Record<string, () => unknown>> = {
  "read a file of the image": () => readFileSync("/app/package.json"),
  "read a file of the kernel": () => readFileSync("/proc/self/environ"),
  "write a file": () => writeFileSync("/tmp/probe", "x"),
  "start a program": () => {
    const { error } = spawnSync("/bin/node", ["--version"]);
    if (error !== undefined) throw error;
  },
  "start a thread": () => new Worker("0", { eval: true }),
  "load an addon": () => process.dlopen({ exports: {} }, "/app/build/vsock.node"),
  // oxlint-disable-next-line typescript/no-implied-eval -- what must be refused
  "make code of text": () => new Function("return 1"),
  "connect to TCP": () =>
    new Promise((resolve, reject) => {
      connect(OPERATIONS_PORT, "127.0.0.1").once("error", reject).once("connect", resolve);
    }),
  "import a file": () => import(join("/tmp", "probe.mjs")),
};

async function probe(run: () => unknown): Promise<string> {
  const late = new Promise<string>((resolve) => {
    setTimeout(() => resolve("no answer"), PROBE_DEADLINE_MS).unref();
  });
  const outcome = (async () => run())().then(
    () => "done",
    (error: unknown) => {
      if (!(error instanceof Error)) return "threw something";
      return "code" in error ? String(error.code) : error.name;
    },
  );
  return await Promise.race([outcome, late]);
}

const running = await startNitro({
  parentCid: LOOPBACK_CID,
  trustAnchors: [readFileSync(join(import.meta.dirname, "ca.crt"), "utf8")],
  // No predecessor hands anything over here.
  nsmRoot: AWS_NITRO_ROOT_G1,
});
if (!running.ok) {
  process.stdout.write(`enclave: ${running.error.code}\n`);
  process.exit(1);
}
process.stdout.write("enclave: listening\n");
const outcomes: Record<string, string> = {};
for (const [name, run] of Object.entries(PROBES)) outcomes[name] = await probe(run);
process.stdout.write(`probes: ${JSON.stringify(outcomes)}\n`);
