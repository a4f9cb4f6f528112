import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePolicyOptions } from "../../../../scripts/cli/policy-options.ts";
import { ACCOUNT, ADMIN, FOREIGNER, ROLE, SEALER } from "../../../fakes/key-policy.ts";

const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/00000000-0000-0000-0000-000000000000`;
const HEX = "ab".repeat(48);
const WHO = ["--account", ACCOUNT, "--role", ROLE, "--sealer", SEALER, "--admin", ADMIN];

/** The right options with one replaced. */
function replaced(option: string, value: string): readonly string[] {
  const at = WHO.indexOf(option);
  return [...WHO.slice(0, at + 1), value, ...WHO.slice(at + 2)];
}

function without(option: string): readonly string[] {
  const at = WHO.indexOf(option);
  return [...WHO.slice(0, at), ...WHO.slice(at + 2)];
}

const CHINA = "arn:aws-cn:iam::111122223333:role/x";

describe("the options of redoubt policy", () => {
  const wrong: readonly (readonly string[])[] = [
    [],
    without("--account"),
    without("--role"),
    without("--sealer"),
    without("--admin"),
    replaced("--account", "11112222333"),
    replaced("--account", "1111222233334"),
    replaced("--account", "444455556666"),
    replaced("--role", `arn:aws:iam::${ACCOUNT}:root`),
    replaced("--role", `arn:aws:iam::${ACCOUNT}:user/somebody`),
    replaced("--role", `arn:aws:iam::${ACCOUNT}:role/*`),
    replaced("--role", `arn:aws:iam::${ACCOUNT}:role/`),
    replaced("--role", `arn:aws:sts::${ACCOUNT}:assumed-role/redoubt/i-0`),
    replaced("--role", `${ROLE} `),
    replaced("--role", ROLE.padEnd(257, "x")),
    replaced("--role", CHINA),
    replaced("--sealer", "*"),
    replaced("--sealer", ROLE),
    replaced("--sealer", ADMIN.toUpperCase().replace(/^[^/]+/, ADMIN.split("/")[0] ?? "")),
    replaced("--admin", `arn:aws:iam::${ACCOUNT}:root`),
    replaced("--admin", ROLE),
    replaced("--admin", FOREIGNER),
    [...WHO, "--role", ROLE],
    [...WHO, "--account", ACCOUNT],
    [...WHO, "--sealer", SEALER],
    [...WHO, ...Array.from({ length: 8 }, (_, index) => [`--sealer`, `${SEALER}${index}`]).flat()],
    [...WHO, "file"],
    [...WHO, "--unknown"],
    [...WHO, "--key-arn", "alias/redoubt"],
    [...WHO, "--key-arn", KEY.replace(ACCOUNT, "444455556666")],
    [...WHO, "--key-arn", KEY.replace(/key\/.*/, `key/mrk-${"0".repeat(32)}`)],
    [...WHO, "--key-arn", KEY.replace("arn:aws:", "arn:aws-cn:").replace("eu-central", "cn-north")],
    [...WHO, "--key-arn", KEY, "--key-arn", KEY],
    [...WHO, "--pcr", "0"],
    [...WHO, "--pcr", `00=${HEX}`],
    [...WHO, "--pcr", `0=${HEX}00`],
    [...WHO, "--pcr", `0=0x${HEX}`],
    [...WHO, "--pcr", `0=${"00".repeat(48)}`],
    [...WHO, "--pcr", `16=${"00".repeat(48)}`],
    [...WHO, "--pcr", `5=${HEX}`],
    [...WHO, "--pcr", `17=${HEX}`],
    [...WHO, "--pcr", `0=${HEX}`, "--pcr", `0=${HEX.toUpperCase()}`],
    [...WHO, "--pcr", `3=${HEX}`, "--role-pcr3"],
    ["lint"],
    ["lint", "a", "b"],
    ["lint", "a", "--account", ACCOUNT],
  ];
  for (const args of wrong) {
    it(`are refused: ${args.join(" ").slice(0, 30)} … ${args.join(" ").slice(-60)}`, () => {
      assert.equal(parsePolicyOptions(args).ok, false);
    });
  }

  it("are taken at their limits", () => {
    const many = Array.from({ length: 7 }, (_, index) => ["--sealer", `${SEALER}${index}`]).flat();
    const values = [`0=${HEX}`, `0=${"cd".repeat(48)}`, `16=${HEX}`, `8=${HEX}`];
    const most = parsePolicyOptions([
      ...WHO,
      ...many,
      `--admin=arn:aws:iam::${ACCOUNT}:user/path/of/somebody@example.com`,
      `--key-arn=${KEY}`,
      ...values.map((value) => `--pcr=${value}`),
      "--role-pcr3",
      "--json",
      "--manifest=a",
      "--manifest=b",
      "--eif-json=c",
      "--release=d",
    ]);
    assert.ok(most.ok && most.value.kind === "build");
    assert.equal(most.value.sealerArns.length, 8);
    assert.equal(most.value.adminArns.length, 2);
    assert.deepEqual([...most.value.pcrs.keys()], [0, 16, 8]);
    assert.equal(most.value.pcrs.get(0)?.length, 2);
    assert.deepEqual(most.value.manifestPaths, ["a", "b"]);
    assert.deepEqual([most.value.eifPaths, most.value.releasePaths], [["c"], ["d"]]);
    assert.equal(most.value.pinsRole, true);
    assert.equal(most.value.keyArn?.text, KEY);
  });

  it("let the parent and the sealers be of another account than the key", () => {
    assert.equal(parsePolicyOptions(replaced("--role", FOREIGNER)).ok, true);
    assert.equal(parsePolicyOptions(replaced("--sealer", FOREIGNER)).ok, true);
  });

  it("name the file to lint", () => {
    const lint = parsePolicyOptions(["lint", "policy.json", "--json"]);
    assert.deepEqual(lint, {
      ok: true,
      value: { kind: "lint", path: "policy.json", isJson: true },
    });
  });
});
