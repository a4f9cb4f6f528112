// The release program as a process, over a small image of this source, and `redoubt verify` with
// the record that it wrote.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runVerify } from "../../../scripts/cli/verify.ts";
import { encodeCertificatePem } from "../../../scripts/local/certificate-issuer.ts";
import { parseRelease } from "../../../scripts/release/record.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../../shared/attestation/pcr.ts";
import { encodeStatement, keySetDigest } from "../../../shared/attestation/statement.ts";
import { encodeUtc } from "../../../shared/bytes/utc.ts";
import { documentOf, NOW_MS, pcrsOf, ROOT as PKI_ROOT } from "../../fakes/attestation-fixture.ts";
import { releaseImage, ROOT } from "../../fakes/release-image.ts";

let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-release-"));
  writeFileSync(at("image.eif"), releaseImage());
  writeFileSync(at("broken.eif"), new Uint8Array(1000));
});

after(() => rmSync(folder, { recursive: true }));

function at(name: string): string {
  return join(folder, name);
}

function run(...args: readonly string[]) {
  return spawnSync(process.execPath, ["--no-warnings", "scripts/release.ts", ...args], {
    cwd: ROOT,
    env: { ...process.env, INIT_CWD: folder },
    encoding: "utf8",
  });
}

function git(...args: readonly string[]): string | null {
  const { status, stdout } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

const COMMIT = git("rev-parse", "HEAD");
const WHY_NOT = COMMIT === null ? "this is no checkout of git" : false;

describe("the release program", { skip: WHY_NOT }, () => {
  const out = ["--eif", "image.eif", "--out", "release.json", "--sbom", "sbom.json"];

  test("writes record and bill of materials, relative to where it was called", () => {
    const { status, stderr } = run(...out, "--allow-dirty");
    assert.equal(status, 0, stderr);
    const release = parseRelease(readFileSync(at("release.json")));
    assert.ok(release.ok);
    assert.equal(release.value.commit, COMMIT);
    assert.equal(release.value.sbom?.file, "sbom.json");
    assert.ok(existsSync(at("sbom.json")));
  });

  test("writes a record that redoubt verify compares a document with", async () => {
    const release = parseRelease(readFileSync(at("release.json")));
    assert.ok(release.ok);
    const { pcrs, version } = release.value;
    const manifest = new Uint8Array(48).fill(5);
    const userData = encodeStatement({
      bootId: new Uint8Array(16),
      keySet: keySetDigest([]),
      keyCount: 0,
      manifest,
      software: `redoubt/${version}`,
    });
    const own = [MANIFEST_PCR_INDEX, manifestPcr(manifest)] as const;
    const same = documentOf({ userData, pcrs: pcrsOf(new Map([...pcrs, own])) });
    const other = documentOf({
      userData,
      pcrs: pcrsOf(new Map([[0, pcrs.get(1) ?? manifest], own])),
    });
    const exitCodes: number[] = [];
    writeFileSync(at("root.pem"), encodeCertificatePem(PKI_ROOT.der));
    for (const [name, bytes] of [["same", same] as const, ["other", other] as const]) {
      writeFileSync(at(name), bytes);
      const args = [at(name), "--root", at("root.pem"), "--at", encodeUtc(NOW_MS)];
      const { exitCode } = await runVerify([...args, "--release", at("release.json")]);
      exitCodes.push(exitCode);
    }
    assert.deepEqual(exitCodes, [0, 1]);
  });

  test("takes a tree with changes only when told so", () => {
    const isDirty = git("status", "--porcelain") !== "";
    const { status } = run("--eif", "image.eif", "--out", "strict.json");
    assert.equal(status, isDirty ? 1 : 0);
    assert.equal(existsSync(at("strict.json")), !isDirty);
  });

  test("writes nothing for what is no image of this source", () => {
    for (const eif of ["broken.eif", "missing.eif"]) {
      const { status, stderr } = run("--eif", eif, "--out", "none.json", "--allow-dirty");
      assert.equal(status, 1);
      assert.match(stderr, /^release: .+\n$/);
      assert.ok(!existsSync(at("none.json")));
    }
  });
});

test("the release program tells wrong use", () => {
  for (const args of [[], ["--eif", "image.eif"], ["--out", "x"], ["--wrong"], ["extra"]]) {
    assert.equal(run(...args).status, 2);
  }
  assert.equal(run("--help").status, 0);
});
