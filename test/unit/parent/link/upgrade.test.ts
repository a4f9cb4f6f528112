// One enclave takes over from another: what is looked at before, what happens in between, and what
// becomes of requests, whatever fails.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ActiveEnclave, type ServedEnclave } from "../../../../parent/link/active-enclave.ts";
import type { SealedBundle } from "../../../../parent/link/bundle-loader.ts";
import { EnclavePeer } from "../../../../parent/link/enclave-peer.ts";
import type { Succession } from "../../../../parent/link/provision.ts";
import { LinkSigner } from "../../../../parent/link/signer.ts";
import { type ServeFailure, Upgrades } from "../../../../parent/link/upgrade.ts";
import { sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { manifestPcr } from "../../../../shared/attestation/pcr.ts";
import { encodePrefixedHex } from "../../../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { ok, type Result } from "../../../../shared/result.ts";
import { fakeBundle } from "../../../fakes/fake-bundle.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { servedAt } from "../../../fakes/served-enclave.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";
import { until } from "../../../fakes/until.ts";

const utf8 = new TextEncoder();
const FAST = { minMs: 1, maxMs: 5 };
const TIMING = { reconnect: FAST, heartbeatMs: 10, sweepMs: 10 };
const BUNDLE = { name: "a", ...fakeBundle(1, [10, 11]) };
const OTHER_KEYS = { name: "a", ...fakeBundle(2, [10, 12]) };
const ASK = {
  dialect: "web3signer",
  key: new Uint8Array(48),
  kinds: 0xffff,
  body: Uint8Array.of(7),
} as const;
const PARENT = { kind: "parent" };
const TABLE = { kind: "dynamodb", tableArn: "arn:a", tableId: "one", bootFloor: "off" };

function manifestOf(state: object, predecessors?: readonly object[]): Uint8Array {
  return utf8.encode(JSON.stringify({ state, predecessors }));
}

function registersOf(image: string, manifest: Uint8Array) {
  const pcrs = sampleMeasurements(image);
  const at = (index: number): string => encodePrefixedHex(pcrs.get(index) ?? new Uint8Array(48));
  const digest = createHash("sha384").update(manifest).digest();
  return { pcr0: at(0), pcr1: at(1), pcr2: at(2), pcr16: encodePrefixedHex(manifestPcr(digest)) };
}

let folder = "";
let blue: FakeEnclave;
let green: FakeEnclave;
let log: SilentLog;
let active: ActiveEnclave;
let signer: LinkSigner;
let upgrades: Upgrades;
let peer: EnclavePeer;
let present: Uint8Array;
let next: Uint8Array;
let nextBundles: readonly SealedBundle[];
let failure: ServeFailure | null;
let successors: ServedEnclave[];

function served(enclave: FakeEnclave, manifest: Uint8Array, succession?: Succession) {
  return servedAt(enclave.path, {
    timing: TIMING,
    seat: peer.takeSeat(),
    provision: {
      manifest,
      log,
      retry: FAST,
      readBundles: () =>
        Promise.resolve({ bundles: enclave === blue ? [BUNDLE] : nextBundles, failures: [] }),
      ...(succession === undefined ? {} : { succession }),
    },
  });
}

async function serve(manifest: Uint8Array): Promise<void> {
  present = manifest;
  next = manifestOf(PARENT, [registersOf("blue", present)]);
  active = new ActiveEnclave(served(blue, present));
  signer = new LinkSigner(active);
  upgrades = new Upgrades({
    active,
    log,
    serve: (succession): Promise<Result<ServedEnclave, ServeFailure>> => {
      if (failure !== null) return Promise.resolve({ ok: false, error: failure });
      const successor = served(green, next, succession);
      successors.push(successor);
      return Promise.resolve(ok(successor));
    },
  });
  active.present.provisioner.start();
  await until(() => signer.notReady() === null);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "upgrade-"));
  blue = new FakeEnclave(join(folder, "blue.sock"), "blue");
  green = new FakeEnclave(join(folder, "green.sock"), "green");
  await Promise.all([blue.listen(), green.listen()]);
  log = new SilentLog();
  peer = new EnclavePeer();
  nextBundles = [BUNDLE];
  failure = null;
  successors = [];
  await serve(manifestOf(PARENT));
});

afterEach(async () => {
  upgrades.close();
  for (const { provisioner } of [active.present, ...successors]) provisioner.close();
  await Promise.all([blue.stop(), green.stop()]);
  rmSync(folder, { recursive: true });
});

async function sign(): Promise<string> {
  const signed = await signer.sign(ASK);
  return signed.ok ? "signed" : signed.error.code;
}

/** By the codes that it went through. */
async function shown(code: string): Promise<void> {
  await until(() => upgrades.show().code === code);
  assert.equal(upgrades.show().phase, "preparing");
}

async function completed(): Promise<void> {
  await until(() => upgrades.show().phase === "completed");
}

function codesOf(event: string): readonly unknown[] {
  return log.lines.filter((line) => line.event === event).map(({ fields }) => fields.code);
}

