// What the pages on moving from other signers tell people to type is what the commands take.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type CommandName, callsOf, checkCalls, parseStateArgs } from "./command-call.ts";

const PAGES = ["migrate-from-tmkms.md", "migrate-from-horcrux.md"] as const;

const CALL_COUNTS: readonly (readonly [name: CommandName, counts: readonly [number, number]])[] = [
  ["init", [1, 0]],
  ["seal", [1, 1]],
  ["verify", [1, 0]],
  ["state", [2, 2]],
];

for (const [name, counts] of CALL_COUNTS) {
  test(`the pages on moving call redoubt ${name} as it wants to be called`, async () => {
    for (const [index, page] of PAGES.entries()) await checkCalls(page, name, counts[index] ?? 0);
  });
}

test("the pages on moving take a state over in its own format, and retire it to go back, for a chain", () => {
  const taken = PAGES.flatMap((page) => callsOf(page, "state").map(parseStateArgs));
  assert.deepEqual(
    taken.map((options) => options.ok && [options.value.format, options.value.chain]),
    [
      ["tmkms", "cosmoshub-4"],
      ["tmkms", "cosmoshub-4"],
      ["horcrux", "cosmoshub-4"],
      ["horcrux", "cosmoshub-4"],
    ],
  );
});
