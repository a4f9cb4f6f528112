// Starts one of our TypeScript programs on the pinned Node, from whatever Node (20 or newer) the
// caller has: installs the locked packages when they are missing or older than the lock file, then
// runs the program. It must never run a program on packages that the lock file does not describe.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const stamp = join(modules, ".redoubt-lock-sha256");
const node = join(modules, `node-${process.platform}-${process.arch}`, "bin", "node");

function fail(text) {
  process.stderr.write(`redoubt: ${text}\n`);
  process.exit(1);
}

function lockDigest() {
  const hash = createHash("sha256");
  for (const name of ["package.json", "package-lock.json"]) {
    hash.update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

function isInstalled(digest) {
  return existsSync(node) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
}

/** Waits for another process that installs, so that two first runs at once do not share a tree. */
function install(digest) {
  const lock = join(root, ".redoubt", "install.lock");
  mkdirSync(dirname(lock), { recursive: true });
  const deadline = Date.now() + 600_000;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch {
      const owner = Number(existsSync(lock) ? readFileSync(lock, "utf8") : "0");
      if (owner > 0 && !isAlive(owner)) {
        rmSync(lock, { force: true });
      } else if (Date.now() > deadline) {
        fail(`another installation holds ${lock}; remove it if none runs`);
      } else {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      }
    }
  }
  try {
    if (isInstalled(digest)) return;
    process.stderr.write("redoubt: installing the locked packages (once) ...\n");
    // npm takes what lies there for whole: what an interrupted run left behind must go first.
    if (!existsSync(stamp)) rmSync(modules, { recursive: true, force: true });
    rmSync(stamp, { force: true });
    // Not `npm ci`: it refuses a lock file that leaves out builds for platforms of others, which
    // a registry mirror need not have. What is locked is installed as locked, hashes checked.
    const npm = spawnSync(
      "npm",
      ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"],
      {
        cwd: root,
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    if (npm.status === 0 && existsSync(node)) writeFileSync(stamp, digest);
  } finally {
    // Before anything exits: a lock that stays behind would hold up the next run.
    rmSync(lock, { force: true });
  }
  if (!existsSync(node)) fail(`no pinned Node for ${process.platform}-${process.arch}`);
  if (!isInstalled(digest)) fail("`npm install` failed; see its output above");
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

const [program, ...args] = process.argv.slice(2);
if (program === undefined) fail("usage: run.mjs PROGRAM [ARGUMENT...]");
const digest = lockDigest();
if (!isInstalled(digest)) install(digest);

const child = spawn(node, ["--no-warnings", resolve(root, program), ...args], {
  // The channel tells the program when we are gone, if it wants to know.
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: { ...process.env, NODE_OPTIONS: "" },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  if (signal !== null) process.stderr.write(`redoubt: ended by ${signal}\n`);
  process.exitCode = code ?? 128;
  clearInterval(starterWatch);
});

// npm does not pass every signal on: when it is gone, what it started goes too.
const starter = process.ppid;
const isOfNpm = process.env.npm_lifecycle_event !== undefined;
const starterWatch = setInterval(() => {
  if (isOfNpm && process.ppid !== starter) child.kill("SIGTERM");
}, 1000);
