// The store as a thread and as a process: who may open it, and what a killed process leaves.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { EnclavePeer } from "../../parent/link/enclave-peer.ts";
import { openVsock } from "../../parent/platform/vsock.ts";
import { RecordDatabase } from "../../parent/store/database.ts";
import { type Store, startStore } from "../../parent/store/store.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { STORE_METHODS } from "../../shared/wire/methods.ts";
import { CID_ANY, PORT_ANY } from "../../shared/wire/vsock.ts";
import { VSOCK_MISSING } from "../fakes/pair-vsock.ts";
import { SilentLog } from "../fakes/silent-log.ts";
import { callerTo } from "../fakes/test-caller.ts";

const SCOPE = new Uint8Array(32).fill(1);
const DEADLINE_MS = 60_000;

let folder = "";
let path = "";
let socketPath = "";
let children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
  path = join(folder, "state.db");
  socketPath = join(folder, "store.sock");
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function keyOf(index: number): Uint8Array {
  return new Uint8Array(48).fill(index);
}

async function startChild(): Promise<ChildProcess> {
  const program = fileURLToPath(new URL("../fakes/store-process.ts", import.meta.url));
  const child = spawn(process.execPath, ["--no-warnings", program, path, socketPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const data: readonly unknown[] = await once(child.stdout, "data");
  assert.equal(String(data[0]), "listening\n");
  return child;
}

async function start(name = "store.sock"): Promise<Store> {
  const listen = { kind: "unix", path: join(folder, name) } as const;
  const store = await startStore({ path, listen, log: new SilentLog() });
  assert.ok(store.ok);
  return store.value;
}

test("every commit that was acknowledged before SIGKILL is there afterwards", async () => {
  const acknowledged = new Map<string, number>();
  for (const killAfterCount of [1, 40, 150]) {
    const child = await startChild();
    const { caller, socket } = await callerTo(STORE_METHODS, { kind: "unix", path: socketPath });
    const seqs = await readSeqs(caller);
    for (const [hex, seq] of acknowledged) assert.ok((seqs.get(hex) ?? 0) >= seq);
    let count = 0;
    const sign = async (index: number): Promise<void> => {
      const key = keyOf(index);
      const hex = encodeHex(key);
      for (let seq = (seqs.get(hex) ?? 0) + 1; ; seq++) {
        const write = { key, seq, record: Uint8Array.of(index, 1), receipt: Uint8Array.of(2) };
        const params = { scope: SCOPE, writes: [write] };
        const answer = await caller.call("store.commit", params, 0, DEADLINE_MS);
        if (!answer.ok) return;
        assert.deepEqual(answer.value, [null]);
        acknowledged.set(hex, seq);
        count += 1;
        if (count === killAfterCount) child.kill("SIGKILL");
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, index) => sign(index + 1)));
    socket.destroy();
    assert.ok(count >= killAfterCount);
  }
  const database = new RecordDatabase(path);
  for (let index = 1; index <= 8; index++) {
    const key = keyOf(index);
    const records = database.read(SCOPE, [key]);
    assert.ok(records.ok);
    assert.ok((records.value[0]?.seq ?? 0) >= (acknowledged.get(encodeHex(key)) ?? 0));
  }
  database.close();
});

async function readSeqs(
  caller: Awaited<ReturnType<typeof callerTo<typeof STORE_METHODS>>>["caller"],
): Promise<ReadonlyMap<string, number>> {
  const keys = Array.from({ length: 8 }, (_, index) => keyOf(index + 1));
  const answer = await caller.call("store.read", { scope: SCOPE, keys }, 0, DEADLINE_MS);
  assert.ok(answer.ok);
  return new Map(keys.map((key, index) => [encodeHex(key), answer.value[index]?.seq ?? 0]));
}

test("a second parent on the same state is refused with STORE_LOCKED until the first is gone", async () => {
  const child = await startChild();
  const listen = { kind: "unix", path: join(folder, "second.sock") } as const;
  const log = new SilentLog();
  const refused = await startStore({ path, listen, log });
  assert.equal(refused.ok ? "started" : refused.error.code, "STORE_LOCKED");
  assert.deepEqual(
    log.lines.map(({ level, event, fields }) => [level, event, fields.code]),
    [["error", "store.refused", "STORE_LOCKED"]],
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await start("second.sock")).close();
});

test("a socket file of a living program is not taken over", async () => {
  const store = await start();
  const listen = { kind: "unix", path: socketPath } as const;
  const other = join(folder, "other.db");
  const log = new SilentLog();
  const refused = await startStore({ path: other, listen, log });
  assert.equal(refused.ok ? "started" : refused.error.code, "STORE_UNAVAILABLE");
  assert.equal(log.lines[0]?.fields.reason, `listen unix://${socketPath}: EADDRINUSE`);
  await store.close();
});

test("the store's socket is its owner's only, and a request of unknown method is answered", async () => {
  const store = await start();
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  const methods = { ...STORE_METHODS, "store.drop": STORE_METHODS["store.read"] };
  const { caller, socket } = await callerTo(methods, { kind: "unix", path: socketPath });
  const answer = await caller.call("store.drop", { scope: SCOPE, keys: [] }, 0, DEADLINE_MS);
  assert.equal(answer.ok ? "answered" : answer.error.code, "METHOD_UNKNOWN");
  socket.destroy();
  await store.close();
});

test("a read sees the commit that was sent before it, and closing keeps both", async () => {
  const store = await start();
  const { caller, socket } = await callerTo(STORE_METHODS, { kind: "unix", path: socketPath });
  const key = keyOf(1);
  const write = { key, seq: 1, record: Uint8Array.of(5), receipt: Uint8Array.of(6) };
  const committed = caller.call("store.commit", { scope: SCOPE, writes: [write] }, 0, DEADLINE_MS);
  const found = await caller.call("store.read", { scope: SCOPE, keys: [key] }, 0, DEADLINE_MS);
  assert.deepEqual(await committed, { ok: true, value: [null] });
  assert.ok(found.ok);
  assert.equal(found.value[0]?.seq, 1);
  await store.close();
  assert.equal(store.stats()?.recordCount, 1);
  assert.equal(store.stats()?.code, null);
  socket.destroy();
  const again = await start();
  await again.close();
});

test("the store's thread listens on vsock with an addon of its own", {
  skip: (await openVsock()).ok ? false : VSOCK_MISSING,
}, async () => {
  const peer = new EnclavePeer();
  const listen = { kind: "vsock", cid: CID_ANY, port: PORT_ANY } as const;
  const store = await startStore({ path, listen, peer, log: new SilentLog() });
  assert.ok(store.ok);
  await store.value.close();
  // The descriptor is gone with the thread, the database with it.
  await (await start()).close();
});

test("a thread that dies is a failure that the parent is told of, and closing is none", async () => {
  const listen = { kind: "unix", path: socketPath } as const;
  const program = new URL("../fakes/dying-store-worker.ts", import.meta.url);
  const log = new SilentLog();
  const dying = await startStore({ path, listen, log, program });
  assert.ok(dying.ok);
  const reason = await new Promise((settle) => dying.value.onFailure(settle));
  assert.equal(typeof reason, "string");
  assert.equal(log.lines.at(-1)?.event, "store.thread-failed");
  const store = await start();
  store.onFailure(() => assert.fail("closing is no failure"));
  await store.close();
});
