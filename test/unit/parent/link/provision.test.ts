// From any phase to Ready, through failures, restarts and reloads.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { BundleFailure, SealedBundle } from "../../../../parent/link/bundle-loader.ts";
import { EnclaveLink } from "../../../../parent/link/enclave-link.ts";
import { createFixedLocator } from "../../../../parent/link/enclave-locator.ts";
import { Provisioner } from "../../../../parent/link/provision.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { CHUNK_BYTES_MAX } from "../../../../shared/limits.ts";
import { fakeBundle } from "../../../fakes/fake-bundle.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";
import { until } from "../../../fakes/until.ts";

const MANIFEST = Uint8Array.of(1, 2, 3);
const CREDENTIALS = {
  accessKeyId: "id",
  secretAccessKey: "secret",
  sessionToken: null,
  expirationMs: 0,
};
const FAST = { minMs: 1, maxMs: 5 };
const NEVER = { minMs: 1e8, maxMs: 1e8 };
const A = { name: "a", ...fakeBundle(1, [10, 11, 12]) };
const B = { name: "b", ...fakeBundle(2, [20]) };
/** A sealed anew, with one key more. */
const A_AGAIN = { name: "a", ...fakeBundle(3, [10, 11, 12, 13]) };

let folder = "";
let enclave: FakeEnclave;
let log: SilentLog;
let bundles: SealedBundle[] = [];
let unread: BundleFailure[] = [];
let readCount = 0;
let started: Provisioner[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "link-"));
  enclave = new FakeEnclave(join(folder, "enclave.sock"));
  await enclave.listen();
  log = new SilentLog();
  bundles = [A, B];
  unread = [];
  readCount = 0;
  started = [];
});

afterEach(async () => {
  for (const provisioner of started) provisioner.close();
  await enclave.stop();
  rmSync(folder, { recursive: true });
});

function start(options: { bundleRetry?: typeof FAST; hasCredentials?: boolean } = {}): Provisioner {
  const link = new EnclaveLink(
    createFixedLocator({ kind: "unix", path: join(folder, "enclave.sock") }),
    { reconnect: FAST, heartbeatMs: 10, sweepMs: 10 },
  );
  const provisioner = new Provisioner({
    link,
    manifest: MANIFEST,
    log,
    retry: FAST,
    bundleRetry: options.bundleRetry ?? NEVER,
    readBundles: () => {
      readCount += 1;
      return Promise.resolve({ bundles, failures: unread });
    },
  });
  started.push(provisioner);
  if (options.hasCredentials !== false) provisioner.setCredentials(CREDENTIALS);
  provisioner.start();
  return provisioner;
}

async function ready(provisioner: Provisioner): Promise<void> {
  await until(() => provisioner.notReady() === null);
}

async function reload(provisioner: Provisioner): Promise<unknown> {
  assert.ok(provisioner.startReload().ok);
  await until(() => provisioner.reloadState().status !== "running");
  const { status, lastError, lastOperationTime } = provisioner.reloadState();
  assert.ok(lastOperationTime !== null && !Number.isNaN(Date.parse(lastOperationTime)));
  return [status, lastError];
}

function texts(provisioner: Provisioner): readonly string[] {
  return provisioner.keys().map((key) => key.slice(0, 4));
}

function failures(event: string): readonly unknown[] {
  return log.lines.filter((line) => line.event === event).map(({ fields }) => fields.code);
}

test("an enclave that has just booted is brought to Ready in the order of its phases", async () => {
  const provisioner = start();
  await ready(provisioner);
  const firstList = enclave.calls.indexOf("keys.list");
  assert.deepEqual(enclave.calls.slice(0, firstList), [
    "manifest.put",
    "credentials.put",
    "bundle.put",
    "bundle.open",
    "bundle.put",
    "bundle.open",
    "state.open",
  ]);
  assert.deepEqual(enclave.manifestDigest, createHash("sha384").update(MANIFEST).digest());
  assert.deepEqual(texts(provisioner), ["0x0a", "0x0b", "0x0c", "0x14"]);
  assert.equal(provisioner.keys()[0], `0x${"0a".repeat(48)}`);
  assert.deepEqual(provisioner.manifest(), MANIFEST);
});

test("a bundle larger than a chunk arrives in pieces, whole", async () => {
  const large = fakeBundle(9, [90]);
  const bytes = new Uint8Array(2 * CHUNK_BYTES_MAX + 1);
  bytes.set(large.bytes);
  bundles = [{ name: "large", bytes }, A];
  enclave.badBundles.set(large.id, "BUNDLE_SEAL");
  const provisioner = start();
  await ready(provisioner);
  // Afterwards the bad bundle may have been tried again already.
  const firstRound = enclave.calls.slice(0, enclave.calls.indexOf("state.open"));
  assert.equal(firstRound.filter((name) => name === "bundle.put").length, 4);
  assert.equal(failures("bundle.failed")[0], "BUNDLE_SEAL");
});

