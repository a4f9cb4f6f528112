// The unmodified image in this guest: it must refuse to start for each thing that is not as on
// Nitro, say which, and leave nothing behind; with stand-ins for all of them it starts, sets the
// clock, and still talks to nobody but CID 3.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { connectTo } from "../../../parent/platform/socket.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { LINK_PORT } from "../../../shared/nitro-ports.ts";
import { Caller } from "../../../shared/wire/link.ts";
import { ENCLAVE_METHODS } from "../../../shared/wire/methods.ts";
import { hypervisorTimeMs } from "./hypervisor-time.ts";
import { IMAGE_ROOT, ImageProcess, imageCommandLine, imageEnvironment } from "./image-process.ts";
import { check } from "./report.ts";
import { cover, type Hardware, SimulatedNsm } from "./stand-ins.ts";

type Link = Caller<typeof ENCLAVE_METHODS>;

const LOOPBACK_CID = 1;
const STRANGER_DEADLINE_MS = 20_000;
const START_DEADLINE_MS = 90_000;
const CLOCK_ERROR_MS_MAX = 2000;

export function coreDumps(): readonly string[] {
  return globSync([`${IMAGE_ROOT}/tmp/core*`, "/tmp/core*", `${IMAGE_ROOT}/core*`, "/core*"]);
}

/** Of the rights that Node is given; nothing of the program's own, and no stack. */
const ONLY_WARNINGS = /^(\((node:\d+\) \[PERM\d+\]|Use `node ).*\n)*$/;

/** Starts the image's command and expects it to end with this code and no other word. */
async function checkRefused(
  when: string,
  code: ErrorCode,
  command?: readonly string[],
  environment?: readonly string[],
): Promise<void> {
  await check(`the image refuses to start ${when}: ${code}`, async () => {
    const image = new ImageProcess(command, environment);
    const timer = setTimeout(() => void image.kill(), START_DEADLINE_MS);
    const ended = await image.ended;
    clearTimeout(timer);
    assert.equal(image.output, `enclave: ${code}\n`, `${image.output}${image.errors}`);
    assert.match(image.errors, ONLY_WARNINGS);
    assert.deepEqual(ended, { code: 1, signal: null });
    assert.deepEqual(coreDumps(), []);
  });
}

/** The stand-ins that it needs stay for the checks that follow. */
export async function checkRefusals(hardware: Hardware, nsmPki: string): Promise<void> {
  await checkRefused("without an NSM", "NSM_UNAVAILABLE");
  const addon = cover("/app/build/nsm.node", "no addon");
  await checkRefused("without its addon", "BOOT_ADDON");
  addon.uncover();

  await hardware.giveNsm();
  await check("the NSM device is in the image's /dev too", () => {
    assert.ok(existsSync(`${IMAGE_ROOT}/dev/nsm`));
  });
  await checkRefused("on an NSM that fails", "NSM_UNAVAILABLE");

  const nsm = await SimulatedNsm.start(nsmPki);
  await checkConfinement();
  await checkRefused("on a clock that is not the hypervisor's", "BOOT_CLOCK");
  hardware.giveClock();
  await checkRefused("on entropy that is not the NSM's", "BOOT_ENTROPY");
  hardware.giveEntropy();
  await nsm.stop();

  const debugNsm = await SimulatedNsm.start(nsmPki, "--debug-mode");
  await checkRefused("in debug mode", "BOOT_DEBUG");
  await debugNsm.stop();

  const wholeNsm = await SimulatedNsm.start(nsmPki);
  await checkStart();
  await wholeNsm.stop();
}

/** Another command than the image's must not get further than the check at boot. */
async function checkConfinement(): Promise<void> {
  const command = imageCommandLine();
  const without = command.filter((argument) => argument !== "--disable-sigusr1");
  assert.notEqual(without.length, command.length);
  await checkRefused("with a flag of Node missing", "BOOT_UNCONFINED", without);
  const [node = "", ...rest] = command;
  const more = [node, "--allow-child-process", ...rest];
  await checkRefused("with a right that it does not need", "BOOT_UNCONFINED", more);
  const environment = [...imageEnvironment(), "NODE_OPTIONS=--no-warnings"];
  await checkRefused("with options in the environment", "BOOT_UNCONFINED", command, environment);
}

async function checkStart(): Promise<void> {
  const before = Date.now();
  const image = new ImageProcess();
  try {
    await check("the clock of this machine is years behind before the image starts", () => {
      assert.ok(Math.abs(before - hypervisorTimeMs()) > 365 * 86_400_000);
    });
    const isUp = await check("the unmodified image starts when nothing is missing", async () => {
      await image.waitFor("enclave: listening\n", START_DEADLINE_MS);
      assert.equal(image.output, "enclave: listening\n");
    });
    if (!isUp) return;
    await check("it has set the system's clock to the NSM's time", () => {
      const errorMs = Math.abs(Date.now() - hypervisorTimeMs());
      assert.ok(errorMs < CLOCK_ERROR_MS_MAX, `${errorMs} ms off`);
    });
    await checkStranger(image);
  } finally {
    await image.kill();
  }
}

/** Anybody but CID 3 is cut off: here the loopback CID 1, which sends a whole request first. */
async function checkStranger(image: ImageProcess): Promise<void> {
  await check("it cuts a peer off that is not CID 3, before it answers a byte", async () => {
    const dialled = await connectTo({ kind: "vsock", cid: LOOPBACK_CID, port: LINK_PORT });
    // Cut so early that the connection never stood: as good.
    if (!dialled.ok) return dialled.error.code;
    const socket = dialled.value;
    let byteCount = 0;
    socket.on("data", (chunk: Buffer) => {
      byteCount += chunk.length;
    });
    const link: Link = new Caller(ENCLAVE_METHODS, socket, setImmediate);
    const answer = link.call("status", {}, 0, STRANGER_DEADLINE_MS);
    const closed = once(socket, "close", { signal: AbortSignal.timeout(STRANGER_DEADLINE_MS) });
    await closed.finally(() => socket.destroy());
    link.close();
    assert.equal((await answer).ok, false);
    assert.equal(byteCount, 0);
    assert.ok(image.isRunning);
    return "closed";
  });
}
