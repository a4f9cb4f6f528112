// A program of others, compiled by the Cargo that is here from a crate of a fixed version with the
// versions that its own lock names, once. It must never name where crates come from: that is the
// environment's to say.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const BUILD_DEADLINE_MS = 60 * 60_000;

export type CargoProgram = {
  readonly crate: string;
  readonly version: string;
  readonly features: readonly string[];
};

/** The program's file. Throws the end of what the compiler said. */
export function buildCargo(program: CargoProgram, cacheFolder: string): string {
  const { crate, version, features } = program;
  const folder = join(cacheFolder, `${crate}@${version}`);
  const file = join(folder, "bin", crate);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const target = join(folder, "target");
  const what = ["--version", version, "--locked", `--features=${features.join(",")}`];
  const where = ["--root", folder, "--target-dir", target];
  const done = spawnSync("cargo", ["install", crate, ...what, ...where], {
    encoding: "utf8",
    timeout: BUILD_DEADLINE_MS,
  });
  if (done.error !== undefined) throw new Error(`cargo did not run: ${done.error.message}`);
  if (done.status !== 0 || !existsSync(file)) {
    const lines = done.stderr.trimEnd().split("\n").slice(-5);
    throw new Error([`cargo could not build ${crate} ${version}`, ...lines].join("\n"));
  }
  // Half a gigabyte that only the compiler reads. What a failed build left is gone on with.
  rmSync(target, { recursive: true });
  return file;
}
