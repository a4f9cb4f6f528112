import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { z } from "zod";
import { runPolicy } from "../../../../scripts/cli/policy.ts";
import { buildKeyPolicy } from "../../../../scripts/policy/key-policy.ts";
import { encodeRelease } from "../../../../scripts/release/record.ts";
import {
  ACCOUNT,
  ADMIN,
  draftOf,
  FOREIGNER,
  IMAGE_HEX,
  MANIFEST_HEX,
  NEXT_IMAGE_HEX,
  PLAN,
  ROLE,
  SEALER,
  textOfDraft,
  ZERO_HEX,
} from "../../../fakes/key-policy.ts";
import { RELEASE } from "../../../fakes/release-record.ts";

const folder = mkdtempSync(join(tmpdir(), "redoubt-policy-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/00000000-0000-0000-0000-000000000000`;
const FOREIGN_KEY = KEY.replace(ACCOUNT, "444455556666");
const OTHER_KEY = KEY.replace(/0{12}$/, "000000000001");
const WHO = ["--account", ACCOUNT, "--role", ROLE, "--sealer", SEALER, "--admin", ADMIN];
const PCRS = ["--pcr", `0=${IMAGE_HEX}`, "--pcr", `16=${MANIFEST_HEX}`];

function manifestOf(keyArn: string): string {
  return JSON.stringify({
    redoubt: 1,
    kms: { keyArn },
    state: { kind: "parent" },
    ethereum: { network: "mainnet" },
    groups: [{ name: "all", keys: "others", allow: ["ATTESTATION"] }],
  });
}

function manifestFile(name: string, keyArn: string): readonly string[] {
  return ["--manifest", file(name, manifestOf(keyArn))];
}

const answers = z.strictObject({
  ok: z.literal(true),
  policy: z.looseObject({}),
  pcrs: z.record(z.string(), z.array(z.string())),
  notes: z.array(z.string()),
});
const verdicts = z.strictObject({
  ok: z.boolean(),
  findings: z.array(z.looseObject({ code: z.string() })),
  notes: z.array(z.string()),
});

/** What `--json` answers when it writes a policy. */
async function build(...args: readonly string[]) {
  const { exitCode, stdout } = await runPolicy([...WHO, ...args, "--json"]);
  assert.equal(exitCode, 0);
  return answers.parse(JSON.parse(stdout));
}

describe("redoubt policy", () => {
  it("prints the policy alone to stdout, and notes to stderr", async () => {
    const { exitCode, stdout, stderr } = await runPolicy([...WHO, ...PCRS]);
    assert.equal(exitCode, 0);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(buildKeyPolicy(PLAN))));
    assert.match(stderr, /bypass-policy-lockout-safety-check/);
    assert.match(stderr, /IMAGE_PARTS_UNPINNED/);
    assert.match(stderr, /CloudTrail/);
  });

  it("takes PCR0 to PCR2 from images and releases, and each value once", async () => {
    const measured = { PCR0: IMAGE_HEX, PCR1: "04".repeat(48), PCR2: "03".repeat(48), PCR8: "" };
    const eif = file("eif.json", JSON.stringify({ Measurements: measured }));
    const release = file("release.json", encodeRelease(RELEASE));
    const { pcrs } = await build("--eif-json", eif, ...PCRS, "--release", release);
    assert.deepEqual(pcrs["0"], [IMAGE_HEX, "01".repeat(48)]);
    assert.deepEqual(pcrs["1"], ["02".repeat(48), "04".repeat(48)]);
    assert.deepEqual(pcrs["2"], ["03".repeat(48)]);
  });

  it("computes PCR16 of exact bytes, as the enclave measures them", async () => {
    const text = manifestOf(KEY);
    const paths = [file("one.json", text), file("two.json", `${text}\n`)];
    const { pcrs } = await build(
      "--pcr",
      `0=${IMAGE_HEX}`,
      ...paths.flatMap((p) => ["--manifest", p]),
    );
    const expected = [text, `${text}\n`].map((each) => {
      const digest = createHash("sha384").update(each).digest();
      return createHash("sha384").update(Buffer.alloc(48)).update(digest).digest("hex");
    });
    assert.deepEqual(pcrs["16"], expected);
  });

  it("computes PCR3 of the role", async () => {
    const { pcrs } = await build(...PCRS, "--role-pcr3");
    const expected = createHash("sha384").update(Buffer.alloc(48)).update(ROLE).digest("hex");
    assert.deepEqual(pcrs["3"], [expected]);
  });

  it("warns of images and manifests that can be mixed", async () => {
    const more = ["--pcr", `0=${NEXT_IMAGE_HEX}`, "--pcr", `16=${NEXT_IMAGE_HEX}`];
    const { exitCode, stderr } = await runPolicy([...WHO, ...PCRS, ...more]);
    assert.equal(exitCode, 0);
    assert.match(stderr, /PCR_PAIRS/);
  });

  it("says that a role of another account needs an IAM policy there", async () => {
    const args = [...WHO, ...PCRS].map((each) => (each === ROLE ? FOREIGNER : each));
    const { exitCode, stderr } = await runPolicy(args);
    assert.equal(exitCode, 0);
    assert.ok(stderr.includes(FOREIGNER));
  });

  const image = ["--pcr", `0=${IMAGE_HEX}`];
  const manifest = ["--pcr", `16=${MANIFEST_HEX}`];
  const eif = (name: string, value: unknown) => ["--eif-json", file(name, JSON.stringify(value))];
  const values = Array.from({ length: 9 }, (_, index) => `${index + 1}0`.repeat(48));
  const wrong: Readonly<Record<string, readonly string[]>> = {
    "no registers": [],
    "no image": manifest,
    "no manifest": image,
    "PCR3, PCR4 and PCR8 alone": ["3", "4", "8"].flatMap((n) => ["--pcr", `${n}=${IMAGE_HEX}`]),
    "the signer instead of the image": [...manifest, "--pcr", `8=${IMAGE_HEX}`],
    "a file that is not there": [...PCRS, "--manifest", join(folder, "none")],
    "a manifest that is none": [...image, "--manifest", file("m1", "{}")],
    "a manifest of another account": [...image, ...manifestFile("m2", FOREIGN_KEY)],
    "a manifest of another key": [...image, ...manifestFile("m3", KEY), "--key-arn", OTHER_KEY],
    "manifests of two keys": [
      ...image,
      ...manifestFile("m4", KEY),
      ...manifestFile("m5", OTHER_KEY),
    ],
    "measurements that are none": [...manifest, ...eif("e1", {})],
    "measurements of debug mode": [
      ...manifest,
      ...eif("e2", { Measurements: { PCR0: ZERO_HEX, PCR1: ZERO_HEX, PCR2: ZERO_HEX } }),
    ],
    "a short measurement": [
      ...manifest,
      ...eif("e3", { Measurements: { PCR0: "aa", PCR1: IMAGE_HEX, PCR2: IMAGE_HEX } }),
    ],
    "measurements without PCR2": [
      ...manifest,
      ...eif("e7", { Measurements: { PCR0: IMAGE_HEX, PCR1: IMAGE_HEX } }),
    ],
    "an inherited measurement": [...manifest, ...eif("e4", { Measurements: [] })],
    "no JSON": [...manifest, "--eif-json", file("e5", "x")],
    "a release that is none": [...manifest, "--release", file("e6", "{}")],
    "nine values of a register": [...manifest, ...values.flatMap((v) => ["--pcr", `0=${v}`])],
  };
  for (const [what, args] of Object.entries(wrong)) {
    it(`writes no policy for ${what}`, async () => {
      const { exitCode, stdout } = await runPolicy([...WHO, ...args]);
      assert.deepEqual([exitCode, stdout], [2, ""]);
    });
  }

  it("takes eight values of a register", async () => {
    const eight = values.slice(0, 8).flatMap((value) => ["--pcr", `0=${value}`]);
    assert.equal((await runPolicy([...WHO, ...manifest, ...eight])).exitCode, 0);
  });
});

