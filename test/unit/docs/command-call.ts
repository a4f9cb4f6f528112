// The calls of the `redoubt` CLI that pages tell people to type, and the parsers that take them. It
// must never keep a list of a command's options: they are the command's own.

import assert from "node:assert/strict";
import { parseInitOptions } from "../../../scripts/cli/init.ts";
import { parsePolicyOptions } from "../../../scripts/cli/policy-options.ts";
import { parseSealArgs } from "../../../scripts/cli/seal-options.ts";
import { ACTIONS } from "../../../scripts/cli/state.ts";
import { parseStateOptions, type StateOptions } from "../../../scripts/cli/state-options.ts";
import { parseVerifyOptions } from "../../../scripts/cli/verify-options.ts";
import type { Result } from "../../../shared/result.ts";
import { readPage } from "./page.ts";

/** The arguments of each call of `redoubt NAME` in the page's shell blocks, of steps too. */
export function callsOf(page: string, name: string): readonly (readonly string[])[] {
  const blocks = [...readPage(page).matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)];
  const text = blocks.map(([, block = ""]) => block.replaceAll(/\\\n\s*/g, "")).join("\n");
  return [...text.matchAll(new RegExp(`scripts/redoubt ${name} (.*)`, "g"))].map(([, line = ""]) =>
    line.replace(/ [>#].*/, "").split(" "),
  );
}

type Parse = (
  args: readonly string[],
) => Result<unknown, unknown> | Promise<Result<unknown, unknown>>;

const PARSERS = {
  init: parseInitOptions,
  policy: parsePolicyOptions,
  seal: parseSealArgs,
  verify: parseVerifyOptions,
  state: parseStateArgs,
} satisfies Readonly<Record<string, Parse>>;

export type CommandName = keyof typeof PARSERS;

/** Fails unless the page calls the command this often, each time as it wants to be called. */
export async function checkCalls(page: string, name: CommandName, count: number): Promise<void> {
  const calls = callsOf(page, name);
  assert.equal(calls.length, count, `calls of redoubt ${name} in docs/${page}`);
  for (const args of calls) {
    const parsed = await PARSERS[name](args);
    assert.ok(parsed.ok, parsed.ok ? "" : `${args.join(" ")}: ${JSON.stringify(parsed.error)}`);
  }
}

/** Of an action with one word. */
export function parseStateArgs([name = "", ...args]: readonly string[]): Result<
  StateOptions,
  unknown
> {
  const action = ACTIONS[name];
  assert.ok(action !== undefined, `redoubt state ${name}`);
  return parseStateOptions(name, action, args);
}
