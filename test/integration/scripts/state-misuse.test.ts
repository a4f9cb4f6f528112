// Wrong uses of `redoubt state`: exit code 2, before anything is asked of anybody.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runRedoubt } from "../../fakes/redoubt-process.ts";

const key = `0x${"a0".repeat(48)}`;

const ROWS: readonly (readonly string[])[] = [
  [],
  ["frob"],
  ["init"],
  ["init", "--all", "--key", key],
  ["init", "--key", "0x12"],
  ["init", "--all", "stray"],
  ["show", "stray"],
  ["show", "--all"],
  ["show", "--dry-run"],
  ["import"],
  ["import", "a", "b"],
  ["import", "a", "--all"],
  ["export"],
  ["show", "--frob"],
  ["show", "--admin"],
  ["show", "--admin", "tcp://127.0.0.1:1"],
  ["show", "--admin", "unix://relative"],
  ["show", "--admin", "unix:///a", "--admin", "unix:///b"],
  ["floor", "--all"],
  ["floor", "--slot", "1"],
  ["floor", "--all", "--slot", "1", "--slot", "2"],
  ["floor", "--all", "--source", "1"],
  ["floor", "--all", "--slot", "01"],
  ["floor", "--all", "--slot", "18446744073709551616"],
  ["floor", "--all", "--slot", "1", "--height", "1"],
  ["floor", "--all", "--height", "0"],
  ["floor", "--all", "--height", "01"],
  ["floor", "--all", "--height", "9223372036854775808"],
  ["floor", "--all", "--height", "1", "--round", "0"],
  ["floor", "--all", "--height", "1", "--step", "prevote"],
  ["floor", "--all", "--round", "0", "--step", "prevote"],
  ["floor", "--all", "--height", "1", "--round", "2147483648", "--step", "prevote"],
  ["floor", "--all", "--height", "1", "--round", "0", "--step", "2"],
  ["floor", "--all", "--height", "1", "--format", "filepv"],
  ["import", "a", "--format", "frob"],
  ["import", "a", "--key", key, "--key", `0x${"a1".repeat(48)}`],
  ["export", "a", "--key", key, "--key", `0x${"a1".repeat(48)}`],
  ["export", "a", "b", "--key", key],
  ["show", "--key", `0x${"a0".repeat(31)}`],
  ["show", "--key", `0x${"a0".repeat(47)}`],
  ["retire", "--key", key, "--proof", "p.json"],
  ["retire", "--key", key, "--proof", "p.json", "--export", "p.json"],
  ["retire", "--all", "--proof", "p.json", "--export", "e.json"],
  ["proof"],
  ["proof", "p.json", "--key", key],
  ["retire", "--key", key, "--proof", "p.json", "--export", "e.json", "--format", "web3signer"],
  ["override"],
  ["override", "frob"],
  ["override", "draft", "--key", key, "--slot", "1", "--out", "o.json"],
  ["override", "draft", "--key", key, "--valid-minutes", "5", "--out", "o.json"],
  ["override", "draft", "--key", key, "--slot", "1", "--valid-minutes", "1441", "--out", "o"],
  ["override", "draft", "--key", key, "--height", "0", "--valid-minutes", "5", "--out", "o"],
  [
    "override",
    "draft",
    "--key",
    key,
    "--height",
    "5",
    "--slot",
    "1",
    "--valid-minutes",
    "5",
    "--out",
    "o",
  ],
  ["override", "sign", "o.json"],
  ["override", "apply"],
];

for (const row of ROWS) {
  test(`redoubt state ${row.join(" ").slice(0, 60)} is wrong use`, async () => {
    const { code, out, error } = await runRedoubt(["state", ...row]);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(error, /^redoubt state: .+\n$/);
  });
}
