// How long what was known of the table counts, and what ends it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TableIdentity } from "../../../../enclave/state/table-identity.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { STATE, SteppedTime, TABLE } from "../../../fakes/scripted-dynamo.ts";

const AGE_MS = 600_000;
/** A boot's first look at the table is never at the start of its clock. */
const START_MS = 5000;
const DESCRIBE_MS = 300;

function identityOf() {
  const time = new SteppedTime();
  time.passMs(START_MS);
  const described = { isThere: true, count: 0 };
  const identity = new TableIdentity({
    state: STATE,
    clock: time,
    describe: () => {
      described.count += 1;
      time.passMs(DESCRIBE_MS);
      return Promise.resolve(
        described.isThere ? ok({ Table: TABLE }) : err(refusal("STORE_UNAVAILABLE")),
      );
    },
  });
  return { time, described, identity };
}

test("a table counts as verified for ten minutes from when it was asked", async () => {
  const { time, described, identity } = identityOf();
  assert.equal(identity.isCurrent, false);
  assert((await identity.verify()).ok);
  described.isThere = false;
  time.passMs(AGE_MS - DESCRIBE_MS);
  assert.equal(identity.isCurrent, true);
  time.passMs(1);
  assert.equal(identity.isCurrent, false);
});

test("a table is asked again when what was known counts no more, not before", async () => {
  const { time, described, identity } = identityOf();
  assert((await identity.ensure()).ok);
  assert((await identity.ensure()).ok);
  assert.equal(described.count, 1);
  time.passMs(AGE_MS + 1);
  assert((await identity.ensure()).ok);
  assert.equal(described.count, 2);
});

test("a table that is missed ends what was known, any other refusal leaves it", async () => {
  const { described, identity } = identityOf();
  assert((await identity.verify()).ok);
  described.isThere = false;
  assert.equal((await identity.verify()).ok, false);
  for (const code of ["STORE_UNAVAILABLE", "STORE_DENIED", "STORE_MALFORMED"] as const) {
    identity.note(refusal(code));
    assert.equal(identity.isCurrent, true, code);
  }
  identity.note(refusal("STORE_IDENTITY"));
  assert.equal(identity.isCurrent, false);
});

test("a table that is missed while it is described is not known by that description", async () => {
  const asked: (() => void)[] = [];
  const identity = new TableIdentity({
    state: STATE,
    clock: new SteppedTime(),
    describe: () => new Promise((resolve) => asked.push(() => resolve(ok({ Table: TABLE })))),
  });
  const verifying = identity.verify();
  identity.note(refusal("STORE_IDENTITY"));
  asked[0]?.();
  const verified = await verifying;
  assert.equal(verified.ok ? "ok" : verified.error.code, "STORE_IDENTITY");
  assert.equal(identity.isCurrent, false);
  const again = identity.verify();
  identity.note(refusal("STORE_THROTTLED"));
  asked[1]?.();
  assert.ok((await again).ok);
  assert.equal(identity.isCurrent, true);
});
