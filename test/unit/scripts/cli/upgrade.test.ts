// `redoubt upgrade`: what it takes, and what it prints for the next manifest. What it does is in
// test/integration/upgrade.test.ts.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseManifest } from "../../../../enclave/core/manifest.ts";
import { encodeRelease } from "../../../../scripts/release/record.ts";
import { manifestPcr } from "../../../../shared/attestation/pcr.ts";
import { RELEASE } from "../../../fakes/release-record.ts";

const PROGRAM = join(import.meta.dirname, "../../../../scripts/cli/main.ts");
let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "upgrade-cli-"));
});

after(() => rmSync(folder, { recursive: true }));

const START = ["start", "--admin", "unix:///nowhere/admin.sock"];
const MISUSED: readonly (readonly [what: string, args: readonly string[]])[] = [
  ["no action", []],
  ["an unknown action", ["resume"]],
  ["an action that is a property of every object", ["constructor"]],
  ["an unknown option", [...START, "--force"]],
  ["an argument", [...START, "now"]],
  ["an option of another action", ["show", "--wait", "3"]],
  ["the manifest for start", [...START, "--manifest", "m.json"]],
  ["the admin socket for predecessor", ["predecessor", "--admin", "unix:///x"]],
  ["an option twice", [...START, "--wait", "3", "--wait", "4"]],
  ["an admin socket over TCP", ["show", "--admin", "tcp://127.0.0.1:1"]],
  ["no time to wait", [...START, "--wait", "0"]],
  ["more than a day", [...START, "--wait", "86401"]],
  ["no number", [...START, "--wait", "1e3"]],
  ["predecessor without release", ["predecessor", "--manifest", "m.json"]],
  ["predecessor without manifest", ["predecessor", "--release", "r.json"]],
];

for (const [what, args] of MISUSED) {
  test(`redoubt upgrade with ${what} is wrong use, on one line`, () => {
    const { status, stderr, stdout } = run(args);
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /^redoubt upgrade: .+\n$/);
  });
}

test("redoubt upgrade without a parent says where it looked", () => {
  for (const action of ["start", "show", "abort"]) {
    const { status, stderr } = run([action, "--admin", "unix:///nowhere/admin.sock"]);
    assert.equal(status, 1);
    assert.match(stderr, /LINK_DOWN.*\/nowhere\/admin\.sock/);
  }
});

test("predecessor prints what a manifest takes, with the registers of release and manifest", () => {
  const manifest = Buffer.from('{"old": true}\n');
  const [release, old] = [join(folder, "release.json"), join(folder, "old.json")];
  writeFileSync(release, encodeRelease(RELEASE));
  writeFileSync(old, manifest);
  const args = ["predecessor", "--release", release, "--manifest", old];
  const text = execFileSync(process.execPath, ["--no-warnings", PROGRAM, "upgrade", ...args]);
  const predecessors: unknown = JSON.parse(text.toString());
  const next = {
    redoubt: 1,
    kms: {
      keyArn: "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000",
    },
    state: { kind: "parent" },
    ethereum: { network: "mainnet" },
    groups: [{ name: "all", keys: "others" }],
    predecessors,
  };
  const parsed = parseManifest(Buffer.from(JSON.stringify(next)));
  assert.ok(parsed.ok);
  const digest = createHash("sha384").update(manifest).digest();
  const wanted = new Map([...RELEASE.pcrs, [16, manifestPcr(digest)] as const]);
  assert.equal(parsed.value.predecessors.length, 1);
  const found = parsed.value.predecessors[0] ?? new Map<number, Uint8Array>();
  for (const [index, pcr] of wanted) assert.deepEqual([...(found.get(index) ?? [])], [...pcr]);
  assert.equal(found.size, wanted.size);
});

test("predecessor refuses a release or manifest that it can't read", () => {
  const release = join(folder, "release.json");
  writeFileSync(release, encodeRelease(RELEASE));
  const args = ["predecessor", "--release", release, "--manifest"];
  assert.equal(run([...args, join(folder, "missing.json")]).status, 1);
  writeFileSync(join(folder, "empty.json"), "");
  assert.equal(run([...args, join(folder, "empty.json")]).status, 1);
  assert.equal(run(["predecessor", "--release", PROGRAM, "--manifest", release]).status, 1);
});

function run(args: readonly string[]) {
  return spawnSync(process.execPath, ["--no-warnings", PROGRAM, "upgrade", ...args], {
    encoding: "utf8",
  });
}
