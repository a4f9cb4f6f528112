// The checks inside the guest, in order: what the image refuses, what it signs, what it is, and how
// it comes back. Started by `init.sh`; its standard output is read by `run.ts` on the host. The
// last line is `done`: without it the guest did not get that far.

import { readFileSync } from "node:fs";
import { checkConfined, checkMemory, checkNoCore, checkNoDebugger } from "./guest/hygiene.ts";
import { hypervisorTimeMs } from "./guest/hypervisor-time.ts";
import { GROUPS_PARAMETER, readParameter } from "./guest/parameters.ts";
import { checkRefusals } from "./guest/refusals.ts";
import { check, note, print } from "./guest/report.ts";
import { checkRestart } from "./guest/restart.ts";
import { BootedEnclave, GuestSigner, layout } from "./guest/signer.ts";
import { checkAttestation, checkSigning } from "./guest/signing.ts";
import { busybox, Hardware } from "./guest/stand-ins.ts";
import { checkVsock } from "./guest/vsock.ts";

const WRONG_TIME = "2021-01-01 00:00:00";
const DAY_MS = 86_400_000;

async function checkSigner(hardware: Hardware): Promise<void> {
  await hardware.giveAll();
  // The parent's machine has the right time, and here the two share one clock.
  busybox("date", "-s", `@${Math.round(hypervisorTimeMs() / 1000)}`);
  const signer = await GuestSigner.start();
  busybox("date", "-s", WRONG_TIME);
  let enclave: BootedEnclave | null = null;
  const isReady = await check("the enclave gets its keys from KMS and is ready", async () => {
    if (Math.abs(Date.now() - hypervisorTimeMs()) < DAY_MS) throw new Error("the clock is right");
    enclave = await BootedEnclave.start();
    await signer.awaitReady(enclave);
    if (Math.abs(Date.now() - hypervisorTimeMs()) > 2000) throw new Error("the clock is wrong");
  });
  if (!isReady || enclave === null) return;
  await signer.initState();
  const keys = await signer.client.send("GET", "/api/v1/eth2/publicKeys");
  const [publicKey = ""] = Array.isArray(keys.body) ? keys.body.map(String) : [];
  await checkSigning(signer, publicKey);
  await checkAttestation(signer);
  await checkProcess(enclave);
  const again = await checkRestart(signer, publicKey);
  await again?.stop("SIGKILL");
  await signer.stop();
}

/** Its end is part of it. */
async function checkProcess(enclave: BootedEnclave): Promise<void> {
  await checkConfined(enclave.process);
  await checkNoDebugger(enclave.process);
  await checkMemory(enclave.process);
  await checkNoCore(enclave.process, () => enclave.stop("SIGSEGV"));
}

async function run(name: string, checks: () => Promise<void>): Promise<void> {
  try {
    await checks();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : "threw something";
    print(`not ok ${name} ended early: ${text.replaceAll(/\s*\n\s*/g, " | ")}`);
  }
}

const hardware = new Hardware();
const GROUPS: Readonly<Record<string, () => Promise<void>>> = {
  refusals: () => checkRefusals(hardware, layout.nsmPki),
  signing: () => checkSigner(hardware),
  vsock: checkVsock,
};

note(`booted after ${readFileSync("/proc/uptime", "utf8").split(" ")[0] ?? ""} s`);
for (const name of readParameter(GROUPS_PARAMETER).split(",")) {
  await run(name, GROUPS[name] ?? (() => Promise.reject(new Error("no such group of checks"))));
}
print("done");
process.exit(0);
