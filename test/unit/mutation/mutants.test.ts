import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { MODULES } from "../../mutation/modules.ts";
import { findMutants } from "../../mutation/mutants.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const RULE = "enclave/core/chains/ethereum/slashing-rule.ts";

const found = findMutants(ROOT, Object.keys(MODULES));
const ofRule = new Map((found.get(RULE) ?? []).map((mutant) => [mutant.name, mutant]));

test("each module has mutants, with names that are its own", () => {
  for (const [module, mutants] of found) {
    assert(mutants.length > 0, module);
    assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, module);
  }
});

test("a mutant replaces the very text that its name says", () => {
  const text = readFileSync(join(ROOT, RULE), "utf8");
  const name = "decideBlock: slot < block.slot -> (slot <= block.slot)";
  const wish = ofRule.get(name)?.wish;
  assert(wish !== undefined, [...ofRule.keys()].join("\n"));
  assert.equal(text.slice(wish.start, wish.end), "slot < block.slot");
  assert.equal(wish.text, "(slot <= block.slot)");
});

test("boundaries, conditions, conjunctions, constants, codes, statements and blocks are mutated", () => {
  for (const name of [
    "decideBlock: slot < block.slot -> (slot >= block.slot)",
    "decideBlock: slot < floor.slot -> true",
    "decideBlock: block !== null && slot < block.slot -> (slot < block.slot)",
    "BODY_BYTES: 89 -> (88)",
    "NO_FLOOR.slot: 0n -> (-1n)",
    'decideVote: "GUARD_VOTE_DOUBLE" -> "STATE_MISSING"',
    "decideBlock: return refuse(bootFloorRefusal(floor)); -> ;",
    "encodeEthereumRecord: bytes[0] = flags; -> ;",
    "encodeEthereumRecord: flags |= FLAG.block -> flags &= FLAG.block",
    "raiseBlock: block !== null -> (block === null)",
    "highest.a: first ?? 0n -> (first)",
    "highest: a > b ? a : b -> (b)",
  ]) {
    assert(ofRule.has(name), name);
  }
});

test("types and imports are not mutated", () => {
  const text = readFileSync(join(ROOT, "enclave/core/guard.ts"), "utf8");
  const typeEnd = text.indexOf("export class GuardEntry");
  for (const { wish } of found.get("enclave/core/guard.ts") ?? []) assert(wish.start > typeEnd);
});
