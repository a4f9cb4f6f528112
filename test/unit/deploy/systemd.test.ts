import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../../parent/ops/config.ts";
import { encodeAddress } from "../../../shared/address.ts";
import { SHUTDOWN_DEADLINE_MS } from "../../../shared/limits.ts";
import { ROOT } from "../docs/page.ts";
import { readUnit, type UnitFile, valueOf } from "./unit-file.ts";

const FOLDER = join(ROOT, "deploy/systemd");
const UNITS = ["redoubt-enclave.service", "redoubt-parent.service"] as const;

function readText(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

const enclave = readUnit(readText("redoubt-enclave.service"));
const parent = readUnit(readText("redoubt-parent.service"));

/** What both services must say, so that whoever breaks into one does not get further. */
const HARDENING: Readonly<Record<string, string>> = {
  NoNewPrivileges: "yes",
  CapabilityBoundingSet: "",
  AmbientCapabilities: "",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  ProtectClock: "yes",
  ProtectControlGroups: "yes",
  ProtectHostname: "yes",
  ProtectKernelLogs: "yes",
  ProtectKernelModules: "yes",
  ProtectKernelTunables: "yes",
  ProtectProc: "invisible",
  LockPersonality: "yes",
  RestrictNamespaces: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
  RemoveIPC: "yes",
  SystemCallArchitectures: "native",
  SystemCallFilter: "@system-service; ~@privileged @resources",
  SystemCallErrorNumber: "EPERM",
  LimitCORE: "0",
  UMask: "0077",
  Restart: "always",
};

for (const [name, unit] of [
  ["redoubt-enclave.service", enclave],
  ["redoubt-parent.service", parent],
] as const) {
  test(`${name} has the sections of a service, its own user, and every hardening line`, () => {
    assert.deepEqual([...unit.keys()], ["Unit", "Service", "Install"]);
    for (const [key, value] of Object.entries(HARDENING)) {
      assert.equal(valueOf(unit, "Service", key), value, key);
    }
    assert.notEqual(valueOf(unit, "Service", "User") ?? "root", "root");
    // Never given up after too many restarts in a row.
    assert.equal(valueOf(unit, "Unit", "StartLimitIntervalSec"), "0");
    assert.equal(valueOf(unit, "Install", "WantedBy"), "multi-user.target");
  });

  test(`${name} runs no shell`, () => {
    for (const [key, values] of unit.get("Service") ?? []) {
      if (!key.startsWith("Exec")) continue;
      for (const value of values) assert.match(value, /^\/(?!.*\bsh\b)[^;|&`]+$/, key);
    }
  });
}

test("redoubt-enclave.service has the device and the sockets that nitro-cli needs, and no others", () => {
  assert.equal(valueOf(enclave, "Service", "DevicePolicy"), "closed");
  assert.equal(valueOf(enclave, "Service", "DeviceAllow"), "/dev/nitro_enclaves rw");
  assert.equal(valueOf(enclave, "Service", "RestrictAddressFamilies"), "AF_UNIX AF_VSOCK");
  assert.equal(valueOf(enclave, "Service", "IPAddressDeny"), "any");
  assert.equal(valueOf(enclave, "Service", "MemoryDenyWriteExecute"), "yes");
  assert.equal(valueOf(enclave, "Service", "Group"), "ne");
  // The process that nitro-cli leaves behind is the service: it ends with the enclave.
  assert.equal(valueOf(enclave, "Service", "Type"), "forking");
});

test("redoubt-parent.service has vsock, a state folder and no device", () => {
  const families = "AF_UNIX AF_INET AF_INET6 AF_VSOCK";
  assert.equal(valueOf(parent, "Service", "RestrictAddressFamilies"), families);
  assert.equal(valueOf(parent, "Service", "PrivateDevices"), "yes");
  assert.equal(valueOf(parent, "Service", "StateDirectory"), "redoubt");
  assert.equal(valueOf(parent, "Service", "StateDirectoryMode"), "0700");
  assert.equal(valueOf(parent, "Service", "RuntimeDirectory"), "redoubt");
  assert.equal(valueOf(parent, "Service", "SupplementaryGroups"), "ne");
});

/** `--name value` pairs of a command line. */
function optionsOf(unit: UnitFile, key: string): ReadonlyMap<string, string> {
  const words = (valueOf(unit, "Service", key) ?? "").split(" ").slice(2);
  assert.equal(words.length % 2, 0, key);
  return new Map(words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1] ?? ""]] : [])));
}

test("redoubt-enclave.service starts the image without a console, under the name that the parent looks for", () => {
  const run = optionsOf(enclave, "ExecStart");
  const names = ["--eif-path", "--enclave-name", "--cpu-count", "--memory"];
  assert.deepEqual([...run.keys()], names);
  const { enclave: source } = readConfig();
  assert.equal(source.kind === "nitro" ? source.name : "", run.get("--enclave-name"));
  assert.deepEqual([...optionsOf(enclave, "ExecStop")], [["--enclave-name", "redoubt"]]);
});

test("allocator.yaml sets apart what redoubt-enclave.service asks for", () => {
  const yaml = readText("allocator.yaml");
  // The allocator's own parser skips everything before this line.
  assert.ok(yaml.startsWith("---\n"));
  const given = new Map(
    [...yaml.matchAll(/^(\w+): (\d+)$/gm)].map(([, key = "", value = ""]) => [key, Number(value)]),
  );
  assert.deepEqual([...given.keys()], ["memory_mib", "cpu_count"]);
  const run = optionsOf(enclave, "ExecStart");
  assert.ok((given.get("memory_mib") ?? 0) >= Number(run.get("--memory")));
  assert.ok((given.get("cpu_count") ?? 0) >= Number(run.get("--cpu-count")));
  assert.equal((given.get("cpu_count") ?? 0) % 2, 0, "whole cores");
});

test("redoubt-parent.service leaves the parent the time to give its last answers", () => {
  const stopS = Number(valueOf(parent, "Service", "TimeoutStopSec"));
  // main.ts ends by itself 5 s after the deadline.
  assert.ok(stopS * 1000 > SHUTDOWN_DEADLINE_MS + 5000);
});

function readConfig(): ReturnType<typeof parseOrFail> {
  return parseOrFail(new TextEncoder().encode(readText("parent.json")));
}

function parseOrFail(bytes: Uint8Array) {
  const config = parseConfig(bytes, "/etc/redoubt");
  assert.ok(config.ok, config.ok ? "" : config.error.problems.join("; "));
  return config.value;
}

test("parent.json passes parseConfig, and fits the unit's folders", () => {
  const config = readConfig();
  assert.equal(encodeAddress(config.store.listen), "vsock://4294967295:8001");
  assert.equal(encodeAddress(config.relay.listen), "vsock://4294967295:8002");
  assert.equal(dirname(config.store.path), "/var/lib/redoubt");
  assert.equal(encodeAddress(config.admin.listen), "unix:///run/redoubt/admin.sock");
  assert.match(valueOf(parent, "Service", "ExecStart") ?? "", / \/etc\/redoubt\/parent\.json$/);
});

test("redoubt-parent.service starts a program of this repository", () => {
  const words = (valueOf(parent, "Service", "ExecStart") ?? "").split(" ");
  const own = words.filter((word) => word.startsWith("/opt/redoubt/"));
  assert.deepEqual(
    own.map((word) => basename(word)),
    ["node", "main.ts"],
  );
  for (const path of own)
    assert.ok(existsSync(join(ROOT, path.slice("/opt/redoubt/".length))), path);
});

test("redoubt.sysusers.conf makes the users that the units name", () => {
  const lines = readText("redoubt.sysusers.conf").split("\n");
  const users = lines.filter((line) => line.startsWith("u ")).map((line) => line.split(" ")[1]);
  assert.deepEqual(
    [valueOf(parent, "Service", "User"), valueOf(enclave, "Service", "User")],
    users,
  );
  assert.ok(lines.includes("g ne - -"));
});

const ANALYZE = "/usr/bin/systemd-analyze";

test("systemd-analyze verify has nothing to say about the units", {
  skip: existsSync(ANALYZE) ? false : `${ANALYZE} is not installed`,
}, (context) => {
  const root = mkdtempSync(join(tmpdir(), "units-"));
  context.after(() => rmSync(root, { recursive: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const programs = UNITS.flatMap((name) =>
    [...readText(name).matchAll(/^Exec\w+=(\S+)/gm)].map(([, path = ""]) => path),
  );
  for (const path of programs) {
    write(path, "#!/bin/sh\n");
    chmodSync(join(root, path), 0o755);
  }
  const allocator = "[Service]\nType=oneshot\nExecStart=/usr/bin/nitro-cli\n";
  write("etc/systemd/system/nitro-enclaves-allocator.service", allocator);
  for (const target of ["sysinit", "basic", "shutdown", "multi-user", "network-online"]) {
    write(`usr/lib/systemd/system/${target}.target`, "[Unit]\nDescription=a target\n");
  }
  const paths = UNITS.map((name) => {
    const path = join(root, "etc/systemd/system", name);
    copyFileSync(join(FOLDER, name), path);
    return path;
  });
  const { status, stderr } = spawnSync(ANALYZE, [`--root=${root}`, "verify", ...paths], {
    encoding: "utf8",
  });
  const complaints = stderr.split("\n").filter((line) => line.includes("redoubt-"));
  assert.deepEqual([status, complaints], [0, []]);
});
