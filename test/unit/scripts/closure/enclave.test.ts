import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  CLOSURE_LIST,
  closureFaults,
  diffCommitted,
  enclaveClosure,
} from "../../../../scripts/closure/enclave.ts";
import { encodeClosure } from "../../../../scripts/closure/list.ts";

let root = "";

function write(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "redoubt-enclave-closure-")));
  write("enclave/main.one.ts", `import "../shared/a.ts";\n`);
  write("shared/a.ts", "\n");
});
afterEach(() => rmSync(root, { recursive: true }));

function faults(): readonly string[] {
  return closureFaults(root, enclaveClosure(root));
}

describe("closureFaults", () => {
  it("finds nothing wrong with files of the enclave's folders", () => {
    assert.deepEqual(faults(), []);
  });

  it("names a file of another folder, and what the walk itself found", () => {
    write("scripts/b.ts", `import "./none.ts";\n`);
    write("enclave/main.two.ts", `import "../scripts/b.ts";\n`);
    assert.deepEqual(faults(), [
      "scripts/none.ts: no such file",
      "scripts/b.ts: outside of the enclave",
    ]);
  });

  it("names a link: its target could be any file of the machine", () => {
    write("elsewhere.ts", "\n");
    rmSync(join(root, "enclave/main.one.ts"));
    symlinkSync("../elsewhere.ts", join(root, "enclave/main.one.ts"));
    assert.deepEqual(faults(), ["enclave/main.one.ts: a link"]);
  });
});

describe("diffCommitted", () => {
  it("is empty for the list of the closure, and tells what came and went", () => {
    assert.ok(diffCommitted(root, enclaveClosure(root)).length > 0);
    write(CLOSURE_LIST, encodeClosure(enclaveClosure(root)));
    assert.deepEqual(diffCommitted(root, enclaveClosure(root)), []);
    write("shared/a.ts", `import "./b.ts";\n`);
    write("shared/b.ts", "\n");
    const lines = diffCommitted(root, enclaveClosure(root));
    assert.ok(lines.includes("+       1 shared/b.ts"), lines.join("\n"));
  });
});
