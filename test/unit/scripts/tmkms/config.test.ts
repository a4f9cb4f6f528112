import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTmkmsConfig } from "../../../../scripts/tmkms/config.ts";
import { TMKMS_EXAMPLE } from "../../../fakes/tmkms-config.ts";

const NONE: readonly string[] = [];

function problemsOf(text: string): readonly string[] {
  const parsed = parseTmkmsConfig(new TextEncoder().encode(text));
  return parsed.ok ? NONE : parsed.error;
}

/** Paths of the fields that are wrong, in place of sentences about them. */
function placesOf(text: string): readonly string[] {
  return problemsOf(text).map((problem) => problem.slice(0, problem.indexOf(": ")));
}

function changed(from: string, to: string): string {
  assert.ok(TMKMS_EXAMPLE.includes(from));
  return TMKMS_EXAMPLE.replace(from, to);
}

describe("parseTmkmsConfig", () => {
  it("takes every field that tmkms has", () => {
    assert.deepEqual(problemsOf(TMKMS_EXAMPLE), NONE);
  });

  it("takes no field that tmkms has not, and says where", () => {
    const rows: readonly (readonly [from: string, to: string, place: string])[] = [
      ["[[chain]]", "colour = 1\n[[chain]]", "the file"],
      ['id = "cosmoshub-4"', 'id = "cosmoshub-4"\nfork = 1', "chain[0]"],
      ["reconnect = false", "recconect = false", "validator[1]"],
      ['key_format = "json"', 'key_fromat = "json"', "providers.softsign[1]"],
      ["[[providers.ledgertm]]", "[[providers.vault]]", "providers"],
      ['{ type = "hex" }', '{ type = "hex", prefix = "a" }', "chain[1].key_format"],
    ];
    for (const [from, to, place] of rows) assert.deepEqual(placesOf(changed(from, to)), [place]);
  });

  it("takes no value in another form, and says where", () => {
    const rows: readonly (readonly [from: string, to: string, place: string])[] = [
      ['id = "cosmoshub-4"', 'id = "-"', "chain[0].id"],
      ['{ type = "hex" }', '{ type = "base58" }', "chain[1].key_format.type"],
      ['max_height = "500000"', 'max_height = "0"', "validator[0].max_height"],
      ['max_height = "500000"', "max_height = 1.5", "validator[0].max_height"],
      ['max_height = "500000"', 'max_height = "9223372036854775808"', "validator[0].max_height"],
      ['"v0.34"', '"v0.33"', "validator[1].protocol_version"],
      ['key_type = "account"', 'key_type = "owner"', "providers.softsign[2].key_type"],
      ["timeout = 5", 'timeout = "5"', "validator[1].timeout"],
    ];
    for (const [from, to, place] of rows) assert.deepEqual(placesOf(changed(from, to)), [place]);
  });

  it("takes the greatest height, as text or as a number", () => {
    for (const height of ['"9223372036854775807"', "500000"]) {
      assert.deepEqual(problemsOf(changed('"500000"', height)), NONE);
    }
  });

  it("says the line of what is no TOML, and never repeats it", () => {
    const [problem = "", ...more] = problemsOf(changed('password = "hunter2"', "password hunter2"));
    assert.match(problem, /^line \d+, column \d+: /);
    assert.ok(!problem.includes("hunter2"));
    assert.deepEqual(more, NONE);
    assert.equal(problemsOf("\u0000").length, 1);
  });

  it("never repeats a secret value of a wrong field", () => {
    for (const [from, to] of [
      ['password = "hunter2"', 'password = "hunter2", hunter3 = 1'],
      ['api_key = "hunter2"', 'api_key = ["hunter2"]'],
    ] as const) {
      const problems = problemsOf(changed(from, to));
      assert.ok(problems.length > 0);
      assert.ok(!problems.join().includes("hunter2"));
    }
  });
});
