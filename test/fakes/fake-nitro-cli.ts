// A program in the place of nitro-cli: an executable file that a test writes anew as it goes.

import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** As nitro-cli 1.5 prints it, with fields that are none of ours. */
export function listedEnclave(changes: Readonly<Record<string, unknown>> = {}): object {
  return {
    EnclaveName: "redoubt",
    EnclaveID: "i-0123456789abcdef0-enc0190f4c3a1b2c3d",
    ProcessID: 4242,
    EnclaveCID: 16,
    NumberOfCPUs: 2,
    CPUIDs: [1, 3],
    MemoryMiB: 2048,
    State: "RUNNING",
    Flags: "NONE",
    Measurements: { HashAlgorithm: "Sha384 { ... }", PCR0: "00", PCR1: "00", PCR2: "00" },
    ...changes,
  };
}

export class FakeNitroCli {
  readonly #folder = mkdtempSync(join(tmpdir(), "nitro-cli-"));

  get path(): string {
    return join(this.#folder, "nitro-cli");
  }

  /** Prints this list when it is asked for it, and fails on any other arguments. */
  answer(enclaves: readonly object[]): void {
    const output = JSON.stringify(enclaves, null, 2);
    this.script(`[ "$*" = describe-enclaves ] || exit 9\ncat <<'END'\n${output}\nEND\n`);
  }

  /** In one step: a file that is being written can't be run. */
  script(lines: string): void {
    const draft = `${this.path}.draft`;
    writeFileSync(draft, `#!/bin/sh\n${lines}`);
    chmodSync(draft, 0o700);
    renameSync(draft, this.path);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
