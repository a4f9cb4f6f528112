// The operator's socket: what passes, and what does not.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type AdminParts, startAdmin } from "../../../../parent/link/admin.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import {
  ENCLAVE_METHODS,
  type EnclaveMethod,
  PARENT_METHODS,
} from "../../../../shared/wire/methods.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { activeAt } from "../../../fakes/served-enclave.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";
import { callerTo } from "../../../fakes/test-caller.ts";
import { until } from "../../../fakes/until.ts";

const DEADLINE_MS = 60_000;
const KEY = new Uint8Array(48);
const CREDENTIALS = {
  accessKeyId: "",
  secretAccessKey: "",
  sessionToken: null,
  expirationMs: 0,
};

test("the admin socket passes on its nine methods, answers for the parent, refuses the others, and is the owner's only", async () => {
  const folder = mkdtempSync(join(tmpdir(), "admin-"));
  const enclave = new FakeEnclave(join(folder, "enclave.sock"));
  await enclave.listen();
  const active = activeAt(join(folder, "enclave.sock"));
  const { link } = active.present;
  link.start(() => {});
  await until(() => link.status() !== null);
  const address = { kind: "unix", path: join(folder, "admin.sock") } as const;
  const line = { id: 8, scope: new Uint8Array(32), key: KEY, seq: 1, receipt: new Uint8Array(1) };
  const store = { receiptsAfter: (id: number) => Promise.resolve(ok(id === 7 ? [line] : [])) };
  const asked: string[] = [];
  const upgrades: AdminParts["upgrades"] = {
    start: () => {
      asked.push("start");
      return Promise.resolve(ok(3));
    },
    show: () => ({ number: 3, phase: "preparing", code: "KMS_DENIED", floor: null }),
    abort: (number) => {
      asked.push(`abort ${number}`);
      return err(refusal("UPGRADE_LATE"));
    },
  };
  const admin = await startAdmin(address, { active, store, upgrades, log: new SilentLog() });
  assert.equal(statSync(address.path).mode & 0o777, 0o600);
  const { caller, socket } = await callerTo({ ...ENCLAVE_METHODS, ...PARENT_METHODS }, address);

  const root = new Uint8Array(32);
  const imported = { genesisValidatorsRoot: root, floors: [], isDryRun: true, reason: 0 };
  assert.ok((await caller.call("status", {}, 0, DEADLINE_MS)).ok);
  const lines = await caller.call("receipts.read", { after: 7 }, 0, DEADLINE_MS);
  assert.deepEqual(lines.ok ? lines.value : lines.error, [line]);
  assert.ok((await caller.call("keys.list", { offset: 0 }, 0, DEADLINE_MS)).ok);
  assert.ok((await caller.call("state.show", { keys: [KEY] }, 0, DEADLINE_MS)).ok);
  assert.ok((await caller.call("state.init", { keys: [KEY] }, 0, DEADLINE_MS)).ok);
  assert.ok((await caller.call("state.import", imported, 0, DEADLINE_MS)).ok);

  assert.ok((await caller.call("state.retire", { keys: [KEY] }, 0, DEADLINE_MS)).ok);
  const order = { order: new Uint8Array(1), signatures: [] };
  const overridden = await caller.call("state.override", order, 0, DEADLINE_MS);
  assert.equal(overridden.ok ? "answered" : overridden.error.code, "OVERRIDE_DISABLED");

  assert.ok((await caller.call("consensus.show", { keys: [KEY] }, 0, DEADLINE_MS)).ok);
  const positions = { chainId: "a", floors: [], isDryRun: true, reason: 0 };
  assert.ok((await caller.call("consensus.import", positions, 0, DEADLINE_MS)).ok);
  assert.ok((await caller.call("consensus.retire", { keys: [KEY] }, 0, DEADLINE_MS)).ok);
  const lowered = await caller.call("consensus.override", order, 0, DEADLINE_MS);
  assert.equal(lowered.ok ? "answered" : lowered.error.code, "OVERRIDE_DISABLED");

  const started = await caller.call("upgrade.start", {}, 0, DEADLINE_MS);
  assert.deepEqual(started, ok({ number: 3 }));
  assert.deepEqual(asked, ["start"]);
  const shown = await caller.call("upgrade.show", {}, 0, DEADLINE_MS);
  assert.deepEqual(shown.ok ? shown.value : shown.error, upgrades.show());
  const aborted = await caller.call("upgrade.abort", { number: 7 }, 0, DEADLINE_MS);
  assert.equal(aborted.ok ? "answered" : aborted.error.code, "UPGRADE_LATE");
  assert.deepEqual(asked, ["start", "abort 7"]);

  const body = new Uint8Array(1);
  const ask = { dialect: 0, key: KEY, kinds: 1, body };
  const refused = [
    await caller.call("sign", ask, 0, DEADLINE_MS),
    await caller.call("privval", { chainId: "a", key: null, message: body }, 0, DEADLINE_MS),
    await caller.call("drain", {}, 0, DEADLINE_MS),
    await caller.call("attest", { nonce: null }, 0, DEADLINE_MS),
    await caller.call("manifest.put", { manifest: body }, 0, DEADLINE_MS),
    await caller.call("credentials.put", CREDENTIALS, 0, DEADLINE_MS),
    await caller.call("bundle.put", { name: "", offset: 0, totalBytes: 1, bytes: body }, 0, 1e5),
    await caller.call("bundle.open", { name: "" }, 0, DEADLINE_MS),
    await caller.call("bundle.retain", { bundleIds: [] }, 0, DEADLINE_MS),
    await caller.call("state.open", { handover: null }, 0, DEADLINE_MS),
    await caller.call("state.challenge", {}, 0, DEADLINE_MS),
    await caller.call("state.handover", { nonce: new Uint8Array(32) }, 0, DEADLINE_MS),
  ];
  for (const answer of refused) {
    assert.equal(answer.ok ? "answered" : answer.error.code, "METHOD_UNKNOWN");
  }
  const passed: readonly EnclaveMethod[] = [
    "keys.list",
    "state.show",
    "state.init",
    "state.import",
    "state.retire",
    "state.override",
    "consensus.show",
    "consensus.import",
    "consensus.retire",
    "consensus.override",
  ];
  assert.deepEqual(enclave.calls, passed);
  assert.equal(refused.length + passed.length + 1, Object.keys(ENCLAVE_METHODS).length);

  socket.destroy();
  admin.close();
  link.close();
  await enclave.stop();
  rmSync(folder, { recursive: true });
});
