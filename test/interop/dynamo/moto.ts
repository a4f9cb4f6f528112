// moto as a program: a virtual environment of Python with the locked packages, made once for each
// lock file, and the server in it. It must never install what the lock file does not name, and
// never go on without it in silence.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ACCOUNT_ID } from "../../fakes/local-dynamo.ts";

const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");
const INSTALL_DEADLINE_MS = 10 * 60_000;
const START_DEADLINE_MS = 60_000;
const CALL_DEADLINE_MS = 30_000;
const NO_PYTHON =
  "Python 3.10 or newer with venv is needed (Debian: apt-get install python3 python3-venv)";

/** The interpreter of the environment. Throws what is missing. */
export function preparePython(folder: string): string {
  const python = join(folder, "bin", "python");
  const stamp = join(folder, "locked");
  const digest = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  const isThere = existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
  // An interpreter that was replaced since leaves an environment that does not start.
  if (isThere && run(python, ["-c", "import moto"]).status === 0) return python;
  rmSync(folder, { recursive: true, force: true });
  if (run("python3", ["-m", "venv", folder]).status !== 0) {
    installPython();
    rmSync(folder, { recursive: true, force: true });
    if (run("python3", ["-m", "venv", folder]).status !== 0) throw new Error(NO_PYTHON);
  }
  const locked = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", REQUIREMENTS];
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  const installed = run(python, ["-m", "pip", "install", ...quiet, ...locked]);
  if (installed.status !== 0) {
    const lines = installed.stderr.trimEnd().split("\n").slice(-10);
    throw new Error(["the packages of moto could not be installed", ...lines].join("\n"));
  }
  writeFileSync(stamp, digest);
  return python;
}

/** Where we may. */
function installPython(): void {
  if (process.getuid?.() !== 0) return;
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "python3", "python3-venv"]);
}

function run(program: string, args: readonly string[], input = "") {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync(program, args, { encoding: "utf8", env, input, timeout: INSTALL_DEADLINE_MS });
}

export type Moto = { readonly port: number; stop(): Promise<void> };

export async function startMoto(python: string): Promise<Moto> {
  const env = { ...process.env, MOTO_ACCOUNT_ID: ACCOUNT_ID };
  const child = spawn(python, [join(import.meta.dirname, "server.py")], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>((settle) => child.once("exit", () => settle()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  try {
    return { port: await portOf(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((settle, fail) => {
    const timer = setTimeout(() => fail(new Error("moto does not start")), START_DEADLINE_MS);
    child.once("exit", () => fail(new Error("moto ended")));
    child.once("error", fail);
    if (child.stdout === null) return;
    createInterface(child.stdout).once("line", (line) => {
      clearTimeout(timer);
      settle(Number(line));
    });
  });
}

/** What `other_enclave.py` answers. */
export async function callOther(python: string, wish: object): Promise<unknown> {
  const child = spawn(python, [join(import.meta.dirname, "other_enclave.py")], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: CALL_DEADLINE_MS,
  });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    texts.out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    texts.err += chunk.toString("utf8");
  });
  child.stdin.end(JSON.stringify(wish));
  const code = await new Promise((settle) => child.once("close", settle));
  if (code !== 0) throw new Error(`other_enclave.py failed:\n${texts.err.slice(-2000)}`);
  return JSON.parse(texts.out);
}
