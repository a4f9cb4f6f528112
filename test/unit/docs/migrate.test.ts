// What the pages on moving from other signers tell people to type is what the commands take.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseInitOptions } from "../../../scripts/cli/init.ts";
import { parseSealArgs } from "../../../scripts/cli/seal-options.ts";
import { parseStateOptions } from "../../../scripts/cli/state-options.ts";
import { parseVerifyOptions } from "../../../scripts/cli/verify-options.ts";
import type { Result } from "../../../shared/result.ts";
import { readPage } from "./page.ts";

const PAGES = ["migrate-from-tmkms.md", "migrate-from-horcrux.md"] as const;

/** The arguments of each call in a shell block, of steps too. */
function callsOf(page: string, name: string): readonly (readonly string[])[] {
  const blocks = [...readPage(page).matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)];
  const text = blocks.map(([, block = ""]) => block.replaceAll(/\\\n\s*/g, "")).join("\n");
  return [...text.matchAll(new RegExp(`scripts/redoubt ${name} (.*)`, "g"))].map(([, line = ""]) =>
    line.split(" "),
  );
}

const PARSERS: readonly (readonly [
  name: string,
  callCounts: readonly number[],
  parse: (args: readonly string[]) => Promise<Result<unknown, unknown>>,
])[] = [
  ["init", [1, 0], (args) => Promise.resolve(parseInitOptions(args))],
  ["seal", [1, 1], (args) => parseSealArgs(args)],
  ["verify", [1, 0], (args) => Promise.resolve(parseVerifyOptions(args))],
];

for (const [name, callCounts, parse] of PARSERS) {
  test(`the pages on moving call redoubt ${name} as it wants to be called`, async () => {
    const calls = PAGES.map((page) => callsOf(page, name));
    assert.deepEqual(
      calls.map((ofPage) => ofPage.length),
      callCounts,
    );
    for (const args of calls.flat()) {
      const parsed = await parse(args);
      assert.ok(parsed.ok, parsed.ok ? "" : `${args.join(" ")}: ${String(parsed.error)}`);
    }
  });
}

/** What these pages use of the two actions. */
const IMPORT = { options: ["dry-run", "chain", "format"], needsFile: true };
const RETIRE = { options: ["key", "chain", "format", "proof", "export"], needsFile: false };

test("the pages on moving take a state over in its own format, and retire it to go back, for a chain", () => {
  const taken = PAGES.flatMap((page) => [
    ...callsOf(page, "state import").map((args) => parseStateOptions("import", IMPORT, args)),
    ...callsOf(page, "state retire").map((args) => parseStateOptions("retire", RETIRE, args)),
  ]);
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
