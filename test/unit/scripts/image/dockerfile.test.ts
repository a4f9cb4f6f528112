import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { imageCommand } from "../../../../scripts/image/command.ts";
import { INPUTS_FOLDER } from "../../../../scripts/image/fetch-inputs.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");

/** Instructions with their arguments, continued lines joined, comments left out. */
const INSTRUCTIONS = readFileSync(join(ROOT, "Dockerfile.enclave"), "utf8")
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll(/\s*\\\n\s*/g, " ")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => /^([A-Z]+) (.*)$/.exec(line) ?? assert.fail(line))
  .map(([, name = "", text = ""]) => ({ name, text }));

function argumentsOf(name: string): readonly string[] {
  return INSTRUCTIONS.filter((instruction) => instruction.name === name).map(({ text }) => text);
}

describe("Dockerfile.enclave", () => {
  it("names its base by digest and ends from nothing", () => {
    assert.match(argumentsOf("ARG")[0] ?? "", /^BASE=\S+@sha256:[0-9a-f]{64}$/);
    assert.deepEqual(argumentsOf("FROM"), [`\${BASE} AS build`, "scratch"]);
  });

  it("runs every step without a network", () => {
    assert.ok(argumentsOf("RUN").length > 0);
    for (const text of argumentsOf("RUN")) assert.match(text, /^--network=none /);
  });

  it("puts nothing but the root file system into the last stage", () => {
    const last = INSTRUCTIONS.slice(INSTRUCTIONS.findLastIndex(({ name }) => name === "FROM") + 1);
    assert.deepEqual(
      last.map(({ name }) => name),
      ["COPY", "CMD"],
    );
    assert.equal(last[0]?.text, "--from=build /rootfs/ /");
  });

  it("runs the command that build-image.ts puts into /cmd", () => {
    assert.deepEqual(JSON.parse(argumentsOf("CMD")[0] ?? ""), imageCommand());
  });

  it("uses the inputs from where they are fetched to", () => {
    assert.ok(argumentsOf("RUN").some((text) => text.includes(`inputs=${INPUTS_FOLDER};`)));
  });
});
