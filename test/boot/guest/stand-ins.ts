// Stand-ins for the hardware that this guest lacks: the NSM (a CUSE device in front of a simulated
// one), the clock that a hypervisor keeps, the entropy that the NSM gives to the kernel. The last
// two are only what the kernel says of itself: files laid over those of sysfs, so that the image
// finds what it would find on Nitro. They prove that the image asks, not that hardware answers.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLOCK_SOURCE_FILE, ENTROPY_SOURCE_FILE } from "../../../enclave/platform/node-flags.ts";
import { IMAGE_ROOT } from "./image-process.ts";
import { until } from "./report.ts";

const NSM_SOCKET = "/run/nsm.sock";
const NSM_PROGRAM = join(import.meta.dirname, "nsm.ts");
const COVER_FOLDER = "/run/covers";
const DEADLINE_MS = 60_000;

export function busybox(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("/bin/busybox", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`busybox ${args.join(" ")}: ${stderr}`);
}

/** Lays a file with other content over one that the image sees, until `uncover`. */
export function cover(pathInImage: string, content: string): { uncover(): void } {
  mkdirSync(COVER_FOLDER, { recursive: true });
  const target = realpathSync(join(IMAGE_ROOT, pathInImage));
  const file = join(COVER_FOLDER, pathInImage.replaceAll("/", "_"));
  writeFileSync(file, content);
  busybox("mount", "--bind", file, target);
  return { uncover: () => busybox("umount", target) };
}

/** What stands in for hardware from then on; each once, and all of it stays. */
export class Hardware {
  #hasClock = false;
  #hasEntropy = false;
  #hasNsm = false;

  giveClock(): void {
    if (!this.#hasClock) cover(CLOCK_SOURCE_FILE, "kvm-clock\n");
    this.#hasClock = true;
  }

  giveEntropy(): void {
    if (!this.#hasEntropy) cover(ENTROPY_SOURCE_FILE, "nsm-hwrng\n");
    this.#hasEntropy = true;
  }

  /** The device; what is behind it is one simulated NSM for each boot of the enclave. */
  async giveNsm(): Promise<void> {
    if (this.#hasNsm) return;
    this.#hasNsm = true;
    spawn("/bin/cuse-nsm", [NSM_SOCKET], { stdio: ["ignore", "ignore", "inherit"] });
    await until("for /dev/nsm", DEADLINE_MS, () => existsSync("/dev/nsm") || null);
  }

  async giveAll(): Promise<void> {
    this.giveClock();
    this.giveEntropy();
    await this.giveNsm();
  }
}

export class SimulatedNsm {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(pkiFolder: string, ...options: readonly string[]): Promise<SimulatedNsm> {
    const child = spawn(
      process.execPath,
      ["--no-warnings", NSM_PROGRAM, NSM_SOCKET, pkiFolder, ...options],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const ended = once(child, "exit").then(() => {
      throw new Error("the simulated NSM ended");
    });
    await Promise.race([once(child.stdout, "data"), ended]);
    ended.catch(() => undefined);
    return new SimulatedNsm(child);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
