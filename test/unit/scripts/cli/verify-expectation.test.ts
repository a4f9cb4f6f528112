import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createNsm } from "../../../../enclave/attestation/nsm.ts";
import { runVerify } from "../../../../scripts/cli/verify.ts";
import { encodeCertificatePem } from "../../../../scripts/local/certificate-issuer.ts";
import { NsmSimulator, sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { encodeRelease, type Release } from "../../../../scripts/release/record.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../../../shared/attestation/pcr.ts";
import { encodeStatement, keySetDigest } from "../../../../shared/attestation/statement.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { encodeUtc } from "../../../../shared/bytes/utc.ts";
import { MANIFEST_BYTES_MAX } from "../../../../shared/limits.ts";
import { documentOf, NOW_MS, ROOT } from "../../../fakes/attestation-fixture.ts";
import { RELEASE } from "../../../fakes/release-record.ts";

const MANIFEST = '{"chain":"test"}';
const DIGEST = new Uint8Array(createHash("sha384").update(MANIFEST).digest());
const KEYS = [1, 2].map(
  (first) => ({ scheme: "bls12381-pop", publicKey: new Uint8Array(48).fill(first) }) as const,
);
const LISTED = KEYS.map((key) => `0x${encodeHex(key.publicKey)}`);
const OTHER_KEY = "03".repeat(48);
const PCRS = sampleMeasurements("expectation");
const OTHER_PCR = "ab".repeat(48);

/** What the signer runs: the release of these registers. */
const OWN: Release = {
  ...RELEASE,
  pcrs: new Map(([0, 1, 2] as const).map((index) => [index, pcr(index)])),
};

function pcr(index: number): Uint8Array {
  return PCRS.get(index) ?? new Uint8Array();
}

function base64(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString("base64");
}

/** A document of the enclave above, bare or with what the signer shows. */
async function answerOf(
  software: string,
  keyCount = KEYS.length,
): Promise<{ whole: string; bare: Uint8Array }> {
  const options = { root: ROOT, nowMs: () => NOW_MS, pcrs: PCRS, isDebug: false };
  const nsm = createNsm(new NsmSimulator(options).device());
  await nsm.extendPcr(MANIFEST_PCR_INDEX, DIGEST);
  await nsm.lockPcr(MANIFEST_PCR_INDEX);
  const userData = encodeStatement({
    bootId: new Uint8Array(16),
    keySet: keySetDigest(KEYS),
    keyCount,
    manifest: DIGEST,
    software,
  });
  const document = await nsm.attest({ userData, nonce: null, publicKey: null });
  assert.ok(document.ok);
  const whole = JSON.stringify({
    document: base64(document.value),
    manifest: base64(MANIFEST),
    publicKeys: LISTED,
  });
  return { whole, bare: document.value };
}

let folder = "";
let base: readonly string[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-expectation-"));
  const { whole, bare } = await answerOf("redoubt/1.2.3");
  file("answer", whole);
  file("bare", bare);
  file("older", (await answerOf("redoubt/1.2.2")).whole);
  file("miscounted", (await answerOf("redoubt/1.2.3", KEYS.length + 1)).bare);
  file("foreign", documentOf());
  file("root", encodeCertificatePem(ROOT.der));
  file("release", encodeRelease(OWN));
  file("dirty", encodeRelease({ ...OWN, tree: "dirty" }));
  file("other-release", encodeRelease(RELEASE));
  file("manifest", MANIFEST);
  file("other-manifest", `${MANIFEST}\n`);
  file("keys", JSON.stringify(LISTED.toReversed()));
  file("fewer-keys", JSON.stringify(LISTED.slice(1)));
  file("more-keys", JSON.stringify([...LISTED, OTHER_KEY]));
  file("same-key-twice", JSON.stringify([LISTED[0], LISTED[0]?.slice(2)]));
  file("empty", "");
  file("large", new Uint8Array(MANIFEST_BYTES_MAX + 1));
  base = ["--root", at("root"), "--at", encodeUtc(NOW_MS)];
});

after(() => rmSync(folder, { recursive: true }));

function at(name: string): string {
  return join(folder, name);
}

function file(name: string, content: string | Uint8Array): void {
  writeFileSync(at(name), content);
}

type Printed = {
  readonly checks: readonly { name: string; code: string | null }[];
  readonly notChecked: readonly { name: string }[];
  readonly notes: readonly string[];
};