test("the state is handed over, requests go to the successor, and the predecessor is left", async () => {
  assert.deepEqual(upgrades.show(), { phase: "none", code: null, hasFloor: null });
  const blueSeat = active.present.seat;
  blueSeat.allow(16);
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.deepEqual(upgrades.show(), { phase: "completed", code: null, hasFloor: false });
  assert.deepEqual(green.takenHandover, green.challenge);
  assert.equal(blue.phase, "Draining");
  assert.equal(await sign(), "signed");
  assert.ok(green.calls.includes("sign") && !blue.calls.includes("sign"));
  assert.equal(signer.notReady(), null);
  assert.equal(signer.keys().length, 2);
  assert.deepEqual(signer.manifest(), next);
  await until(() => !peer.isAllowed(16));
  // And back: the seat of the predecessor is free for a third.
  await blue.restart();
  [blue, green] = [green, blue];
  next = manifestOf(PARENT, [registersOf("green", next)]);
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.deepEqual(green.takenHandover, green.challenge);
});

test("requests of the moment in between wait for the successor, and none is turned away", async () => {
  const gate = Promise.withResolvers<void>();
  blue.held = gate.promise;
  const before = [sign(), sign()];
  await until(() => blue.calls.filter((name) => name === "sign").length === 2);
  assert.ok((await upgrades.start()).ok);
  await until(() => upgrades.show().phase === "switching");
  // In flight there: the drain waits for them, and these wait for the drain.
  const held = [sign(), sign(), sign()];
  assert.equal(signer.notReady(), null, "no health check takes the signer out of service");
  assert.equal(signer.keys().length, 2);
  assert.equal(upgrades.abort().ok, false);
  gate.resolve();
  assert.deepEqual(await Promise.all([...before, ...held]), Array(5).fill("signed"));
  assert.equal(blue.calls.filter((name) => name === "sign").length, 2);
  assert.equal(green.calls.filter((name) => name === "sign").length, 3);
  await completed();
});

/** What is wrong with the successor. */
type Wrong = {
  readonly manifest?: () => Uint8Array;
  readonly bundles?: readonly SealedBundle[];
  readonly root?: Uint8Array;
  readonly kmsCode?: ErrorCode;
};
const MORE_KEYS = [BUNDLE, { name: "b", ...fakeBundle(3, [20]) }];
const naming = (image: string, manifest: Uint8Array): Wrong => ({
  manifest: () => manifestOf(PARENT, [registersOf(image, manifest)]),
});

const REFUSED: readonly (readonly [code: ErrorCode, what: string, wrong: Wrong])[] = [
  ["HANDOVER_REFUSED", "a manifest that names nobody", { manifest: () => manifestOf(PARENT) }],
  ["HANDOVER_REFUSED", "a manifest that names another image", naming("other", manifestOf(PARENT))],
  ["HANDOVER_REFUSED", "a manifest that names another manifest", naming("blue", manifestOf(TABLE))],
  ["UPGRADE_KEYS", "other keys", { bundles: [OTHER_KEYS] }],
  ["UPGRADE_KEYS", "more keys", { bundles: MORE_KEYS }],
  ["UPGRADE_MISMATCH", "another network", { root: new Uint8Array(32).fill(1) }],
  ["UPGRADE_MISMATCH", "another store", { manifest: () => manifestOf(TABLE) }],
  ["MANIFEST_MALFORMED", "no manifest", { manifest: () => Uint8Array.of(1) }],
  ["KMS_DENIED", "a policy that does not allow the successor", { kmsCode: "KMS_DENIED" }],
];

for (const [code, what, wrong] of REFUSED) {
  test(`${what}: ${code}, and the present enclave goes on`, async () => {
    next = wrong.manifest?.() ?? next;
    nextBundles = wrong.bundles ?? nextBundles;
    green.genesisValidatorsRoot = wrong.root ?? green.genesisValidatorsRoot;
    if (wrong.kmsCode !== undefined) green.badBundles.set(BUNDLE.id, wrong.kmsCode);
    assert.ok((await upgrades.start()).ok);
    await shown(code);
    assert.equal(await sign(), "signed");
    assert.ok(!blue.calls.includes("drain"));
    assert.notEqual(green.phase, "Ready");
    const again = await upgrades.start();
    assert.equal(again.ok ? "ok" : again.error.code, "UPGRADE_RUNNING");
    assert.ok(upgrades.abort().ok);
    assert.deepEqual(upgrades.show(), { phase: "aborted", code, hasFloor: null });
    assert.equal(await sign(), "signed");
    assert.equal(blue.phase, "Ready");
    // What is mended is upgraded to, at the next try.
    next = manifestOf(PARENT, [registersOf("blue", present)]);
    nextBundles = [BUNDLE];
    green.badBundles.clear();
    green.genesisValidatorsRoot = new Uint8Array(32);
    await green.restart();
    assert.ok((await upgrades.start()).ok);
    await completed();
  });
}

test("what is mended while it is prepared is waited for", async () => {
  green.badBundles.set(BUNDLE.id, "KMS_DENIED");
  assert.ok((await upgrades.start()).ok);
  await shown("KMS_DENIED");
  green.badBundles.clear();
  await completed();
});

