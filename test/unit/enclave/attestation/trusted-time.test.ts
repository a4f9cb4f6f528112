import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TrustedTime } from "../../../../enclave/attestation/trusted-time.ts";
import type { Nsm, NsmRefusal } from "../../../../enclave/core/ports.ts";
import { refusal } from "../../../../shared/errors.ts";
import { TIME_AGE_MS_MAX } from "../../../../shared/limits.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { documentOf, NOW_MS } from "../../../fakes/attestation-fixture.ts";

type Attested = Result<Uint8Array, NsmRefusal>;

/** An NSM whose answers the test gives, and a monotonic clock that the test moves. */
class Rig {
  monotonicMs = 5_000_000;
  answer: () => Promise<Attested> = () => Promise.resolve(ok(documentOf()));
  readonly #nsm: Nsm = {
    attest: () => this.answer(),
    describePcr: () => Promise.reject(new Error("not asked for")),
    extendPcr: () => Promise.reject(new Error("not asked for")),
    lockPcr: () => Promise.reject(new Error("not asked for")),
  };
  readonly time = new TrustedTime(this.#nsm, { nowMs: () => this.monotonicMs });

  async renewAt(timestampMs: number): Promise<void> {
    this.answer = () => Promise.resolve(ok(documentOf({ timestampMs })));
    assert.deepEqual(await this.time.renew(), ok(null));
  }

  async failRenewing(answer: Attested): Promise<string> {
    this.answer = () => Promise.resolve(answer);
    const renewed = await this.time.renew();
    return renewed.ok ? "OK" : renewed.error.code;
  }
}

describe("trusted time", () => {
  test("is none before the first anchor, however long that takes", () => {
    const rig = new Rig();
    for (const monotonicMs of [0, 1, 5_000_000, Number.MAX_SAFE_INTEGER]) {
      rig.monotonicMs = monotonicMs;
      assert.equal(rig.time.nowMs(), null);
      assert.equal(rig.time.ageMs(), Infinity);
    }
  });

  test("never goes back to the answer of an earlier renewal that was slow", async () => {
    const rig = new Rig();
    const slow = Promise.withResolvers<Attested>();
    const answers = [slow.promise, Promise.resolve(ok(documentOf({ timestampMs: NOW_MS + 9000 })))];
    let askedCount = 0;
    rig.answer = () => answers[askedCount++] ?? Promise.reject(new Error("asked too often"));
    const renewals = [rig.time.renew(), rig.time.renew()];
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    assert.equal(askedCount, 1);
    slow.resolve(ok(documentOf({ timestampMs: NOW_MS })));
    assert.deepEqual(await Promise.all(renewals), [ok(null), ok(null)]);
    assert.equal(rig.time.nowMs(), NOW_MS + 9000);
  });

  test("is none when the first renewal fails", async () => {
    const rig = new Rig();
    assert.equal(await rig.failRenewing(err(refusal("NSM_UNAVAILABLE"))), "NSM_UNAVAILABLE");
    assert.equal(rig.time.nowMs(), null);
  });

  test("is the document's at its renewal, and goes on with the monotonic clock", async () => {
    const rig = new Rig();
    await rig.renewAt(NOW_MS);
    assert.equal(rig.time.nowMs(), NOW_MS);
    assert.equal(rig.time.ageMs(), 0);
    rig.monotonicMs += 1234.9;
    // Rounded down: never ahead.
    assert.equal(rig.time.nowMs(), NOW_MS + 1234);
    rig.monotonicMs += 0.1;
    assert.equal(rig.time.nowMs(), NOW_MS + 1235);
  });

  test("stands still while the clock does", async () => {
    const rig = new Rig();
    await rig.renewAt(NOW_MS);
    assert.equal(rig.time.nowMs(), rig.time.nowMs());
  });

  test("is none when the anchor is too old: one under, at the limit, one over", async () => {
    const rig = new Rig();
    await rig.renewAt(NOW_MS);
    rig.monotonicMs += TIME_AGE_MS_MAX - 1;
    assert.equal(rig.time.nowMs(), NOW_MS + TIME_AGE_MS_MAX - 1);
    rig.monotonicMs += 1;
    assert.equal(rig.time.nowMs(), NOW_MS + TIME_AGE_MS_MAX);
    rig.monotonicMs += 1;
    assert.equal(rig.time.nowMs(), null);
    assert.equal(rig.time.ageMs(), TIME_AGE_MS_MAX + 1);
    await rig.renewAt(NOW_MS + TIME_AGE_MS_MAX + 1);
    assert.equal(rig.time.nowMs(), NOW_MS + TIME_AGE_MS_MAX + 1);
  });

  test("is never ahead of the NSM's at a renewal, however long the answer takes", async () => {
    const rig = new Rig();
    // The document is made at NOW_MS; its answer arrives 700 ms later.
    rig.answer = () => {
      rig.monotonicMs += 700;
      return Promise.resolve(ok(documentOf({ timestampMs: NOW_MS })));
    };
    assert.deepEqual(await rig.time.renew(), ok(null));
    assert.equal(rig.time.nowMs(), NOW_MS);
    assert.equal(rig.time.ageMs(), 0);
  });

  test("goes back with the NSM's when the monotonic clock was too fast", async () => {
    const rig = new Rig();
    await rig.renewAt(NOW_MS);
    rig.monotonicMs += 60_200;
    await rig.renewAt(NOW_MS + 60_000);
    assert.equal(rig.time.nowMs(), NOW_MS + 60_000);
  });
});

describe("a renewal that fails", () => {
  const rows: readonly (readonly [string, Attested, string])[] = [
    ["no answer", err(refusal("NSM_UNAVAILABLE")), "NSM_UNAVAILABLE"],
    ["a refusal", err(refusal("NSM_REFUSED")), "NSM_REFUSED"],
    ["an answer of no document", err(refusal("NSM_MALFORMED")), "NSM_MALFORMED"],
    ["an empty document", ok(new Uint8Array(0)), "NSM_MALFORMED"],
    ["a cut document", ok(documentOf().subarray(0, -1)), "NSM_MALFORMED"],
    ["a document without a time", ok(documentOf({ timestampMs: -1 })), "NSM_MALFORMED"],
  ];
  for (const [name, answer, code] of rows) {
    test(`with ${name} keeps the last anchor, which goes on to age`, async () => {
      const rig = new Rig();
      await rig.renewAt(NOW_MS);
      rig.monotonicMs += 1000;
      assert.equal(await rig.failRenewing(answer), code);
      assert.equal(rig.time.nowMs(), NOW_MS + 1000);
      assert.equal(rig.time.ageMs(), 1000);
      rig.monotonicMs += TIME_AGE_MS_MAX - 999;
      assert.equal(await rig.failRenewing(answer), code);
      assert.equal(rig.time.nowMs(), null);
    });
  }
});
