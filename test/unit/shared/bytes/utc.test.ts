import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeUtc, msOfUtc, UTC_MS_MAX } from "../../../../shared/bytes/utc.ts";
import { InvariantError } from "../../../../shared/invariant.ts";

const MIDNIGHT = { hour: 0, minute: 0, second: 0 };

describe("UTC arithmetic", () => {
  test("agrees with the platform on the ends of every month of 500 years", () => {
    for (let year = 1900; year <= 2400; year++) {
      for (let month = 1; month <= 12; month++) {
        const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
        for (const day of [1, lastDay]) {
          const ms = Date.UTC(year, month - 1, day);
          assert.equal(msOfUtc({ year, month, day, ...MIDNIGHT }), ms);
          if (ms >= 0)
            assert.equal(encodeUtc(ms + 12_345_678), new Date(ms + 12_345_678).toISOString());
        }
        assert.equal(msOfUtc({ year, month, day: lastDay + 1, ...MIDNIGHT }), undefined);
      }
    }
  });

  test("msOfUtc refuses what no calendar and no clock shows", () => {
    const good = { year: 2026, month: 1, day: 1, hour: 23, minute: 59, second: 59 };
    assert.notEqual(msOfUtc(good), undefined);
    const wrong = [
      { year: 0 },
      { year: 10_000 },
      { month: 0 },
      { month: 13 },
      { day: 0 },
      { day: 32 },
      { hour: 24 },
      { minute: 60 },
      { second: 60 },
    ];
    for (const part of wrong) assert.equal(msOfUtc({ ...good, ...part }), undefined);
  });

  test("encodeUtc writes the first and the last time it can, and no other", () => {
    assert.equal(encodeUtc(0), "1970-01-01T00:00:00.000Z");
    assert.equal(encodeUtc(UTC_MS_MAX), "9999-12-31T23:59:59.999Z");
    for (const ms of [-1, UTC_MS_MAX + 1, 0.5, Number.NaN]) {
      assert.throws(() => encodeUtc(ms), InvariantError);
    }
  });
});
