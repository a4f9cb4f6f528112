// `redoubt state retire` for Tendermint chains where it must not retire, or not write: as a process
// against a fake admin socket. What it does is in test/integration/consensus-acts-cli.test.ts.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { encodePrefixedHex } from "../../../shared/bytes/hex.ts";
import { FakeAdmin } from "../../fakes/admin-server.ts";
import { type Run, runRedoubt } from "../../fakes/redoubt-process.ts";

const HUB = new Uint8Array(32).fill(0xa1);
const [RECORDED, BARE] = [new Uint8Array(33).fill(0x02), new Uint8Array(96).fill(0xb3)];
const CHAINS = [
  { chainId: "hub-4", keys: [HUB] },
  { chainId: "other-1", keys: [RECORDED, BARE] },
];
const FORMAT = ["--format", "filepv"];
const CHAIN = ["--chain", "other-1"];

let admin: FakeAdmin;

function retire(keys: readonly Uint8Array[], ...args: readonly string[]): Promise<Run> {
  const files = ["--proof", join(admin.folder, "p"), "--export", join(admin.folder, "e")];
  const names = keys.map((key) => encodePrefixedHex(key));
  const options = [...args, ...files, "--yes", "--admin", admin.url];
  return runRedoubt(["state", "retire", "--key", ...names, ...options]);
}

describe("redoubt state retire, for Tendermint chains", () => {
  before(async () => {
    const keys = CHAINS.flatMap((chain) => chain.keys);
    admin = new FakeAdmin({ keys, genesisValidatorsRoot: null, chains: CHAINS });
    await admin.start();
    admin.consensus.put(RECORDED, { height: 100n, round: 1, step: "prevote" });
  });

  after(() => admin.stop());

  it("wants a format, one key of the chain, and a record, before it asks the enclave", async () => {
    const rows: readonly (readonly [Promise<Run>, number, string])[] = [
      [retire([RECORDED], ...CHAIN), 2, ""],
      [retire([RECORDED], ...FORMAT), 2, ""],
      [retire([RECORDED, BARE], ...CHAIN, ...FORMAT), 1, "KEY_AMBIGUOUS"],
      [retire([HUB], ...CHAIN, ...FORMAT), 1, "INTERCHANGE_NETWORK"],
      [retire([BARE], ...CHAIN, ...FORMAT), 1, "STATE_MISSING"],
    ];
    for (const [run, code, text] of rows) {
      const { code: exitCode, error } = await run;
      assert.equal(exitCode, code, error);
      assert.match(error, new RegExp(text));
    }
    assert.deepEqual(admin.calls, []);
  });

  it("writes nothing when the enclave's answer proves nothing", async () => {
    const { code, out } = await retire([RECORDED], ...CHAIN, ...FORMAT);
    assert.deepEqual([code, out], [1, ""]);
    assert.deepEqual(admin.calls, ["consensus.retire"]);
    for (const name of ["p", "e"]) assert.equal(existsSync(join(admin.folder, name)), false);
  });
});
