import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, type TestContext, test } from "node:test";
import {
  ADDON_NAMES,
  buildNative,
  compileArguments,
  type NativeOptions,
} from "../../../../scripts/native/compile.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const NATIVE = "enclave/platform/native";
const hasCompiler = spawnSync("cc", ["--version"]).status === 0;

/** A compiler that writes its version and the source, and notes each time that it compiles. */
const COMPILER = `#!/bin/sh
folder=$(dirname "$0")
if [ "$1" = --version ]; then cat "$folder/version"; exit 0; fi
[ ! -e "$folder/broken" ] || { echo "a complaint" >&2; exit 1; }
while [ $# -gt 1 ]; do
  if [ "$1" = -o ]; then output=$2; fi
  shift
done
cat "$folder/version" "$1" > "$output"
echo x >> "$folder/log"
`;

class Bench {
  readonly folder: string;
  readonly options: NativeOptions;

  constructor(context: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), "redoubt-native-"));
    context.after(() => rmSync(this.folder, { recursive: true, force: true }));
    const headers = join(this.folder, "include");
    mkdirSync(headers);
    writeFileSync(join(headers, "node_version.h"), "26");
    cpSync(join(ROOT, NATIVE), join(this.folder, NATIVE), { recursive: true });
    writeFileSync(join(this.folder, "version"), "cc 1\n");
    const cc = join(this.folder, "cc");
    writeFileSync(cc, COMPILER);
    chmodSync(cc, 0o755);
    this.options = { root: this.folder, cc, outFolder: join(this.folder, "build"), headers };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  compiledCount(): number {
    const log = this.path("log");
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0;
  }
}

describe("buildNative", () => {
  test("makes one addon of each source, and leaves nothing else", (context) => {
    const bench = new Bench(context);
    const { isBuilt, files } = buildNative(bench.options);
    assert.ok(isBuilt);
    const names = ADDON_NAMES.map((name) => `${name}.node`);
    assert.deepEqual(
      files,
      names.map((name) => bench.path(`build/${name}`)),
    );
    assert.deepEqual(readdirSync(bench.path("build")).sort(), ["native.json", ...names].sort());
  });

  test("does nothing when the addons there were made of the same", (context) => {
    const bench = new Bench(context);
    buildNative(bench.options);
    assert.equal(buildNative(bench.options).isBuilt, false);
    assert.equal(bench.compiledCount(), ADDON_NAMES.length);
  });

  const changes: readonly (readonly [string, (bench: Bench) => void])[] = [
    ["a source", (bench) => writeFileSync(bench.path(`${NATIVE}/nsm.c`), "int x;")],
    ["a header", (bench) => writeFileSync(bench.path(`${NATIVE}/arguments.h`), "int x;")],
    ["Node", (bench) => writeFileSync(bench.path("include/node_version.h"), "27")],
    ["the compiler", (bench) => writeFileSync(bench.path("version"), "cc 2\n")],
    ["an addon", (bench) => writeFileSync(bench.path("build/vsock.node"), "other")],
    ["an addon's presence", (bench) => rmSync(bench.path("build/nsm.node"))],
    ["the note of it", (bench) => writeFileSync(bench.path("build/native.json"), "{}")],
  ];
  for (const [what, change] of changes) {
    test(`builds again when ${what} has changed`, (context) => {
      const bench = new Bench(context);
      buildNative(bench.options);
      change(bench);
      assert.ok(buildNative(bench.options).isBuilt);
      assert.ok(!buildNative(bench.options).isBuilt);
    });
  }

  test("gives the compiler a path and nothing else of the environment", (context) => {
    // gcc would take headers from there before Node's own.
    process.env["CPATH"] = "/elsewhere";
    context.after(() => delete process.env["CPATH"]);
    const bench = new Bench(context);
    const script = COMPILER.replace("\n", '\n[ -z "$CPATH" ] || exit 1\n');
    writeFileSync(bench.path("cc"), script);
    assert.ok(buildNative(bench.options).isBuilt);
  });

  test("throws without a compiler and without headers", (context) => {
    const { options, folder } = new Bench(context);
    const wrong = [
      { ...options, cc: join(folder, "none") },
      { ...options, headers: join(folder, "none") },
    ];
    for (const each of wrong) assert.throws(() => buildNative(each), { name: "NativeError" });
  });

  test("leaves the addons that were there when the compiler refuses", (context) => {
    const bench = new Bench(context);
    const { files } = buildNative(bench.options);
    const before = files.map((file) => readFileSync(file, "utf8"));
    writeFileSync(bench.path("broken"), "");
    writeFileSync(bench.path(`${NATIVE}/vsock.c`), "broken");
    assert.throws(() => buildNative(bench.options), { name: "NativeError" });
    assert.deepEqual(
      files.map((file) => readFileSync(file, "utf8")),
      before,
    );
    assert.equal(readdirSync(bench.path("build")).length, 1 + files.length);
  });
});

test("compileArguments hardens the addon and names no folder of this machine in it", () => {
  const args = compileArguments({ headers: "/h/node", source: "/s/n/a.c", output: "/o/a.node" });
  const flags = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-O2",
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,now,-z,noexecstack",
    "-Wl,--build-id=none",
    "-ffile-prefix-map=/s/n=native",
    "-ffile-prefix-map=/h/node=include",
  ];
  for (const flag of flags) assert.ok(args.includes(flag), flag);
  assert.deepEqual(args.slice(-3), ["-o", "/o/a.node", "/s/n/a.c"]);
});

const skip = hasCompiler ? false : "no C compiler on this machine";

test("the addons are the same bytes from whatever folder they are built", { skip }, (context) => {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-native-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const headers = join(ROOT, `node_modules/node-linux-${process.arch}/include/node`);
  const copy = join(folder, "another folder");
  cpSync(join(ROOT, NATIVE), join(copy, NATIVE), { recursive: true });
  const builds = [ROOT, copy].map((root, index) => {
    const outFolder = join(folder, `out${index}`);
    return buildNative({ root, cc: "cc", outFolder, headers }).files;
  });
  const [first = [], second = []] = builds.map((files) => files.map((file) => readFileSync(file)));
  assert.deepEqual(first, second);
  const paths = [folder, ROOT];
  for (const bytes of first) assert.ok(paths.every((path) => !bytes.includes(path)));
});
