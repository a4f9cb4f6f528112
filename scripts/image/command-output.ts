// Runs a program of the system and gives its output, in an environment that does not depend on the
// caller's language or time zone. What the program has to say is only shown when it fails.

import { spawnSync } from "node:child_process";
import { ImageError } from "./image-error.ts";

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
const DEADLINE_MS = 600_000;
const COMPLAINT_LENGTH_MAX = 2000;

export type RunOptions = {
  readonly cwd?: string;
  /** Instead of the caller's. */
  readonly environment?: Readonly<Record<string, string>>;
};

export function runForOutput(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Uint8Array {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.environment ?? { ...process.env, LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: DEADLINE_MS,
  });
  if (error !== undefined && "code" in error && error.code === "ENOENT") {
    throw new ImageError(`this needs the program ${program}, which is not installed`);
  }
  if (status !== 0) {
    const complaint = Buffer.concat([stdout, stderr])
      .toString("utf8")
      .trim()
      .slice(-COMPLAINT_LENGTH_MAX);
    const ending = status === null ? `ended by ${signal ?? "an error"}` : `exit code ${status}`;
    throw new ImageError(`${program} failed (${ending}):\n${complaint}`);
  }
  return stdout;
}

export function runForText(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): string {
  return Buffer.from(runForOutput(program, args, options)).toString("utf8");
}