async function verify(target: string, ...args: readonly string[]) {
  const paths = args.map((text) => (text.startsWith("-") || text.includes("=") ? text : at(text)));
  const outcome = await runVerify([at(target), ...base, ...paths, "--json"]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own output, checked below
  const printed = JSON.parse(outcome.stdout === "" ? '{"checks":[]}' : outcome.stdout) as Printed;
  const failures = printed.checks.filter((check) => check.code !== null);
  return {
    verdict: [outcome.exitCode, failures.map((check) => `${check.name} ${check.code ?? ""}`)],
    names: printed.checks.map((check) => check.name),
    notChecked: printed.notChecked,
    notes: printed.notes,
    stderr: outcome.stderr,
  };
}

async function notesOf(...args: readonly string[]): Promise<readonly string[]> {
  return (await verify("answer", ...args)).notes;
}

describe("redoubt verify --release", () => {
  test("goes from code to PCRs, manifest and keys", async () => {
    const args = ["--release", "release", "--manifest", "manifest", "--keys", "keys"];
    const { verdict, names, notes } = await verify("answer", ...args);
    assert.deepEqual(verdict, [0, []]);
    for (const name of ["pcr0", "pcr1", "pcr2", "pcr16", "statement", "manifest-pcr"]) {
      assert.ok(names.includes(name), name);
    }
    assert.deepEqual(names.slice(-4), ["manifest", "keys", "software", "expected-keys"]);
    assert.ok(notes.some((note) => note.includes(RELEASE.commit)));
  });

  test("needs nothing of what the signer shows but the document", async () => {
    const args = ["--release", "release", "--manifest", "manifest", "--keys", "keys"];
    assert.deepEqual((await verify("bare", ...args)).verdict, [0, []]);
  });

  const rows: readonly (readonly [
    what: string,
    target: string,
    args: readonly string[],
    failures: readonly string[],
  ])[] = [
    [
      "another release",
      "answer",
      ["--release", "other-release"],
      ["pcr0 ATTEST_PCR", "pcr1 ATTEST_PCR", "pcr2 ATTEST_PCR"],
    ],
    ["another version", "older", ["--release", "release"], ["software ATTEST_USER_DATA"]],
    ["another manifest", "answer", ["--manifest", "other-manifest"], ["pcr16 ATTEST_PCR"]],
    [
      "a document of another program",
      "foreign",
      ["--release", "release", "--manifest", "manifest"],
      [
        "pcr0 ATTEST_PCR",
        "pcr1 ATTEST_PCR",
        "pcr2 ATTEST_PCR",
        "pcr16 ATTEST_PCR",
        "statement ATTEST_USER_DATA",
      ],
    ],
    ["keys of another program", "foreign", ["--keys", "keys"], ["statement ATTEST_USER_DATA"]],
    ["a key too many", "answer", ["--keys", "fewer-keys"], ["expected-keys ATTEST_USER_DATA"]],
    ["keys of another count", "miscounted", ["--keys", "keys"], ["expected-keys ATTEST_USER_DATA"]],
    ["a key too few", "answer", ["--keys", "more-keys"], ["expected-keys ATTEST_USER_DATA"]],
  ];
  for (const [what, target, args, failures] of rows) {
    test(`finds ${what}`, async () => {
      assert.deepEqual((await verify(target, ...args)).verdict, [1, failures]);
    });
  }

  test("takes registers beside it that agree", async () => {
    const pcr16 = encodeHex(manifestPcr(DIGEST));
    const given = ["--pcr", `0=${encodeHex(pcr(0))}`, "--pcr", `16=${pcr16}`];
    const args = ["--release", "release", "--manifest", "manifest", ...given];
    assert.deepEqual((await verify("answer", ...args)).verdict, [0, []]);
  });

  const misuses: readonly (readonly string[])[] = [
    ["--release", "release", "--pcr", `0=${OTHER_PCR}`],
    ["--release", "release", "--pcr", `2=${OTHER_PCR}`],
    ["--manifest", "manifest", "--pcr", `16=${OTHER_PCR}`],
    ["--release", "manifest"],
    ["--release", "empty"],
    ["--release", "nothing"],
    ["--manifest", "empty"],
    ["--manifest", "large"],
    ["--manifest", "nothing"],
    ["--keys", "manifest"],
    ["--keys", "empty"],
    ["--keys", "same-key-twice"],
    ["--keys", "nothing"],
  ];
  for (const args of misuses) {
    test(`takes ${args.join(" ").slice(0, 40)} for wrong use`, async () => {
      const { verdict, stderr } = await verify("answer", ...args);
      assert.deepEqual(verdict, [2, []]);
      assert.match(stderr, /^redoubt verify: .+\n$/);
    });
  }

  test("says what was not checked, to programs and to people", async () => {
    const pcr0 = `0=${encodeHex(pcr(0))}`;
    const rows: readonly (readonly [readonly string[], string])[] = [
      [[], "image manifest keys nonce"],
      [["--pcr", `1=${encodeHex(pcr(1))}`], "image manifest keys nonce"],
      [["--pcr", pcr0], "image-parts manifest keys nonce"],
      [["--pcr", pcr0, "--pcr", `1=${encodeHex(pcr(1))}`], "image-parts manifest keys nonce"],
      [["--release", "release"], "manifest keys nonce"],
      [["--manifest", "manifest"], "image keys nonce"],
      [["--release", "release", "--manifest", "manifest", "--keys", "keys"], "nonce"],
    ];
    for (const [args, omitted] of rows) {
      const { verdict, notChecked } = await verify("answer", ...args);
      assert.deepEqual([verdict, notChecked.map(({ name }) => name).join(" ")], [[0, []], omitted]);
    }
    const foreign = await verify("foreign");
    assert.deepEqual(foreign.verdict, [0, []]);
    assert.equal(foreign.notChecked[0]?.name, "statement");
    const text = (await runVerify([at("answer"), ...base])).stdout;
    assert.equal(text.match(/^---- {2}\S+ +not checked: /gm)?.length, 4);
  });

  test("says that a dirty release can't be rebuilt, and that the root is another", async () => {
    const notes = await notesOf("--release", "release");
    assert.equal((await notesOf("--release", "dirty")).length, notes.length + 1);
    assert.ok(notes.some((note) => note.includes("--root")));
  });
});