describe("redoubt policy lint", () => {
  it("finds no hole in what the command wrote, also as the AWS CLI prints it", async () => {
    const parts = ["--pcr", `1=${IMAGE_HEX}`, "--pcr", `2=${IMAGE_HEX}`];
    const { stdout, stderr } = await runPolicy([...WHO, ...PCRS, ...parts]);
    assert.doesNotMatch(stderr, /IMAGE_PARTS_UNPINNED/);
    const wrapped = JSON.stringify({ Policy: stdout, PolicyName: "default" });
    for (const text of [stdout, wrapped]) {
      const verdict = await runPolicy(["lint", file("good.json", text), "--json"]);
      assert.equal(verdict.exitCode, 0);
      const { ok, findings } = verdicts.parse(JSON.parse(verdict.stdout));
      assert.deepEqual([ok, findings], [true, []]);
    }
  });

  it("exits with 1 for a hole, and with 0 for a warning", async () => {
    const draft = draftOf();
    draft.set("Deletion", {
      Effect: "Allow",
      Principal: { AWS: ADMIN },
      Action: "kms:ScheduleKeyDeletion",
      Resource: "*",
    });
    const warned = await runPolicy(["lint", file("warned.json", textOfDraft(draft))]);
    assert.equal(warned.exitCode, 0);
    assert.match(warned.stdout, /^warning {2}KEY_DELETION +Statement\[6\]: /m);
    draft.delete("NoDecryptWithoutPCR16");
    const holed = await runPolicy(["lint", file("holed.json", textOfDraft(draft))]);
    assert.equal(holed.exitCode, 1);
    assert.match(holed.stdout, /^hole +DECRYPT_NOT_DENIED +policy: /m);
    assert.match(holed.stdout, /^1 holes, 2 warnings$/m);
  });

  it("says who can change the policy, and which registers decrypt", async () => {
    const { stdout } = await runPolicy(["lint", file("who.json", textOfDraft(draftOf()))]);
    assert.ok(stdout.includes(`PCR0 ${IMAGE_HEX}\n`));
    assert.ok(stdout.includes(`PCR16 ${MANIFEST_HEX}\n`));
    assert.ok(stdout.includes(ADMIN));
  });

  it("passes nothing that is no policy, and says nothing else of it", async () => {
    const verdict = await runPolicy(["lint", file("none.json", "{}"), "--json"]);
    assert.equal(verdict.exitCode, 1);
    const { findings, notes } = verdicts.parse(JSON.parse(verdict.stdout));
    const codes = findings.map(({ code }) => code);
    assert.deepEqual([codes, notes], [["POLICY_NOT_UNDERSTOOD"], []]);
  });

  it("refuses a file that is not there as wrong use", async () => {
    assert.equal((await runPolicy(["lint", join(folder, "missing")])).exitCode, 2);
  });
});
