// What the running enclave is from outside: no core dumps, no debugger, no files, bounded memory.
// And what it is refused from inside, which the boot composition tried (`enclave.boot.ts`).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { z } from "zod";
import type { ImageProcess } from "./image-process.ts";
import { coreDumps } from "./refusals.ts";
import { check, note } from "./report.ts";

const PROBES_DEADLINE_MS = 30_000;
const MEMORY_MIB_MAX = 400;
/** Node's inspector would listen on TCP port 9229. */
const INSPECTOR_PORT_HEX = ":240D ";
/** Of Node's permission model, and of V8 without code generation. */
const REFUSALS: ReadonlySet<string> = new Set(["ERR_ACCESS_DENIED", "EvalError"]);
const PROBES = z.record(z.string(), z.string());
/** Pipes, sockets, epoll and the like; the NSM; what Node has open as its standard streams. */
const ALLOWED_FILES = /^((socket|pipe|anon_inode):|\/(rootfs\/)?dev\/(nsm|null)$)/;

function readProcess(pid: number, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, "utf8");
}

export async function checkConfined(enclave: ImageProcess): Promise<void> {
  await check("the enclave is refused what it has no right to", async () => {
    await enclave.waitFor("probes: ", PROBES_DEADLINE_MS);
    const line = /^probes: (.*)$/m.exec(enclave.output)?.[1] ?? "{}";
    const outcomes = PROBES.parse(JSON.parse(line));
    assert.ok(Object.keys(outcomes).length > 0);
    const done = Object.entries(outcomes).filter(([, outcome]) => !REFUSALS.has(outcome));
    assert.deepEqual(done, []);
    assert.ok(enclave.isRunning);
  });
  await check("it has no file open but the NSM", () => {
    const files = readdirSync(`/proc/${enclave.pid}/fd`).map((fd) => {
      return readlinkSync(`/proc/${enclave.pid}/fd/${fd}`);
    });
    assert.ok(files.some((file) => file.endsWith("/dev/nsm")));
    assert.deepEqual(
      files.filter((file) => !ALLOWED_FILES.test(file)),
      [],
    );
  });
  await check("its memory maps no file but the image's programs and libraries", () => {
    const mapped = new Set(
      readProcess(enclave.pid, "maps")
        .split("\n")
        .map((line) => line.split(/\s+/)[5] ?? ""),
    );
    const others = [...mapped].filter(
      (path) =>
        path.startsWith("/") &&
        !/^(\/rootfs)?\/(bin\/node|lib\S*|usr\/lib\S*|app\/\S+\.node)$/.test(path),
    );
    assert.deepEqual(others, []);
  });
}

export async function checkNoDebugger(enclave: ImageProcess): Promise<void> {
  await check("SIGUSR1 starts no inspector", async () => {
    process.kill(enclave.pid, "SIGUSR1");
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
    });
    const tcp = existsSync("/proc/net/tcp6") ? readFileSync("/proc/net/tcp6", "utf8") : "";
    assert.ok(!(readFileSync("/proc/net/tcp", "utf8") + tcp).includes(INSPECTOR_PORT_HEX));
    assert.ok(!enclave.output.includes("Debugger"), enclave.output);
    assert.ok(enclave.isRunning);
  });
}

export async function checkMemory(enclave: ImageProcess): Promise<void> {
  await check(`the enclave's memory stays below ${MEMORY_MIB_MAX} MiB`, () => {
    const status = readProcess(enclave.pid, "status");
    const mib = (field: string) =>
      Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024);
    note(
      `enclave: ${mib("VmRSS")} MiB resident, ${mib("VmHWM")} MiB at most, ${mib("RssAnon")} MiB anonymous`,
    );
    assert.ok(mib("VmHWM") < MEMORY_MIB_MAX, `${mib("VmHWM")} MiB`);
  });
}

/** Ends the enclave by a crash: `crash` has to answer the signal that ended it. */
export async function checkNoCore(
  enclave: ImageProcess,
  crash: () => Promise<string | null>,
): Promise<void> {
  await check("its limit for core dumps is zero, soft and hard", () => {
    assert.match(readProcess(enclave.pid, "limits"), /^Max core file size +0 +0 +/m);
  });
  await check("a crash of another program would leave a core here", () => {
    spawnSync("/bin/busybox", ["sh", "-c", "kill -SEGV $$"], { cwd: "/tmp" });
    assert.equal(coreDumps().length, 1);
    spawnSync("/bin/busybox", ["rm", ...coreDumps()]);
  });
  await check("a crash of the enclave leaves none", async () => {
    assert.equal(await crash(), "SIGSEGV");
    assert.deepEqual(coreDumps(), []);
  });
}
