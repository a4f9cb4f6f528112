// A disk that can be filled, for the state file. As root it is a small tmpfs, mounted on the
// folder: writes fail with ENOSPC, as on any full disk. Without root the program's own limit on the
// size of files stands in (`prlimit --fsize`): writes fail with EFBIG, which SQLite takes for an
// I/O error and not for a full disk, so that the code is another one. Either way the test runs.

import { execFileSync } from "node:child_process";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ErrorCode } from "../../shared/errors.ts";

const DISK_BYTES = 16 * 1024 * 1024;
const PIECE_BYTES = [1024 * 1024, 4096, 1] as const;

export class SmallDisk {
  readonly #folder: string;
  readonly isMounted: boolean;

  constructor(folder: string) {
    this.#folder = folder;
    this.isMounted = run("mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", folder);
  }

  /** What a store on this disk answers when it is full. */
  get code(): ErrorCode {
    return this.isMounted ? "STORE_FULL" : "STORE_UNAVAILABLE";
  }

  /** `file` is what may not grow, of the program `pid`. */
  fill(pid: number, file: string): void {
    if (!this.isMounted) {
      const { size } = statSync(file);
      if (!run("prlimit", `--pid=${pid}`, `--fsize=${size}:`)) throw new Error("no prlimit");
      return;
    }
    for (const bytes of PIECE_BYTES) while (this.#grow(bytes));
  }

  free(pid: number): void {
    if (this.isMounted) rmSync(this.#filler);
    else run("prlimit", `--pid=${pid}`, "--fsize=unlimited:");
  }

  remove(): void {
    if (this.isMounted) run("umount", "--lazy", this.#folder);
  }

  get #filler(): string {
    return join(this.#folder, "filler");
  }

  #grow(bytes: number): boolean {
    try {
      writeFileSync(this.#filler, new Uint8Array(bytes), { flag: "a" });
      return true;
    } catch {
      return false;
    }
  }
}

function run(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
