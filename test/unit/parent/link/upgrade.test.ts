// One enclave takes over from another: what is looked at before, what happens in between, and what
// becomes of requests, whatever fails.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { SealedBundle } from "../../../../parent/link/bundle-loader.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { fakeBundle } from "../../../fakes/fake-bundle.ts";
import { until } from "../../../fakes/until.ts";
import {
  BUNDLE,
  manifestOf,
  PARENT_STATE,
  registersOf,
  TABLE_STATE,
  UpgradeRig,
} from "../../../fakes/upgrade-rig.ts";

const OTHER_KEYS = { name: "a", ...fakeBundle(2, [10, 12]) };
/** That of the fake enclave. */
const FLOOR = { slot: 7n, source: 7n, target: 7n };

let rig: UpgradeRig;

beforeEach(async () => {
  rig = await UpgradeRig.start();
});

afterEach(() => rig.stop());

test("the state is handed over, requests go to the successor, and the predecessor is left", async () => {
  assert.deepEqual(rig.upgrades.show(), { number: 0, phase: "none", code: null, floor: null });
  const blueSeat = rig.active.present.seat;
  blueSeat.allow(16);
  await rig.upgrade();
  await rig.completed();
  assert.deepEqual(rig.upgrades.show(), { number: 1, phase: "completed", code: null, floor: null });
  assert.deepEqual(rig.green.takenHandover, rig.green.challenge);
  assert.equal(rig.blue.phase, "Draining");
  assert.equal(await rig.sign(), "signed");
  assert.ok(rig.green.calls.includes("sign") && !rig.blue.calls.includes("sign"));
  assert.equal(rig.signer.notReady(), null);
  assert.equal(rig.signer.keys().length, 2);
  assert.deepEqual(rig.signer.manifest(), rig.next);
  await until(() => !rig.peer.isAllowed(16));
  // And back: the seat of the predecessor is free for a third.
  await rig.blue.restart();
  [rig.blue, rig.green] = [rig.green, rig.blue];
  rig.next = manifestOf(PARENT_STATE, [registersOf("green", rig.next)]);
  await rig.upgrade();
  await rig.completed();
  assert.deepEqual(rig.green.takenHandover, rig.green.challenge);
});

test("requests of the moment in between wait for the successor, and none is turned away", async () => {
  const gate = Promise.withResolvers<void>();
  rig.blue.held = gate.promise;
  const before = [rig.sign(), rig.sign()];
  await until(() => rig.blue.calls.filter((name) => name === "sign").length === 2);
  await rig.upgrade();
  await until(() => rig.upgrades.show().phase === "switching");
  // In flight there: the drain waits for them, and these wait for the drain.
  const held = [rig.sign(), rig.sign(), rig.sign()];
  assert.equal(rig.signer.notReady(), null, "no health check takes the signer out of service");
  assert.equal(rig.signer.keys().length, 2);
  assert.equal(rig.upgrades.abort(null).ok, false);
  gate.resolve();
  assert.deepEqual(await Promise.all([...before, ...held]), Array(5).fill("signed"));
  assert.equal(rig.blue.calls.filter((name) => name === "sign").length, 2);
  assert.equal(rig.green.calls.filter((name) => name === "sign").length, 3);
  await rig.completed();
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
  manifest: () => manifestOf(PARENT_STATE, [registersOf(image, manifest)]),
});

const REFUSED: readonly (readonly [code: ErrorCode, what: string, wrong: Wrong])[] = [
  [
    "HANDOVER_REFUSED",
    "a manifest that names nobody",
    { manifest: () => manifestOf(PARENT_STATE) },
  ],
  [
    "HANDOVER_REFUSED",
    "a manifest that names another image",
    naming("other", manifestOf(PARENT_STATE)),
  ],
  [
    "HANDOVER_REFUSED",
    "a manifest that names another manifest",
    naming("blue", manifestOf(TABLE_STATE)),
  ],
  ["UPGRADE_KEYS", "other keys", { bundles: [OTHER_KEYS] }],
  ["UPGRADE_KEYS", "more keys", { bundles: MORE_KEYS }],
  ["UPGRADE_MISMATCH", "another network", { root: new Uint8Array(32).fill(1) }],
  ["UPGRADE_MISMATCH", "another store", { manifest: () => manifestOf(TABLE_STATE) }],
  ["MANIFEST_MALFORMED", "no manifest", { manifest: () => Uint8Array.of(1) }],
  ["KMS_DENIED", "a policy that does not allow the successor", { kmsCode: "KMS_DENIED" }],
];

for (const [code, what, wrong] of REFUSED) {
  test(`${what}: ${code}, and the present enclave goes on`, async () => {
    rig.next = wrong.manifest?.() ?? rig.next;
    rig.nextBundles = wrong.bundles ?? rig.nextBundles;
    rig.green.genesisValidatorsRoot = wrong.root ?? rig.green.genesisValidatorsRoot;
    if (wrong.kmsCode !== undefined) rig.green.badBundles.set(BUNDLE.id, wrong.kmsCode);
    await rig.upgrade();
    await rig.waitsFor(code);
    assert.equal(await rig.sign(), "signed");
    assert.ok(!rig.blue.calls.includes("drain"));
    assert.notEqual(rig.green.phase, "Ready");
    const again = await rig.upgrades.start();
    assert.equal(again.ok ? "ok" : again.error.code, "UPGRADE_RUNNING");
    assert.ok(rig.upgrades.abort(null).ok);
    assert.deepEqual(rig.upgrades.show(), { number: 1, phase: "aborted", code, floor: null });
    assert.equal(await rig.sign(), "signed");
    assert.equal(rig.blue.phase, "Ready");
    // What is mended is upgraded to, at the next try.
    rig.next = manifestOf(PARENT_STATE, [registersOf("blue", rig.present)]);
    rig.nextBundles = [BUNDLE];
    rig.green.badBundles.clear();
    rig.green.genesisValidatorsRoot = new Uint8Array(32);
    await rig.green.restart();
    await rig.upgrade();
    await rig.completed();
  });
}