for (const { phase, calls } of [
  { phase: "Measured", calls: ["credentials.put", "bundle.put"] },
  { phase: "Unsealed", calls: ["credentials.put", "bundle.put"] },
] as const) {
  test(`an enclave that is ${phase} already is taken on from there`, async () => {
    enclave.phase = phase;
    enclave.manifestDigest = createHash("sha384").update(MANIFEST).digest();
    const provisioner = start();
    await ready(provisioner);
    assert.deepEqual(enclave.calls.slice(0, 2), calls);
    assert.ok(!enclave.calls.includes("manifest.put"));
  });
}

test("a parent that restarts opens nothing again, and drops what is no longer configured", async () => {
  const first = start();
  await ready(first);
  first.close();
  enclave.calls = [];
  bundles = [A];
  const second = start();
  await ready(second);
  await until(() => enclave.openIds().length === 1);
  assert.deepEqual(enclave.openIds(), [A.id]);
  assert.ok(!enclave.calls.includes("bundle.open"));
  assert.deepEqual(texts(second), ["0x0a", "0x0b", "0x0c"]);
});

test("an enclave that has measured another manifest is never used", async () => {
  enclave.phase = "Ready";
  enclave.manifestDigest = new Uint8Array(48);
  const provisioner = start();
  await until(() => provisioner.notReady()?.code === "MANIFEST_ALREADY_MEASURED");
  assert.deepEqual(enclave.calls, []);
  await until(() => log.lines.length > 0);
  assert.deepEqual(failures("enclave.not-ready"), ["MANIFEST_ALREADY_MEASURED"]);
});

for (const { phase, code } of [
  { phase: "Draining", code: "DRAINING" },
  { phase: "Dead", code: "PHASE_REFUSED" },
] as const) {
  test(`an enclave that is ${phase} is asked nothing and reported as ${code}`, async () => {
    enclave.phase = phase;
    const provisioner = start();
    await until(() => provisioner.notReady()?.code === code);
    assert.deepEqual(enclave.calls, []);
  });
}

for (const { method, codes } of [
  { method: "manifest.put", codes: ["NSM_UNAVAILABLE"] },
  { method: "credentials.put", codes: ["CREDENTIALS_MALFORMED"] },
  { method: "bundle.put", codes: ["BUNDLE_LIMIT", "BUNDLE_LIMIT"] },
  { method: "state.open", codes: ["STORE_UNAVAILABLE", "STORE_UNAVAILABLE", "TIME_STALE"] },
  { method: "keys.list", codes: ["LINK_BUSY"] },
] as const) {
  test(`a failing ${method} is tried again until it works`, async () => {
    enclave.failures.set(method, [...codes]);
    const provisioner = start();
    await ready(provisioner);
    const distinct: readonly ErrorCode[] = [...new Set(codes)];
    for (const code of failures("enclave.not-ready"))
      assert.ok(distinct.some((one) => one === code));
    assert.equal(failures("enclave.not-ready").length, distinct.length);
  });
}

test("while KMS refuses, notReady tells its code and one line is logged; then it recovers", async () => {
  enclave.badBundles.set(A.id, "KMS_DENIED").set(B.id, "KMS_DENIED");
  const provisioner = start();
  await until(() => enclave.calls.filter((name) => name === "bundle.open").length > 8);
  assert.equal(provisioner.notReady()?.code, "KMS_DENIED");
  assert.deepEqual(failures("enclave.not-ready"), ["KMS_DENIED"]);
  assert.deepEqual(failures("bundle.failed"), ["KMS_DENIED", "KMS_DENIED"]);
  enclave.badBundles.clear();
  await ready(provisioner);
  // The refusals may have ended between the two bundles of one round: the other comes later.
  await until(() => provisioner.keys().length === 4);
});

test("without credentials nothing is opened; once they come, everything is", async () => {
  const provisioner = start({ hasCredentials: false });
  await until(() => provisioner.notReady()?.code === "CREDENTIALS_MISSING");
  assert.equal(readCount, 0);
  provisioner.setCredentials(CREDENTIALS);
  await ready(provisioner);
  provisioner.setCredentials({ ...CREDENTIALS, accessKeyId: "next" });
  await until(() => enclave.credentialCount === 2);
  assert.equal(provisioner.notReady(), null);
});

test("one bad bundle does not keep the others from serving, and is tried again", async () => {
  enclave.badBundles.set(B.id, "KMS_UNAVAILABLE");
  const provisioner = start({ bundleRetry: FAST });
  await ready(provisioner);
  assert.deepEqual(texts(provisioner), ["0x0a", "0x0b", "0x0c"]);
  enclave.badBundles.clear();
  await until(() => provisioner.keys().length === 4);
});

