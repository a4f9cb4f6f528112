// What happens around a take-over: a second one, an enclave that takes over from itself, a
// successor that boots again at the worst moment, a predecessor that is out of reach.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { EnclaveLink } from "../../../../parent/link/enclave-link.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err } from "../../../../shared/result.ts";
import { until } from "../../../fakes/until.ts";
import { PARENT_STATE, RESERVING, TABLE_STATE, UpgradeRig } from "../../../fakes/upgrade-rig.ts";

let rig: UpgradeRig;

afterEach(() => rig.stop());

function settle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs `meanwhile` once, after the link has had the answer to this call. */
function interrupt(
  link: EnclaveLink,
  method: string,
  meanwhile: () => Promise<void>,
): () => boolean {
  const call = link.call.bind(link);
  let isDone = false;
  link.call = async (name, params, deadlineMs) => {
    const answer = await call(name, params, deadlineMs);
    if (name !== method || isDone) return answer;
    isDone = true;
    await meanwhile();
    return answer;
  };
  return () => isDone;
}

test("an upgrade is completed when the enclave that was replaced has drained, and not before", async () => {
  rig = await UpgradeRig.start(TABLE_STATE);
  const gate = Promise.withResolvers<void>();
  rig.blue.held = gate.promise;
  const inFlight = rig.sign();
  await until(() => rig.countOf(rig.blue, "sign") === 1);
  await rig.upgrade();
  await until(() => rig.active.present.link === rig.lastLink);
  assert.equal(await rig.sign(), "signed");
  assert.equal(rig.upgrades.show().phase, "switching");
  for (let again = 0; again < 3; again += 1) {
    const started = await rig.upgrades.start();
    assert.equal(started.ok ? "ok" : started.error.code, "UPGRADE_RUNNING");
  }
  assert.equal(rig.upgrades.abort(null).ok, false);
  gate.resolve();
  assert.equal(await inFlight, "signed");
  await rig.completed();
  assert.equal(rig.blue.phase, "Draining");
  await rig.blue.restart();
  [rig.blue, rig.green] = [rig.green, rig.blue];
  await rig.upgrade();
  await rig.completed();
});

for (const state of [TABLE_STATE, { ...TABLE_STATE, bootFloor: "on" }]) {
  test(`an enclave does not take over from itself, boot floor ${state.bootFloor}`, async () => {
    rig = await UpgradeRig.start(state);
    rig.nextPath = rig.blue.path;
    rig.next = rig.present;
    await rig.upgrade();
    await rig.waitsFor("UPGRADE_SAME");
    assert.ok(rig.upgrades.abort(null).ok);
    assert.equal(await rig.sign(), "signed");
    assert.equal(rig.countOf(rig.blue, "drain"), 0);
  });
}

test("a successor that boots again right before the switch is prepared again, and nothing waits", async () => {
  rig = await UpgradeRig.start();
  const isDone = interrupt(rig.active.present.link, "attest", async () => {
    await rig.green.stop();
    await settle(30);
  });
  await rig.upgrade();
  await until(isDone);
  await settle(60);
  assert.equal(rig.upgrades.show().phase, "preparing");
  assert.equal(rig.countOf(rig.blue, "drain"), 0);
  assert.equal(await rig.sign(), "signed");
  await rig.green.restart();
  await rig.completed();
  assert.deepEqual(rig.green.takenHandover, rig.green.challenge);
});

test("on a table without boot floor the predecessor signs until the successor is there, whatever happens to it", async () => {
  rig = await UpgradeRig.start(TABLE_STATE);
  rig.green.failures.set("state.open", ["STORE_UNAVAILABLE"]);
  await rig.upgrade();
  // It boots again when it is Ready already, before its keys are listed.
  const link = rig.lastLink;
  const call = link.call.bind(link);
  let isRestarted = false;
  link.call = async (name, params, deadlineMs) => {
    if (name !== "keys.list" || rig.green.phase !== "Ready" || isRestarted) {
      return call(name, params, deadlineMs);
    }
    isRestarted = true;
    await rig.green.restart();
    return err(refusal("LINK_DOWN"));
  };
  const outcomes = new Set<string>();
  const asking = setInterval(() => void rig.sign().then((outcome) => outcomes.add(outcome)), 1);
  await rig.completed();
  await until(() => rig.blue.phase === "Draining");
  await settle(30);
  clearInterval(asking);
  assert.ok(isRestarted);
  assert.deepEqual([...outcomes], ["signed"]);
  assert.equal(rig.green.takenHandover, null);
  assert.equal(rig.countOf(rig.blue, "state.handover"), 0);
  assert.deepEqual(rig.codesOf("upgrade.not-handed-over"), []);
});