test("a configuration without a successor starts no upgrade", async () => {
  for (const code of ["UPGRADE_SAME", "CONFIG_MALFORMED"] as const) {
    failure = { code };
    const started = await upgrades.start();
    assert.equal(started.ok ? "ok" : started.error.code, code);
    assert.equal(upgrades.show().phase, "none");
  }
  assert.deepEqual(codesOf("upgrade.refused"), ["UPGRADE_SAME", "CONFIG_MALFORMED"]);
  const aborted = upgrades.abort();
  assert.equal(aborted.ok ? "ok" : aborted.error.code, "UPGRADE_LATE");
});

test("an upgrade that is aborted while its configuration is read takes no seat", async () => {
  const starting = upgrades.start();
  assert.ok(upgrades.abort().ok);
  const started = await starting;
  assert.equal(started.ok ? "ok" : started.error.code, "UPGRADE_ABORTED");
  assert.ok((await upgrades.start()).ok);
  await completed();
});

test("while the present enclave is away nothing is switched, and afterwards it is", async () => {
  await blue.stop();
  await until(() => signer.notReady() !== null);
  assert.ok((await upgrades.start()).ok);
  await until(() => green.phase === "Unsealed");
  await new Promise((settle) => setTimeout(settle, 50));
  assert.equal(upgrades.show().phase, "preparing");
  await blue.restart();
  await completed();
  assert.deepEqual(green.takenHandover, green.challenge);
});

test("a predecessor that dies drained leaves the successor a boot floor, not a standstill", async () => {
  blue.silent.add("state.handover");
  assert.ok((await upgrades.start()).ok);
  await until(() => blue.calls.includes("state.handover"));
  const held = sign();
  blue.silent.clear();
  // Its supervisor boots it again; nobody asks it for anything any more.
  await blue.restart();
  assert.equal(await held, "signed");
  await completed();
  assert.deepEqual(upgrades.show(), { phase: "completed", code: null, hasFloor: true });
  assert.equal(green.takenHandover, null);
  assert.deepEqual(codesOf("upgrade.not-handed-over"), ["PHASE_REFUSED"]);
  assert.deepEqual(
    blue.calls.filter((name) => name !== "drain"),
    [],
  );
});

test("a successor that dies with the hand-over in its hands comes up with a boot floor", async () => {
  green.silent.add("state.open");
  assert.ok((await upgrades.start()).ok);
  await until(() => green.calls.includes("state.open"));
  const held = sign();
  green.silent.clear();
  await green.restart();
  assert.equal(await held, "signed");
  await completed();
  assert.equal(upgrades.show().hasFloor, true);
  assert.deepEqual(codesOf("upgrade.not-handed-over"), ["HANDOVER_GIVEN"]);
  assert.equal(blue.phase, "Draining");
});

test("an answer that gets lost costs nothing: the hand-over is shown again", async () => {
  blue.failures.set("drain", ["LINK_TIMEOUT"]);
  blue.failures.set("state.handover", ["STATE_UNKNOWN"]);
  green.failures.set("state.open", ["STORE_UNAVAILABLE"]);
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.equal(upgrades.show().hasFloor, false);
  assert.deepEqual(green.takenHandover, green.challenge);
});

test("a hand-over that the successor refuses after all gives it a boot floor", async () => {
  green.failures.set("state.open", ["HANDOVER_REFUSED"]);
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.equal(upgrades.show().hasFloor, true);
  assert.deepEqual(codesOf("upgrade.not-handed-over"), ["HANDOVER_REFUSED"]);
});

test("a hand-over whose records are not those of the store ends with a boot floor, and says so", async () => {
  green.isFloorNeeded = true;
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.equal(upgrades.show().hasFloor, true);
});

test("on a table without boot floor the successor is open before the predecessor drains", async () => {
  upgrades.close();
  active.present.provisioner.close();
  await blue.restart();
  peer = new EnclavePeer();
  await serve(manifestOf(TABLE));
  next = manifestOf(TABLE);
  green.failures.set("state.open", ["STORE_UNAVAILABLE"]);
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.equal(green.takenHandover, null);
  assert.ok(!blue.calls.includes("state.handover"));
  await until(() => blue.phase === "Draining");
  assert.equal(await sign(), "signed");
  assert.ok(green.calls.includes("sign"));
});

test("a table with a boot floor hands over; another table, or its namesake, is no successor's", async () => {
  upgrades.close();
  active.present.provisioner.close();
  await blue.restart();
  peer = new EnclavePeer();
  const table = { ...TABLE, bootFloor: "on" };
  await serve(manifestOf(table));
  const predecessors = [registersOf("blue", present)];
  for (const other of [{ tableArn: "arn:b" }, { tableId: "two" }]) {
    next = manifestOf({ ...table, ...other }, predecessors);
    await green.restart();
    assert.ok((await upgrades.start()).ok);
    await shown("UPGRADE_MISMATCH");
    assert.ok(upgrades.abort().ok);
  }
  next = manifestOf(table, predecessors);
  await green.restart();
  assert.ok((await upgrades.start()).ok);
  await completed();
  assert.deepEqual(green.takenHandover, green.challenge);
});
