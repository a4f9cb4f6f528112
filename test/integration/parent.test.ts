// The parent's program: start, signals and the end, with a fake enclave behind it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { constants, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { afterEach, beforeEach, test } from "node:test";
import { loadVsock } from "../../parent/platform/native.ts";
import { openVsock } from "../../parent/platform/vsock.ts";
import { PrivvalNode } from "../../scripts/local/privval-node.ts";
import { encodePubKeyRequest } from "../../scripts/local/privval-request.ts";
import { PRIVVAL_ANSWER_DEADLINE_MS } from "../../shared/limits.ts";
import { STORE_METHODS } from "../../shared/wire/methods.ts";
import { fakeBundle } from "../fakes/fake-bundle.ts";
import { FakeEnclave } from "../fakes/fake-enclave.ts";
import { FakeNitroCli, listedEnclave } from "../fakes/fake-nitro-cli.ts";
import { VSOCK_MISSING } from "../fakes/pair-vsock.ts";
import { ParentFolder, ParentProcess } from "../fakes/parent-process.ts";
import { callerTo } from "../fakes/test-caller.ts";
import { until } from "../fakes/until.ts";

const SIGN_PATH = `/api/v1/eth2/sign/0x${"0a".repeat(48)}`;
const A = fakeBundle(1, [10, 11]);
const B = fakeBundle(2, [20]);

let folder: ParentFolder;
let enclave: FakeEnclave;
let parents: ParentProcess[] = [];

beforeEach(async () => {
  folder = new ParentFolder();
  folder.write("bundles/a.bundle", A.bytes);
  enclave = new FakeEnclave(folder.unix("enclave.sock"));
  await enclave.listen();
  parents = [];
});

afterEach(async () => {
  for (const parent of parents) parent.signal("SIGKILL");
  await enclave.stop();
  folder.remove();
});

function start(...args: readonly string[]): ParentProcess {
  const parent = new ParentProcess(args.length === 0 ? [folder.config] : args);
  parents.push(parent);
  return parent;
}

async function readiness(parent: ParentProcess): Promise<number> {
  const port = await parent.port("ops.listening");
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  await answer.text();
  return answer.status;
}

test("the parent brings the enclave to Ready, signs, counts, and stops with 0 on SIGTERM", async () => {
  const parent = start();
  await parent.line("enclave.ready");
  assert.equal(await readiness(parent), 200);
  const port = await parent.port("parent.listening");
  const signed = await folder.post(port, SIGN_PATH, "{}");
  assert.equal(signed.status, 200);
  const ops = await parent.port("ops.listening");
  const metrics = await (await fetch(`http://127.0.0.1:${ops}/metrics`)).text();
  assert.match(metrics, /^redoubt_store_up 1$/m);
  assert.match(metrics, /^redoubt_link_connects_total 1$/m);
  for (const name of ["store.sock", "relay.sock", "admin.sock", "state.db"]) {
    assert.equal(statSync(folder.unix(name)).mode & 0o777, 0o600, name);
  }
  parent.signal("SIGTERM");
  assert.equal(await parent.exitCode(), 0);
  assert.equal((await parent.line("parent.stopped"))["level"], "info");
});

test("SIGTERM gives the answers that are due, and keeps the store open for them", async () => {
  const parent = start();
  await parent.line("enclave.ready");
  const port = await parent.port("parent.listening");
  const held = Promise.withResolvers<void>();
  enclave.held = held.promise;
  const signing = folder.post(port, SIGN_PATH, "{}");
  await until(() => enclave.calls.includes("sign"));
  parent.signal("SIGTERM");
  await parent.line("parent.stopping");
  const store = { kind: "unix", path: folder.unix("store.sock") } as const;
  const { caller, socket } = await callerTo(STORE_METHODS, store);
  const scope = new Uint8Array(32);
  const read = await caller.call("store.read", { scope, keys: [scope] }, 0, 1e5);
  assert.deepEqual(read, { ok: true, value: [null] });
  socket.destroy();
  held.resolve();
  assert.equal((await signing).status, 200);
  assert.equal(await parent.exitCode(), 0);
});

test("SIGTERM ends API and sessions with nodes together, not one after the other", async () => {
  const node = new PrivvalNode({ kind: "unix", path: folder.unix("node.sock") });
  const address = await node.start();
  folder.writeConfig({ privval: { nodes: [{ chain: "a-1", address }] } });
  const parent = start();
  await parent.line("enclave.ready");
  const port = await parent.port("parent.listening");
  const held = Promise.withResolvers<void>();
  enclave.held = held.promise;
  enclave.silent.add("privval");
  const signing = folder.post(port, SIGN_PATH, "{}");
  const voting = node.askOnce(encodePubKeyRequest("a-1")).then(
    () => "answered",
    () => "lost",
  );
  await until(() => enclave.calls.includes("sign") && enclave.calls.includes("privval"));
  parent.signal("SIGTERM");
  await parent.line("parent.stopping");
  // The vote's deadline is far, and nothing new is taken any more by either.
  const refused = await folder.post(port, SIGN_PATH, "{}").then(
    ({ status }) => status,
    () => "refused",
  );
  assert.ok(refused === "refused" || refused === 503, String(refused));
  const stoppingMs = performance.now();
  held.resolve();
  assert.equal((await signing).status, 200);
  assert.ok(performance.now() - stoppingMs < PRIVVAL_ANSWER_DEADLINE_MS / 2);
  assert.equal(await voting, "lost");
  assert.equal(await parent.exitCode(), 0);
  await node.stop();
});