for (const state of [PARENT_STATE, TABLE_STATE]) {
  test(`reserved heights are given back before anything is asked of the successor, ${state.kind}`, async () => {
    rig = await UpgradeRig.start(state, RESERVING);
    const gate = Promise.withResolvers<void>();
    rig.blue.held = gate.promise;
    const inFlight = rig.sign();
    await until(() => rig.countOf(rig.blue, "sign") === 1);
    await rig.upgrade();
    await until(() => rig.countOf(rig.blue, "drain") === 1);
    assert.equal(rig.green.phase, "Ready");
    assert.equal(rig.green.takenHandover, null);
    const held = [rig.sign(), rig.sign()];
    await settle(30);
    assert.deepEqual([rig.countOf(rig.blue, "sign"), rig.countOf(rig.green, "sign")], [1, 0]);
    gate.resolve();
    assert.deepEqual(await Promise.all([inFlight, ...held]), Array(3).fill("signed"));
    assert.deepEqual([rig.countOf(rig.blue, "sign"), rig.countOf(rig.green, "sign")], [1, 2]);
    await rig.completed();
  });
}

test("a successor that boots again while reserved heights are given back opens the state again", async () => {
  rig = await UpgradeRig.start(PARENT_STATE, RESERVING);
  const isDone = interrupt(rig.active.present.link, "drain", () => rig.green.restart());
  await rig.upgrade();
  await until(isDone);
  await rig.completed();
  assert.equal(rig.green.takenHandover, null);
  assert.equal(rig.countOf(rig.green, "state.challenge"), 0);
  assert.equal(await rig.sign(), "signed");
});

test("heights that can't be given back keep nobody from taking over", async () => {
  rig = await UpgradeRig.start(PARENT_STATE, RESERVING);
  rig.blue.failures.set("drain", ["PHASE_REFUSED"]);
  await rig.upgrade();
  await rig.completed();
  const line = rig.log.lines.find(({ event }) => event === "upgrade.not-given-back");
  assert.equal(line?.fields.code, "PHASE_REFUSED");
  assert.equal(await rig.sign(), "signed");
});

test("a predecessor that is out of reach for a moment is drained when it is back", async () => {
  rig = await UpgradeRig.start(TABLE_STATE);
  const { link } = rig.active.present;
  const call = link.call.bind(link);
  let lostCount = 0;
  link.call = (name, params, deadlineMs) => {
    if (name !== "drain" || lostCount === 3) return call(name, params, deadlineMs);
    lostCount += 1;
    return Promise.resolve(err(refusal("LINK_DOWN")));
  };
  await rig.upgrade();
  await rig.completed();
  await until(() => rig.blue.phase === "Draining");
  assert.equal(lostCount, 3);
  assert.deepEqual(rig.codesOf("upgrade.not-drained"), []);
});

test("a reload that is asked for while it is switched is refused, not lost", async () => {
  rig = await UpgradeRig.start();
  const gate = Promise.withResolvers<void>();
  rig.blue.held = gate.promise;
  const inFlight = rig.sign();
  await until(() => rig.countOf(rig.blue, "sign") === 1);
  await rig.upgrade();
  await until(() => rig.upgrades.show().phase === "switching");
  const reload = rig.signer.startReload();
  assert.equal(reload.ok ? "ok" : reload.error.code, "RELOAD_RUNNING");
  gate.resolve();
  assert.equal(await inFlight, "signed");
  await rig.completed();
  assert.ok(rig.signer.startReload().ok);
});

test("an abort that means another upgrade aborts none", async () => {
  rig = await UpgradeRig.start();
  rig.next = rig.present;
  await rig.upgrade();
  await rig.waitsFor("HANDOVER_REFUSED");
  assert.equal(rig.upgrades.show().number, 1);
  const other = rig.upgrades.abort(2);
  assert.equal(other.ok ? "ok" : other.error.code, "UPGRADE_LATE");
  assert.ok(rig.upgrades.abort(1).ok);
  await rig.green.restart();
  await rig.upgrade();
  assert.equal(rig.upgrades.abort(1).ok, false);
  assert.ok(rig.upgrades.abort(2).ok);
});

test("requests are held back no longer than that, and then meet an enclave that is not ready", async () => {
  rig = await UpgradeRig.start();
  rig.green.silent.add("state.open");
  await rig.upgrade();
  await until(() => rig.green.calls.includes("state.open"));
  const startMs = performance.now();
  const outcome = await rig.sign();
  assert.equal(outcome, "PHASE_REFUSED");
  assert.ok(performance.now() - startMs < 4500);
  assert.notEqual(rig.signer.notReady(), null);
});
