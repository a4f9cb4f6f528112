// The release program as a process, as far as it gets without building an image (that it writes the
// record of a real one: test/image/run.ts), and `redoubt verify` with the record of a small image.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runVerify } from "../../../scripts/cli/verify.ts";
import { encodeCertificatePem } from "../../../scripts/local/certificate-issuer.ts";
import { composeRelease } from "../../../scripts/release/compose.ts";
import { encodeRelease } from "../../../scripts/release/record.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../../shared/attestation/pcr.ts";
import { encodeStatement, keySetDigest } from "../../../shared/attestation/statement.ts";
import { encodeUtc } from "../../../shared/bytes/utc.ts";
import { documentOf, NOW_MS, ROOT as PKI_ROOT, pcrsOf } from "../../fakes/attestation-fixture.ts";
import { ROOT, releaseImage } from "../../fakes/release-image.ts";

let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-release-"));
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

describe("a release record", () => {
  test("is what redoubt verify compares a document with", async () => {
    const source = { commit: "ab".repeat(20), isDirty: false };
    const { release } = composeRelease(ROOT, releaseImage(), source, null);
    writeFileSync(at("release.json"), encodeRelease(release));
    const { pcrs, version } = release;
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
});

describe("the release program", () => {
  test("writes nothing for what is no image", () => {
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
