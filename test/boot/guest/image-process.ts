// Runs the image's program as AWS's init does: in its own root, with the arguments of `/cmd` and
// the environment of `/env`, in a session of its own, as root. It keeps what the program prints.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { until } from "./report.ts";

export const IMAGE_ROOT = "/rootfs";

/** What init.c gives a program whose `/env` is empty. */
const DEFAULT_ENVIRONMENT = ["PATH=/sbin:/usr/sbin:/bin:/usr/bin"];
const OUTPUT_LENGTH_MAX = 16_384;

export type Ended = { readonly code: number | null; readonly signal: string | null };

function linesOf(path: string): readonly string[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

export function imageCommandLine(): readonly string[] {
  return linesOf("/cmd");
}

export function imageEnvironment(): readonly string[] {
  const lines = linesOf("/env");
  return lines.length === 0 ? DEFAULT_ENVIRONMENT : lines;
}

export class ImageProcess {
  readonly #child: ChildProcess;
  readonly ended: Promise<Ended>;
  #output = "";
  #errors = "";
  #hasEnded = false;

  constructor(command = imageCommandLine(), environment = imageEnvironment()) {
    this.#child = spawn("/bin/busybox", ["chroot", IMAGE_ROOT, ...command], {
      env: Object.fromEntries(environment.map((line) => splitOnce(line))),
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString("utf8")).slice(-OUTPUT_LENGTH_MAX);
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString("utf8")).slice(-OUTPUT_LENGTH_MAX);
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      // After the pipes are closed: then its output is whole.
      this.#child.once("close", (code, signal) => {
        this.#hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What the program says. */
  get output(): string {
    return this.#output;
  }

  /** What Node says. */
  get errors(): string {
    return this.#errors;
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  async waitFor(text: string, deadlineMs: number): Promise<void> {
    await until(`for "${text}"`, deadlineMs, () => {
      if (this.#output.includes(text)) return true;
      if (this.#hasEnded) throw new Error("the enclave ended");
      return null;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; it printed: ${this.#output} ${this.#errors}`);
    });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Ended> {
    this.#child.kill(signal);
    return await this.ended;
  }
}

function splitOnce(line: string): readonly [string, string] {
  const at = line.indexOf("=");
  return [line.slice(0, at), line.slice(at + 1)];
}