test("an enclave that restarts is provisioned again without anybody's help", async () => {
  const provisioner = start();
  await ready(provisioner);
  for (let count = 0; count < 3; count++) {
    const before = enclave.bootId;
    await enclave.restart();
    assert.notDeepEqual(enclave.bootId, before);
    await until(() => enclave.phase === "Ready" && provisioner.notReady() === null);
    assert.equal(enclave.keyCount, 4);
  }
  assert.deepEqual([...new Set(failures("enclave.not-ready"))], ["LINK_DOWN"]);
});

test("a lost link is LINK_DOWN, keys stay listed, and the same boot serves again", async () => {
  const provisioner = start();
  await ready(provisioner);
  await enclave.stop();
  await until(() => provisioner.notReady()?.code === "LINK_DOWN");
  assert.equal(provisioner.keys().length, 4);
  enclave.calls = [];
  await enclave.listen();
  await ready(provisioner);
  assert.ok(!enclave.calls.includes("bundle.open"));
});

test("a reload opens what is new, drops what is gone, and lists the keys anew", async () => {
  bundles = [A];
  const provisioner = start();
  assert.deepEqual(provisioner.reloadState(), {
    status: "idle",
    lastOperationTime: null,
    lastError: null,
  });
  await ready(provisioner);
  bundles = [B];
  assert.deepEqual(await reload(provisioner), ["completed", null]);
  assert.deepEqual(enclave.openIds(), [B.id]);
  assert.deepEqual(texts(provisioner), ["0x14"]);
});

test("a reload while one runs is RELOAD_RUNNING", async () => {
  const provisioner = start();
  await ready(provisioner);
  assert.ok(provisioner.startReload().ok);
  const second = provisioner.startReload();
  assert.equal(second.ok ? "started" : second.error.code, "RELOAD_RUNNING");
  await until(() => provisioner.reloadState().status === "completed");
});

test("a reload that is requested while one runs follows it", async () => {
  bundles = [A];
  const provisioner = start();
  await ready(provisioner);
  const before = readCount;
  provisioner.requestReload();
  await until(() => readCount === before + 1);
  bundles = [A, B];
  provisioner.requestReload();
  await until(() => enclave.openIds().length === 2);
  await until(() => provisioner.reloadState().status === "completed");
  assert.equal(readCount, before + 2);
});

for (const { title, change, code } of [
  {
    title: "a malformed bundle",
    change: () => bundles.push({ name: "c", bytes: new Uint8Array(9) }),
    code: "BUNDLE_MALFORMED",
  },
  {
    title: "a bundle that does not open",
    change: () => {
      const bad = fakeBundle(4, [40]);
      enclave.badBundles.set(bad.id, "BUNDLE_SEAL");
      bundles.push({ name: "c", bytes: bad.bytes });
    },
    code: "BUNDLE_SEAL",
  },
  {
    title: "a source that can't be read",
    change: () => unread.push({ name: "c", code: "KMS_UNAVAILABLE" }),
    code: "KMS_UNAVAILABLE",
  },
  {
    title: "a second bundle of the same key",
    change: () => bundles.push({ name: "c", ...fakeBundle(5, [20]) }, A),
    code: "KEY_DUPLICATE",
  },
] as const) {
  test(`a reload with ${title} completes with errors, and drops no working key`, async () => {
    const provisioner = start();
    await ready(provisioner);
    bundles = title.includes("same key") ? [B] : [];
    change();
    assert.deepEqual(await reload(provisioner), ["completed_with_errors", code]);
    assert.ok(enclave.openIds().includes(B.id));
    assert.ok(enclave.openIds().includes(A.id));
    assert.equal(provisioner.notReady(), null);
  });
}

test("a bundle that was sealed anew with the same keys takes the old one's place", async () => {
  const provisioner = start();
  await ready(provisioner);
  bundles = [A_AGAIN, B];
  assert.deepEqual(await reload(provisioner), ["completed", null]);
  assert.deepEqual(texts(provisioner), ["0x0a", "0x0b", "0x0c", "0x0d", "0x14"]);
});

test("a reload while the enclave is away has failed", async () => {
  const provisioner = start();
  await ready(provisioner);
  await enclave.stop();
  await until(() => provisioner.notReady()?.code === "LINK_DOWN");
  assert.deepEqual(await reload(provisioner), ["failed", "LINK_DOWN"]);
});

test("credentials that the enclave refuses leave it ready, and are tried again", async () => {
  const provisioner = start();
  await ready(provisioner);
  enclave.failures.set("credentials.put", ["CREDENTIALS_MALFORMED"]);
  provisioner.setCredentials({ ...CREDENTIALS, accessKeyId: "next" });
  await until(() => failures("enclave.not-ready").length === 1);
  assert.equal(provisioner.notReady(), null);
  await until(() => enclave.credentialCount === 2);
});
