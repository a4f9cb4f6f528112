// The official library as a program (`src/main.rs`): compiles it once and asks it. It must never
// hide that it could not be had: the caller says so.

import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { join } from "node:path";

/** What the library says it needs (rust-version in its Cargo.toml). */
const RUST_MIN = [1, 94, 1] as const;
const COMPILE_DEADLINE_MS = 30 * 60_000;
const CALL_DEADLINE_MS = 60_000;
/** Of Debian, for the crate `openssl`. */
const DEBIAN_PACKAGES = ["gcc", "libc6-dev", "libssl-dev", "pkg-config"] as const;

export type Answer = { readonly ok: boolean; readonly stdout: string; readonly stderr: string };

export class Oracle {
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  call(command: "build" | "sign" | "describe" | "header" | "check", path: string): Answer {
    const done = run(this.#program, [command, path], CALL_DEADLINE_MS);
    return { ok: done.status === 0, stdout: done.stdout, stderr: done.stderr };
  }
}

export type Found =
  | { readonly kind: "oracle"; readonly oracle: Oracle }
  /** Nothing is wrong, it is only not there. */
  | { readonly kind: "absent"; readonly reason: string }
  | { readonly kind: "broken"; readonly reason: string };

/** Compiles into `targetFolder`: minutes the first time, a moment after that. */
export function findOracle(projectFolder: string, targetFolder: string): Found {
  const version = rustVersion();
  if (version === undefined) return { kind: "absent", reason: "Rust is not installed" };
  if (isOlder(version)) {
    const reason = `Rust ${version.join(".")} is older than ${RUST_MIN.join(".")}`;
    return { kind: "absent", reason };
  }
  installLibraries();
  const args = [
    "build",
    "--locked",
    "--quiet",
    "--manifest-path",
    join(projectFolder, "Cargo.toml"),
  ];
  const built = run("cargo", args, COMPILE_DEADLINE_MS, { CARGO_TARGET_DIR: targetFolder });
  if (built.status === 0) {
    return { kind: "oracle", oracle: new Oracle(join(targetFolder, "debug/eif-oracle")) };
  }
  const lines = built.stderr.trimEnd().split("\n").slice(-20);
  return { kind: "broken", reason: ["cargo build failed", ...lines].join("\n") };
}

function run(
  program: string,
  args: readonly string[],
  timeout: number,
  environment: NodeJS.ProcessEnv = {},
): SpawnSyncReturns<string> {
  const env = { ...process.env, ...environment };
  return spawnSync(program, args, { encoding: "utf8", env, maxBuffer: 64 * 1024 * 1024, timeout });
}

function rustVersion(): readonly number[] | undefined {
  if (run("cargo", ["--version"], CALL_DEADLINE_MS).status !== 0) return undefined;
  const said = run("rustc", ["--version"], CALL_DEADLINE_MS);
  const match = /^rustc (\d+)\.(\d+)\.(\d+)/.exec(said.status === 0 ? said.stdout : "");
  return match?.slice(1).map(Number);
}

function isOlder(version: readonly number[]): boolean {
  const index = RUST_MIN.findIndex((part, at) => part !== version[at]);
  return index !== -1 && (version[index] ?? 0) < (RUST_MIN[index] ?? 0);
}

/** OpenSSL's headers, where we may. Otherwise cargo says what it misses. */
function installLibraries(): void {
  if (run("pkg-config", ["--exists", "openssl"], CALL_DEADLINE_MS).status === 0) return;
  if (process.getuid?.() !== 0) return;
  run("apt-get", ["update", "-qq"], COMPILE_DEADLINE_MS);
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "-qq", "--no-install-recommends", ...DEBIAN_PACKAGES];
  run("apt-get", install, COMPILE_DEADLINE_MS, quiet);
}
