// The enclave behind the sessions with Tendermint nodes: which refusals are decisions and reach the
// node, and which are outages, that a request waits out.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LinkPrivvalSigner } from "../../../../parent/link/privval-signer.ts";
import { type ErrorCode, refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { ManualTimers, settled } from "../../../fakes/manual-timers.ts";
import { activeAt } from "../../../fakes/served-enclave.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";

const DEADLINE_MS = 4000;
const MESSAGE = Uint8Array.of(1);
const ANSWER = Uint8Array.of(2, 3);
const SIGNED = ok({ answer: ANSWER, signed: null });

const OUTAGES = [
  "STATE_CONFLICT",
  "TIME_STALE",
  "LINK_BUSY",
  "LINK_DOWN",
  "LINK_TIMEOUT",
  "ENCLAVE_ABSENT",
  "PHASE_REFUSED",
  "DRAINING",
  "STATE_UNKNOWN",
  "STORE_UNAVAILABLE",
  "STORE_LOCKED",
  "STORE_THROTTLED",
] as const satisfies readonly ErrorCode[];

/** Asked once; the enclave answers with `codes` in turn, and then for good with `last`. */
function rig(
  t: TestContext,
  codes: readonly ErrorCode[],
  last: ErrorCode | null,
  isPatient = true,
) {
  const active = activeAt("nowhere.sock");
  const timers = new ManualTimers();
  const observed: (string | null)[] = [];
  const deadlines: number[] = [];
  const script = [...codes];
  t.mock.method(active.present.link, "call", (_name: string, _params: unknown, ms: number) => {
    deadlines.push(ms);
    const code = script.shift() ?? last;
    return Promise.resolve(code === null ? SIGNED : err(refusal(code)));
  });
  const signer = new LinkPrivvalSigner({
    active,
    key: null,
    log: new SilentLog(),
    observe: (_chain, outcome) =>
      void observed.push(outcome !== null && "code" in outcome ? outcome.code : null),
    isPatient,
    timers,
  });
  let outcome: string | null = null;
  void signer.answer("chain", MESSAGE, DEADLINE_MS).then((answer) => {
    outcome = answer.ok ? "signed" : answer.error.code;
    if (answer.ok) assert.deepEqual(answer.value, ANSWER);
  });
  return { timers, observed, deadlines, outcome: () => outcome };
}

test("a decision of the enclave is answered at once", async (t) => {
  const asked = rig(t, [], "GUARD_STEP_DOUBLE");
  await settled();
  assert.equal(asked.outcome(), "GUARD_STEP_DOUBLE");
  assert.deepEqual(asked.deadlines, [DEADLINE_MS]);
  assert.equal(asked.timers.count, 0);
});

for (const code of OUTAGES) {
  test(`${code} is asked again until it is over, and observed never`, async (t) => {
    const asked = rig(t, [code, code], null);
    await settled();
    assert.equal(asked.outcome(), null);
    for (let count = 0; count < 2; count++) {
      asked.timers.advance(asked.timers.nextMs ?? 0);
      await settled();
    }
    assert.equal(asked.outcome(), "signed");
    assert.deepEqual(asked.observed, [null]);
    assert.deepEqual(asked.deadlines, [DEADLINE_MS, DEADLINE_MS - 50, DEADLINE_MS - 100]);
  });
}

test("an outage that lasts is told at the deadline, not before it, and once", async (t) => {
  const asked = rig(t, [], "LINK_DOWN");
  await settled();
  asked.timers.advance(DEADLINE_MS - 1);
  await settled();
  assert.equal(asked.outcome(), null);
  assert.equal(asked.deadlines.at(-1), 1);
  asked.timers.advance(1);
  await settled();
  assert.equal(asked.outcome(), "LINK_DOWN");
  assert.equal(asked.timers.count, 0);
  assert.deepEqual(asked.observed, ["LINK_DOWN"]);
  assert.equal(asked.deadlines.length, 2);
});

test("an outage that ends in a decision is answered with the decision", async (t) => {
  const asked = rig(t, ["LINK_DOWN", "PHASE_REFUSED"], "KEY_UNKNOWN");
  await settled();
  asked.timers.advance(50);
  await settled();
  asked.timers.advance(50);
  await settled();
  assert.equal(asked.outcome(), "KEY_UNKNOWN");
});

test("without patience an outage is told at once", async (t) => {
  const asked = rig(t, ["LINK_DOWN"], null, false);
  await settled();
  assert.equal(asked.outcome(), "LINK_DOWN");
  assert.deepEqual(asked.observed, ["LINK_DOWN"]);
  assert.equal(asked.timers.count, 0);
});

test("while an enclave is replaced for too long, nothing is asked any more", async (t) => {
  const active = activeAt("nowhere.sock");
  const timers = new ManualTimers();
  const call = t.mock.method(active.present.link, "call", () => Promise.resolve(SIGNED));
  active.hold(60_000, () => {});
  const log = new SilentLog();
  const signer = new LinkPrivvalSigner({
    active,
    key: null,
    log,
    observe: () => undefined,
    isPatient: true,
    timers,
  });
  const answered = signer.answer("chain", MESSAGE, DEADLINE_MS);
  await settled();
  timers.advance(DEADLINE_MS);
  const answer = await answered;
  assert.equal(answer.ok ? "ok" : answer.error.code, "LINK_TIMEOUT");
  active.replace(active.present);
  await settled();
  assert.equal(call.mock.callCount(), 0);
  assert.equal(timers.count, 0);
});