test("SIGHUP opens bundles that are new, also when the configuration no longer passes", async () => {
  const parent = start();
  await parent.line("enclave.ready");
  folder.write("bundles/b.bundle", B.bytes);
  parent.signal("SIGHUP");
  await until(() => enclave.openIds().length === 2);
  await parent.line("api.reloaded");
  folder.writeConfig({ manifest: 7 });
  folder.write("bundles/c.bundle", fakeBundle(3, [30]).bytes);
  parent.signal("SIGHUP");
  await until(() => enclave.openIds().length === 3);
  await parent.line("config.refused");
  assert.equal(await readiness(parent), 200);
});

test("SIGHUP during the start ends nothing, and is a reload after it", async () => {
  // A start that waits for its manifest: a pipe that nobody has written to.
  rmSync(folder.unix("manifest"));
  assert.equal(spawnSync("mkfifo", [folder.unix("manifest")]).status, 0);
  const parent = start();
  const pipe = await openOnceRead(folder.unix("manifest"));
  parent.signal("SIGHUP");
  await pipe.writeFile("the manifest");
  await pipe.close();
  assert.equal((await parent.line("api.reloaded"))["level"], "info");
  assert.equal((await parent.line("enclave.ready"))["level"], "info");
});

/** The writing end of a pipe, once somebody has opened the other one. */
async function openOnceRead(path: string): Promise<FileHandle> {
  let pipe: FileHandle | null = null;
  while (pipe === null) {
    // ENXIO as long as nobody reads.
    pipe = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => null);
  }
  return pipe;
}

test("a second parent on the same state exits 1 with STORE_LOCKED, and the first goes on", async () => {
  const first = start();
  await first.line("enclave.ready");
  const second = start();
  assert.equal(await second.exitCode(), 1);
  assert.equal((await second.line("parent.failed"))["code"], "STORE_LOCKED");
  assert.equal(await readiness(first), 200);
});

for (const { title, changes, event, code } of [
  {
    title: "a configuration that does not fit its schema",
    changes: { manifest: 7 },
    event: "config.refused",
    code: "CONFIG_MALFORMED",
  },
  {
    title: "no manifest",
    changes: { manifest: "missing" },
    event: "parent.failed",
    code: "CONFIG_UNREADABLE",
  },
  {
    title: "a store whose folder is missing",
    changes: { store: { listen: "unix:///tmp/never.sock", path: "missing/state.db" } },
    event: "parent.failed",
    code: "STORE_UNAVAILABLE",
  },
  {
    title: "an admin socket that can't be listened on",
    changes: { admin: { listen: "unix:///missing/folder/admin.sock" } },
    event: "parent.failed",
    code: "LISTEN_FAILED",
  },
]) {
  test(`${title} ends the start with 1 and one line that says why`, async () => {
    folder.writeConfig(changes);
    const parent = start();
    assert.equal(await parent.exitCode(), 1);
    const found = parent.lines.filter((line) => line["event"] === event);
    assert.deepEqual(
      found.map((line) => line["code"]),
      [code],
    );
  });
}

test("anything but one argument is a usage error, 2", async () => {
  assert.equal(await new ParentProcess([]).exitCode(), 2);
  assert.equal(await start(folder.config, "more").exitCode(), 2);
});

const hasAddon = loadVsock() !== null;
const hasVsock = (await openVsock()).ok;

test("without the addon a Nitro enclave ends the start with 1 and says what to run", {
  skip: hasAddon ? "build/vsock.node is built" : false,
}, async () => {
  folder.writeConfig({ enclave: { nitro: { name: "redoubt" } } });
  const parent = start();
  const line = await parent.line("parent.failed");
  assert.equal(line["code"], "VSOCK_UNAVAILABLE");
  assert.ok(String(line["reason"]).includes("npm run build:native"));
  assert.equal(await parent.exitCode(), 1);
});

test("the parent looks for a Nitro enclave by its name, and says that none is there", {
  skip: hasVsock ? false : VSOCK_MISSING,
}, async (context) => {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  cli.answer([listedEnclave({ EnclaveName: "other" })]);
  folder.writeConfig({ enclave: { nitro: { name: "redoubt", cliPath: cli.path } } });
  const parent = start();
  const missing = await parent.line("enclave.not-located");
  assert.deepEqual([missing["level"], missing["code"]], ["warn", "ENCLAVE_ABSENT"]);
  await until(() =>
    parent.lines.some(
      ({ event, code }) => event === "enclave.not-ready" && code === "ENCLAVE_ABSENT",
    ),
  );
  const ops = `http://127.0.0.1:${await parent.port("ops.listening")}`;
  const answer = await fetch(`${ops}/readyz`);
  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /"ENCLAVE_ABSENT"/);
  const metrics = await (await fetch(`${ops}/metrics`)).text();
  assert.match(metrics, /^redoubt_enclave_cid 0$/m);
  assert.match(metrics, /^redoubt_link_locate_failures_total [1-9]/m);
  assert.match(metrics, /^redoubt_relay_refusals_total\{code="RELAY_HOST_DENIED"\} 0$/m);
});
