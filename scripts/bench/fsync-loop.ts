// The yardstick of a durable signature: 256 bytes appended to a file and synced, one after the
// other, on the disk that the signers keep their state on. It must never be read as what a signer
// does: that writes more, and in a file system's order of its own.

import { closeSync, fdatasyncSync, openSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

const RECORD = Buffer.alloc(256, 1);
/** linux/magic.h: a file system in memory, where a sync costs nothing. */
const MEMORY_FILE_SYSTEMS: readonly number[] = [0x01021994, 0x858458f6];

export class FsyncLoop {
  readonly #file: number;

  constructor(folder: string) {
    this.#file = openSync(join(folder, "yardstick"), "a", 0o600);
  }

  /** How long each took, in ms. */
  run(count: number): readonly number[] {
    return Array.from({ length: count }, () => {
      const startMs = performance.now();
      writeSync(this.#file, RECORD);
      fdatasyncSync(this.#file);
      return performance.now() - startMs;
    });
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function isInMemory(folder: string): boolean {
  return MEMORY_FILE_SYSTEMS.includes(statfsSync(folder).type);
}
