import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { SOFTWARE } from "../../../../enclave/version.ts";
import { encodeEif, parseEif } from "../../../../scripts/image/eif.ts";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import { measureEif } from "../../../../scripts/image/measurement.ts";
import { imageClosure } from "../../../../scripts/image/rootfs.ts";
import { composeRelease } from "../../../../scripts/release/compose.ts";
import { filesDigest } from "../../../../scripts/release/digest.ts";
import { encodeRelease, parseRelease } from "../../../../scripts/release/record.ts";
import { SOURCE } from "../../../fakes/eif-images.ts";
import { INIT, NODE, ROOT, releaseImage, releaseImageWith } from "../../../fakes/release-image.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const TREE = { commit: COMMIT, isDirty: false };
const IMAGE = releaseImage();
const { release, sbom } = composeRelease(ROOT, IMAGE, TREE, "sbom.json");

function sha384(content: Uint8Array | string): string {
  return createHash("sha384").update(content).digest("hex");
}

describe("a composed release record", () => {
  test("states what the image is and measures to", () => {
    const eif = parseEif(IMAGE);
    assert.ok(eif.ok);
    const { pcr0, pcr1, pcr2 } = measureEif(eif.value);
    assert.deepEqual([...release.pcrs.values()], [pcr0, pcr1, pcr2]);
    assert.deepEqual(release.eif, { sha384: sha384(IMAGE), byteCount: IMAGE.length });
    assert.equal(`redoubt/${release.version}`, SOFTWARE);
    assert.equal(release.node.sha384, sha384(NODE));
    assert.equal(release.boot.init, sha384(INIT));
    assert.equal(release.boot.cmdline, SOURCE.cmdline);
    assert.deepEqual([release.commit, release.tree, release.arch], [COMMIT, "clean", "x86_64"]);
    assert.equal(release.closure.list, sha384(readFileSync(join(ROOT, "enclave/closure.txt"))));
    assert.ok(release.base.packages.some(({ name }) => name === "libc6"));
    assert.deepEqual(release.sbom, { file: "sbom.json", sha384: sha384(sbom) });
  });

  test("digests the closure as sha384sum would", () => {
    const { files, addons, headers } = imageClosure(ROOT);
    const built = [...addons.map(({ source }) => source), ...headers.map(({ path }) => path)];
    assert.ok(built.includes("enclave/platform/native/arguments.h"));
    const paths = [...files, ...built].sort();
    const lines = paths.map((path) => `${sha384(readFileSync(join(ROOT, path)))}  ${path}\n`);
    assert.equal(release.closure.fileCount, paths.length);
    assert.equal(release.closure.files, sha384(lines.join("")));
  });

  test("is one that its parser takes, and the same whenever it is made", () => {
    const text = encodeRelease(release);
    const parsed = parseRelease(new TextEncoder().encode(text));
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value, release);
    const again = composeRelease(ROOT, releaseImage(), TREE, "sbom.json");
    assert.equal(encodeRelease(again.release), text);
    assert.equal(again.sbom, sbom);
  });

  test("says that a tree was dirty", () => {
    const dirty = composeRelease(ROOT, IMAGE, { ...TREE, isDirty: true }, null);
    assert.deepEqual([dirty.release.tree, dirty.release.sbom], ["dirty", null]);
  });

  const other = Uint8Array.of(1);
  const STRAY = { kind: "file", path: "sbin/init", mode: 0o755, content: other } as const;
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ["another file of ours", releaseImage(new Map([["enclave/version.ts", other]]))],
    ["a file missing", releaseImage(new Map([["shared/limits.ts", null]]))],
    [
      "another file of a package",
      releaseImage(new Map([["node_modules/@noble/hashes/sha2.js", other]])),
    ],
    ["other ramdisks", encodeEif(SOURCE)],
    ["something more in the first ramdisk", releaseImageWith(STRAY, "first")],
    ["a third ramdisk", releaseImageWith(STRAY, "third")],
    ["a flipped bit", IMAGE.with(IMAGE.length - 600, 1)],
    ["no image", other],
  ];
  for (const [what, image] of broken) {
    test(`is not made of ${what}`, () => {
      assert.throws(() => composeRelease(ROOT, image, TREE, null), ImageError);
    });
  }
});

