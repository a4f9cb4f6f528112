// Programs of others, compiled by the Go that is here from modules of fixed versions, once for each
// version. It must never take a version that it was not asked for, nor name where modules come
// from: that is the environment's to say.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";

const BUILD_DEADLINE_MS = 20 * 60_000;
const CALL_DEADLINE_MS = 30_000;
/** What is not needed to run: it halves the time of the linker. */
const STRIPPED = "-ldflags=-s -w";

export type GoProgram = {
  /** The package that is the program. */
  readonly path: string;
  readonly version: string;
  /**
   * A folder with go.mod and go.sum that lock its modules; null: the module's own go.mod; a name:
   * in that module's own folder, with its go.sum too, and no look at its other versions.
   */
  readonly lockFolder: string | null | { readonly module: string };
};

export type Built = { readonly file: string; readonly seconds: number };

/** Where Go's own installation puts it (go.dev/doc/install), for whoever has not said so. */
const PATH = [process.env["PATH"], "/usr/local/go/bin"].join(":");

/** Null without Go. */
export function goVersion(): string | null {
  const said = spawnSync("go", ["env", "GOVERSION"], {
    encoding: "utf8",
    env: { ...process.env, PATH },
    timeout: CALL_DEADLINE_MS,
  });
  return said.status === 0 ? said.stdout.trim() : null;
}

/** Throws the end of what the compiler said. */
export function buildGo({ path, version, lockFolder }: GoProgram, cacheFolder: string): Built {
  const folder = join(cacheFolder, `${basename(path)}@${version}`);
  const file = join(folder, basename(path));
  if (existsSync(file)) return { file, seconds: 0 };
  mkdirSync(folder, { recursive: true });
  const startMs = performance.now();
  const args =
    lockFolder === null
      ? ["install", STRIPPED, `${path}@${version}`]
      : ["build", "-mod=readonly", STRIPPED, "-o", file, path];
  const cwd =
    lockFolder !== null && typeof lockFolder === "object"
      ? downloadModule(lockFolder.module, version, folder)
      : (lockFolder ?? folder);
  const done = runGo(args, cwd, folder);
  if (done.status !== 0 || !existsSync(file)) {
    throw failure(`go could not build ${path}@${version}`, done.stderr);
  }
  return { file, seconds: (performance.now() - startMs) / 1000 };
}

/** The folder of the module's own files. */
function downloadModule(module: string, version: string, folder: string): string {
  const done = runGo(["mod", "download", "-json", `${module}@${version}`], folder, folder);
  const at = /"Dir": "([^"]+)"/.exec(done.stdout)?.[1];
  if (done.status !== 0 || at === undefined) {
    throw failure(`go could not get ${module}@${version}`, done.stdout + done.stderr);
  }
  return at;
}

function runGo(args: readonly string[], cwd: string, binFolder: string) {
  return spawnSync("go", args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH, GOBIN: binFolder, GOWORK: "off" },
    timeout: BUILD_DEADLINE_MS,
  });
}

function failure(what: string, said: string): Error {
  return new Error([what, ...said.trimEnd().split("\n").slice(-5)].join("\n"));
}
