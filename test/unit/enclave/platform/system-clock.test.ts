import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClockSetter } from "../../../../enclave/platform/system-clock.ts";

const NOW_MS = 1_700_000_000_000;

describe("createClockSetter", () => {
  const rows: readonly (readonly [string, number, readonly number[]])[] = [
    ["leaves a clock alone that is right", 0, []],
    ["leaves a difference of a second alone", 1000, []],
    ["sets a clock that is more than a second behind", 1001, [NOW_MS + 1001]],
    ["sets a clock that is more than a second ahead", -1001, [NOW_MS - 1001]],
    ["sets a clock that is years off", 10 ** 11, [NOW_MS + 10 ** 11]],
  ];
  for (const [name, differenceMs, expected] of rows) {
    it(name, (context) => {
      context.mock.timers.enable({ apis: ["Date"], now: NOW_MS });
      const set: number[] = [];
      createClockSetter({ setClock: (unixMs) => set.push(unixMs) })(NOW_MS + differenceMs);
      assert.deepEqual(set, expected);
    });
  }
});
