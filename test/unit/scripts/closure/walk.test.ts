import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { diffLines, encodeClosure } from "../../../../scripts/closure/list.ts";
import { walkClosure } from "../../../../scripts/closure/walk.ts";

/** A small program with each thing that a walk has to follow. */
const TREE: Readonly<Record<string, string>> = {
  "enclave/program.ts":
    `import type { Gone } from "./gone.ts";\nimport { a } from "./a.ts";\n` +
    `import fs from "fs";\nimport "two-faced";\n`,
  "enclave/a.ts": `export const a = await import("./late.ts");\nimport "./program.ts";\n`,
  "enclave/late.ts": `new Worker(new URL("./worker.ts", import.meta.url));\n`,
  "enclave/worker.ts": `import "@scope/native";\nimport data from "./data.json";`,
  "enclave/data.json": `{}\n`,
  "enclave/unused.ts": `import "unused";\n`,
  "node_modules/two-faced/package.json": JSON.stringify({
    name: "two-faced",
    version: "1.2.3",
    exports: { ".": { import: "./esm.mjs", require: "./cjs.cjs" }, "./sub": "./sub.cjs" },
  }),
  "node_modules/two-faced/esm.mjs": `import "two-faced/sub";\nimport "inner";\n`,
  "node_modules/two-faced/cjs.cjs": `throw new Error();\n`,
  "node_modules/two-faced/sub.cjs": `require("./deep");\nrequire("absent");\nrequire(process.env.X);\nrequire("node:net");\n`,
  "node_modules/two-faced/deep/index.js": `// require("unused")\n`,
  "node_modules/two-faced/node_modules/inner/package.json": JSON.stringify({
    name: "inner",
    version: "2.0.0",
    main: "main.js",
  }),
  "node_modules/two-faced/node_modules/inner/main.js": `exports.x = 1;\n`,
  "node_modules/@scope/native/package.json": JSON.stringify({
    name: "@scope/native",
    version: "3.0.0",
    main: "index.js",
    optionalDependencies: { "@scope/native-a": "3.0.1", "@scope/native-b": "3.0.1" },
  }),
  "node_modules/@scope/native/index.js": `try { require("@scope/native-a"); } catch { require("@scope/native-b"); }\n`,
  "node_modules/@scope/native-a/package.json": `{"name":"@scope/native-a","version":"3.0.1"}`,
  "node_modules/@scope/native-a/index.js": `require("unused");\n`,
};

let root = "";

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

describe("walkClosure", () => {
  before(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "redoubt-closure-")));
    write(TREE);
  });
  after(() => rmSync(root, { recursive: true }));

  it("finds own files, packages, natives and modules of Node, and nothing that is unused", () => {
    const closure = walkClosure(root, ["enclave/program.ts"]);
    assert.deepEqual(closure.own, [
      { path: "enclave/a.ts", lineCount: 2 },
      { path: "enclave/data.json", lineCount: 1 },
      { path: "enclave/late.ts", lineCount: 1 },
      { path: "enclave/program.ts", lineCount: 4 },
      { path: "enclave/worker.ts", lineCount: 2 },
    ]);
    const counts = { computedCount: 0, missingCount: 0 };
    assert.deepEqual(closure.packages, [
      { name: "@scope/native", version: "3.0.0", fileCount: 1, lineCount: 1, ...counts },
      { name: "inner", version: "2.0.0", fileCount: 1, lineCount: 1, ...counts },
      {
        name: "two-faced",
        version: "1.2.3",
        fileCount: 3,
        lineCount: 7,
        computedCount: 1,
        missingCount: 1,
      },
    ]);
    assert.deepEqual(closure.natives, [
      { name: "@scope/native-a", version: "3.0.1" },
      { name: "@scope/native-b", version: "3.0.1" },
    ]);
    assert.deepEqual(closure.builtins, ["node:fs", "node:net"]);
    assert.deepEqual(closure.faults, []);
  });

  it("names own imports that lead nowhere or are computed", () => {
    write({ "enclave/wrong.ts": `import "./absent.ts";\nimport(name);\nimport "absent";\n` });
    const { faults } = walkClosure(root, ["enclave/wrong.ts", "enclave/none.ts"]);
    assert.deepEqual(faults, [
      "enclave/absent.ts: no such file",
      "enclave/none.ts: no such file",
      "enclave/wrong.ts:2: computed import",
      "enclave/wrong.ts:3: absent leads nowhere",
    ]);
  });

  it("counts an addon's headers, each once, and names those that can't be followed", () => {
    const native = "enclave/platform/native";
    write({
      "enclave/native.ts": `new URL("../build/a.node", import.meta.url);\nnew URL("../build/b.node", import.meta.url);\n`,
      [`${native}/a.c`]: `#include <uv.h>\n#include "one.h"\n`,
      [`${native}/b.c`]: ` # include "two.h" // why\n#include "one.h"\n`,
      [`${native}/one.h`]: `#include "two.h"\n`,
      [`${native}/two.h`]: `#include "one.h"\n\n`,
      [`${native}/stray.h`]: `\n`,
    });
    const { addons, headers, faults } = walkClosure(root, ["enclave/native.ts"]);
    assert.deepEqual(faults, []);
    assert.deepEqual(
      addons.map(({ source }) => source),
      [`${native}/a.c`, `${native}/b.c`],
    );
    assert.deepEqual(headers, [
      { path: `${native}/one.h`, lineCount: 1 },
      { path: `${native}/two.h`, lineCount: 2 },
    ]);
    write({ [`${native}/b.c`]: `#include "none.h"\n#include "../far.h"\n#include NAME\n` });
    assert.deepEqual(walkClosure(root, ["enclave/native.ts"]).faults, [
      `${native}/b.c: an include that can't be followed`,
      `${native}/none.h: no such file`,
    ]);
  });

  it("says the same whatever the order of the entries", () => {
    const entries = ["enclave/program.ts", "enclave/unused.ts"];
    const list = encodeClosure(walkClosure(root, entries));
    assert.equal(encodeClosure(walkClosure(root, entries.toReversed())), list);
  });
});

describe("walkClosure over real packages", () => {
  it("has every file that Node really loads for them", () => {
    const house = resolve(import.meta.dirname, "../../../..");
    const packages = ["@aws-sdk/client-kms", "@chainsafe/ssz", "@noble/curves/nist.js"];
    const entry = join(house, "test/fakes/package-importer.ts");
    const recorder = `
      import { registerHooks } from "node:module";
      const urls = new Set();
      registerHooks({ load(url, context, next) { urls.add(url); return next(url, context); } });
      for (const name of ${JSON.stringify(packages)}) await import(name);
      console.log(JSON.stringify([...urls].filter((url) => url.startsWith("file:"))));`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", recorder], {
      cwd: dirname(entry),
      encoding: "utf8",
    });
    const loaded: unknown = JSON.parse(output);
    assert.ok(Array.isArray(loaded) && loaded.length > 50);
    const { files } = walkClosure(house, ["test/fakes/package-importer.ts"]);
    const listed = new Set(files.map((path) => `file://${join(house, path)}`));
    assert.deepEqual(
      loaded.map(String).filter((url) => !listed.has(url)),
      [],
    );
  });
});

describe("diffLines", () => {
  it("shows what only one side has", () => {
    assert.deepEqual(diffLines("a\nb\nc", "a\nB\nc\nd"), ["- b", "+ B", "+ d"]);
    assert.deepEqual(diffLines("a\nb", "a\nb"), []);
  });
});