test("the digest of files does not depend on their order, but on path and content", () => {
  const a = { path: "a", content: Uint8Array.of(1) };
  const b = { path: "b", content: Uint8Array.of(2) };
  assert.equal(filesDigest([a, b]), filesDigest([b, a]));
  assert.notEqual(filesDigest([a, b]), filesDigest([a]));
  const exchanged = [
    { path: "a", content: b.content },
    { path: "b", content: a.content },
  ];
  assert.notEqual(filesDigest([a, b]), filesDigest(exchanged));
});

const HASH = z.union([
  z.strictObject({ alg: z.literal("SHA-256"), content: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.strictObject({ alg: z.literal("SHA-384"), content: z.string().regex(/^[0-9a-f]{96}$/) }),
  z.strictObject({ alg: z.literal("SHA-512"), content: z.string().regex(/^[0-9a-f]{128}$/) }),
]);

const LICENCE = z.union([
  z.strictObject({ license: z.strictObject({ id: z.string().regex(/^[A-Za-z0-9.+-]+$/) }) }),
  z.strictObject({ license: z.strictObject({ name: z.string().min(1) }) }),
  z.strictObject({ expression: z.string().min(1) }),
]);

/** The part of the CycloneDX 1.6 schema that we use, and nothing beside it. */
const COMPONENT = z.strictObject({
  type: z.enum(["application", "file", "library", "platform"]),
  "bom-ref": z.string().min(1),
  name: z.string().min(1),
  version: z.string().min(1).optional(),
  hashes: z.array(HASH).length(1),
  licenses: z.array(LICENCE).length(1).optional(),
  purl: z
    .string()
    .regex(/^pkg:(?:npm\/(?:%40[a-z0-9-]+\/)?[a-z0-9.-]+|deb\/debian\/[a-zA-F0-9.%-]+)@[^ ?]+/)
    .optional(),
  properties: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
});

const SBOM = z.strictObject({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.literal("1.6"),
  version: z.literal(1),
  metadata: z.strictObject({ component: COMPONENT }),
  components: z.array(COMPONENT).min(1),
  dependencies: z.array(
    z.strictObject({ ref: z.string(), dependsOn: z.array(z.string()).optional() }),
  ),
});

describe("the bill of materials", () => {
  const bill = SBOM.parse(JSON.parse(sbom));
  const references = bill.components.map((component) => component["bom-ref"]);

  function hashOf(name: string): string | undefined {
    return bill.components.find((component) => component.name === name)?.hashes[0]?.content;
  }

  test("has each component once, and all of them below ours", () => {
    assert.equal(new Set(references).size, references.length);
    assert.deepEqual(bill.dependencies[0]?.dependsOn, references);
    assert.deepEqual(
      bill.dependencies.slice(1).map(({ ref }) => ref),
      references,
    );
  });

  test("lists exactly the packages of the closure, as they are locked", () => {
    const { packages, natives } = imageClosure(ROOT);
    const expected = [
      ...packages.map(({ name, version }) => `${name}@${version}`),
      ...natives
        .filter(({ name }) => name.endsWith("-linux-x64-gnu"))
        .map(({ name, version }) => `${name}@${version}`),
    ];
    const listed = bill.components
      .filter(({ type, purl }) => type === "library" && purl?.startsWith("pkg:npm/") === true)
      .map(({ name, version }) => `${name}@${version ?? ""}`);
    assert.deepEqual(listed.toSorted(), expected.toSorted());
    const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
    for (const { name, hashes, licenses, purl } of bill.components) {
      if (purl?.startsWith("pkg:npm/") !== true) continue;
      const base64 = Buffer.from(hashes[0]?.content ?? "", "hex").toString("base64");
      assert.ok(lock.includes(`"sha512-${base64}"`), name);
      assert.ok(licenses !== undefined || name.startsWith("node-linux-"), name);
    }
  });

  test("names Node, AWS's files and Debian's libraries with their hashes", () => {
    assert.equal(hashOf("init"), sha384(INIT));
    assert.equal(hashOf("kernel"), release.boot.kernel);
    for (const { name, sha256 } of release.base.packages) assert.equal(hashOf(name), sha256);
    assert.ok(hashOf(release.node.package) !== undefined);
  });
});
