import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "smol-toml";
import { RIVALS, type RivalName } from "../../../../scripts/bench/rival.ts";

const ADDRESS = "tcp://127.0.0.1:26659";
const NAMES = Object.keys(RIVALS) as readonly RivalName[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a literal table
const FILES: Readonly<Record<RivalName, string>> = {
  tmkms: "tmkms.toml",
  horcrux: "config.yaml",
  "cosmos-kms": "kms.yaml",
};

for (const name of NAMES) {
  test(`${name} is configured for one node, with its state in its own folder`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "redoubt-rival-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const keyFile = join(folder, "priv_validator_key.json");
    writeFileSync(keyFile, "{}");
    const identityFile = join(folder, "kms-identity.key");
    const args = RIVALS[name].prepare({ folder, address: ADDRESS, keyFile, identityFile });
    assert.equal(args[0], "start");
    const text = readFileSync(join(folder, FILES[name]), "utf8");
    assert.equal(text.split(ADDRESS).length, 2);
    if (name === "tmkms") assert.equal(typeof parse(text)["providers"], "object");
    else assert(existsSync(join(folder, "state")));
  });
}