test("what is mended while it is prepared is waited for", async () => {
  rig.green.badBundles.set(BUNDLE.id, "KMS_DENIED");
  await rig.upgrade();
  await rig.waitsFor("KMS_DENIED");
  rig.green.badBundles.clear();
  await rig.completed();
});

test("a configuration without a successor starts no upgrade", async () => {
  for (const code of ["UPGRADE_SAME", "CONFIG_MALFORMED"] as const) {
    rig.failure = { code };
    const started = await rig.upgrades.start();
    assert.equal(started.ok ? "ok" : started.error.code, code);
    assert.equal(rig.upgrades.show().phase, "none");
  }
  assert.deepEqual(rig.codesOf("upgrade.refused"), ["UPGRADE_SAME", "CONFIG_MALFORMED"]);
  const aborted = rig.upgrades.abort(null);
  assert.equal(aborted.ok ? "ok" : aborted.error.code, "UPGRADE_LATE");
});

test("an upgrade that is aborted while its configuration is read takes no seat", async () => {
  const starting = rig.upgrades.start();
  assert.ok(rig.upgrades.abort(null).ok);
  const started = await starting;
  assert.equal(started.ok ? "ok" : started.error.code, "UPGRADE_ABORTED");
  await rig.upgrade();
  await rig.completed();
});

test("while the present enclave is away nothing is switched, and afterwards it is", async () => {
  await rig.blue.stop();
  await until(() => rig.signer.notReady() !== null);
  await rig.upgrade();
  await until(() => rig.green.phase === "Unsealed");
  await new Promise((settle) => setTimeout(settle, 50));
  assert.equal(rig.upgrades.show().phase, "preparing");
  await rig.blue.restart();
  await rig.completed();
  assert.deepEqual(rig.green.takenHandover, rig.green.challenge);
});

test("a predecessor that dies drained leaves the successor a boot floor, not a standstill", async () => {
  rig.blue.silent.add("state.handover");
  await rig.upgrade();
  await until(() => rig.blue.calls.includes("state.handover"));
  const held = rig.sign();
  rig.blue.silent.clear();
  // Its supervisor boots it again; nobody asks it for anything any more.
  await rig.blue.restart();
  assert.equal(await held, "signed");
  await rig.completed();
  assert.deepEqual(rig.upgrades.show().floor, FLOOR);
  assert.equal(rig.green.takenHandover, null);
  assert.deepEqual(rig.codesOf("upgrade.not-handed-over"), ["PHASE_REFUSED"]);
  assert.deepEqual(
    rig.blue.calls.filter((name) => name !== "drain"),
    [],
  );
});

test("a successor that dies with the hand-over in its hands comes up with a boot floor", async () => {
  rig.green.silent.add("state.open");
  await rig.upgrade();
  await until(() => rig.green.calls.includes("state.open"));
  const held = rig.sign();
  rig.green.silent.clear();
  await rig.green.restart();
  assert.equal(await held, "signed");
  await rig.completed();
  assert.deepEqual(rig.upgrades.show().floor, FLOOR);
  assert.deepEqual(rig.codesOf("upgrade.not-handed-over"), ["HANDOVER_GIVEN"]);
  assert.equal(rig.blue.phase, "Draining");
});

test("an answer that gets lost costs nothing: the hand-over is shown again", async () => {
  rig.blue.failures.set("drain", ["LINK_TIMEOUT"]);
  rig.blue.failures.set("state.handover", ["STATE_UNKNOWN"]);
  rig.green.failures.set("state.open", ["STORE_UNAVAILABLE"]);
  await rig.upgrade();
  await rig.completed();
  assert.equal(rig.upgrades.show().floor, null);
  assert.deepEqual(rig.green.takenHandover, rig.green.challenge);
});

test("a hand-over that the successor refuses after all gives it a boot floor", async () => {
  rig.green.failures.set("state.open", ["HANDOVER_REFUSED"]);
  await rig.upgrade();
  await rig.completed();
  assert.deepEqual(rig.upgrades.show().floor, FLOOR);
  assert.deepEqual(rig.codesOf("upgrade.not-handed-over"), ["HANDOVER_REFUSED"]);
});

test("a hand-over whose records are not those of the store ends with a boot floor, and says so", async () => {
  rig.green.isFloorNeeded = true;
  await rig.upgrade();
  await rig.completed();
  assert.deepEqual(rig.upgrades.show().floor, FLOOR);
});

test("a table with a boot floor hands over; another table, or its namesake, is no successor's", async () => {
  await rig.stop();
  const table = { ...TABLE_STATE, bootFloor: "on" };
  rig = await UpgradeRig.start(table);
  const predecessors = [registersOf("blue", rig.present)];
  for (const other of [{ tableArn: "arn:b" }, { tableId: "two" }]) {
    rig.next = manifestOf({ ...table, ...other }, predecessors);
    await rig.green.restart();
    await rig.upgrade();
    await rig.waitsFor("UPGRADE_MISMATCH");
    assert.ok(rig.upgrades.abort(null).ok);
  }
  rig.next = manifestOf(table, predecessors);
  await rig.green.restart();
  await rig.upgrade();
  await rig.completed();
  assert.deepEqual(rig.green.takenHandover, rig.green.challenge);
});
