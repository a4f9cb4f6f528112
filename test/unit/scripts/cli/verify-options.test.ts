import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseVerifyOptions } from "../../../../scripts/cli/verify-options.ts";

const HEX_PCR = "ab".repeat(48);
const AT = "2026-01-03T20:41:07.402Z";

describe("the options of redoubt verify", () => {
  const wrong: readonly (readonly string[])[] = [
    [],
    ["a", "b"],
    ["a", "--unknown"],
    ["a", "--nonce", ""],
    ["a", "--nonce", "0x01"],
    ["a", "--nonce", "00".repeat(513)],
    ["a", "--at", "2026-01-03"],
    ["a", "--at", "2026-02-30T00:00:00Z"],
    ["a", "--at", "1969-12-31T23:59:59Z"],
    ["a", "--at", "2026-01-03T20:41:07+01:00"],
    ["a", "--max-age", "-1"],
    ["a", "--max-age", "1.5"],
    ["a", "--pcr", "0"],
    ["a", "--pcr", `32=${HEX_PCR}`],
    ["a", "--pcr", `0=${HEX_PCR}00`],
    ["a", "--pcr", `0=${HEX_PCR}`, "--pcr", `00=${HEX_PCR}`],
    ["a", "--release", "x", "--release", "y"],
    ["a", "--manifest", "x", "--manifest=x"],
    ["a", "--keys=x", "--keys=y"],
    ["a", "--nonce=00", "--nonce=01"],
    ["a", "--cert", "x", "--key", "y"],
    ["http://h", "--ca", "x"],
    ["https://h", "--cert", "x"],
    ["https://h", "--at", AT],
    ["ftp://h"],
    ["https://"],
  ];
  for (const args of wrong) {
    test(`are refused: ${args.join(" ").slice(0, 60)}`, () => {
      assert.equal(parseVerifyOptions(args).ok, false);
    });
  }

  test("are taken at their limits", () => {
    const most = parseVerifyOptions([
      "https://h:9000",
      "--cert=c",
      "--key=k",
      "--ca=a",
      `--nonce=${"00".repeat(512)}`,
      `--pcr=31=${HEX_PCR}`,
      `--pcr=0=${HEX_PCR}`,
      "--allow-debug",
      "--json",
    ]);
    assert.ok(most.ok);
    assert.deepEqual([...most.value.pcrs.keys()], [31, 0]);
    assert.equal(most.value.ageMsMax, 300_000);
    const file = parseVerifyOptions(["file", "--at", "2026-01-03T20:41:07.402Z"]);
    assert.ok(file.ok);
    assert.equal(file.value.atMs, Date.parse(AT));
    assert.equal(file.value.ageMsMax, null);
  });
});
