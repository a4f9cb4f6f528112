// `redoubt state` for an enclave that signs for Tendermint chains, as a process against a fake
// admin socket: files of other signers in and out, floors, and what there is not.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { encodePrefixedHex } from "../../../shared/bytes/hex.ts";
import { FakeAdmin, type FakeAdminOptions } from "../../fakes/admin-server.ts";
import { type Run, runRedoubt } from "../../fakes/redoubt-process.ts";

const ED25519 = new Uint8Array(32).fill(0xa1);
const SECP256K1 = new Uint8Array(33).fill(0x02);
const BLS = new Uint8Array(96).fill(0xb3);
const KEYS = [ED25519, SECP256K1, BLS];
const HUB = { chainId: "hub-4", keys: [ED25519] };
const OTHER = { chainId: "other-1", keys: [SECP256K1, BLS] };
const STATE_AT = { height: 100n, round: 1, step: "prevote" } as const;
const JUMP = 10_000_000n;

const FILEPV = `{"height":"200","round":0,"step":3}`;
const INTERCHANGE = `{"metadata":{"interchange_format_version":"5","genesis_validators_root":"0x${"00".repeat(32)}"},"data":[]}`;

type Rig = {
  readonly admin: FakeAdmin;
  readonly state: (...args: readonly string[]) => Promise<Run>;
  /** Writes a file and answers its path. */
  readonly put: (text: string) => Promise<string>;
};

async function withRig(
  options: Partial<FakeAdminOptions>,
  run: (rig: Rig) => Promise<void>,
): Promise<void> {
  const admin = new FakeAdmin({
    keys: KEYS,
    genesisValidatorsRoot: null,
    chains: [HUB, OTHER],
    ...options,
  });
  await admin.start();
  try {
    await run({
      admin,
      state: (...args) => runRedoubt(["state", ...args, "--admin", admin.url]),
      put: async (text) => {
        const path = join(admin.folder, "state.json");
        await writeFile(path, text);
        return path;
      },
    });
  } finally {
    await admin.stop();
  }
}

const ONE_CHAIN = { keys: [ED25519], chains: [HUB] };

function name(key: Uint8Array): string {
  return encodePrefixedHex(key);
}

function lastOf(admin: FakeAdmin, key: Uint8Array) {
  const shown = admin.consensus.show([key]);
  assert.ok(shown.ok);
  return shown.value[0]?.last ?? null;
}

function assertRefused(run: Run, code: string): void {
  assert.equal(run.code, 1, run.out);
  assert.match(run.error, new RegExp(`\\b${code}\\b`));
}

describe("redoubt state show, for Tendermint chains", () => {
  it("tells each key's chain and where it stands", async () => {
    await withRig({}, async ({ admin, state }) => {
      admin.consensus.put(ED25519, STATE_AT);
      admin.consensus.put(BLS, { height: 7n, round: 0, step: "precommit" }, { isRetired: true });
      assert.equal(
        (await state("show")).out,
        [
          `${name(ED25519)} hub-4 100/1/prevote`,
          `${name(SECP256K1)} other-1 no record`,
          `${name(BLS)} other-1 retired, 7/0/precommit`,
          "keys 3\n",
        ].join("\n"),
      );
      const init = await state("init", "--key", name(SECP256K1));
      assert.equal(init.code, 0, init.error);
      const shown = await state("show", "--key", name(SECP256K1));
      assert.match(shown.out, /other-1 nothing signed\n/);
    });
  });

  it("prints JSON with the height as text and the step by its name", async () => {
    await withRig({}, async ({ admin, state }) => {
      const height = 2n ** 63n - 1n;
      admin.consensus.put(ED25519, { height, round: 0, step: "proposal" }, { seq: 4 });
      const run = await state("show", "--json", "--key", name(ED25519), name(BLS));
      const head = `0x${"00".repeat(32)}`;
      assert.deepEqual(JSON.parse(run.out), {
        keys: [
          {
            key: name(ED25519),
            chainId: "hub-4",
            hasRecord: true,
            isRetired: false,
            seq: 4,
            head,
            height: "9223372036854775807",
            round: 0,
            step: "proposal",
            reserved: null,
            root: null,
          },
          {
            key: name(BLS),
            chainId: "other-1",
            hasRecord: false,
            isRetired: false,
            seq: 0,
            head,
            height: null,
            round: null,
            step: null,
            reserved: null,
            root: null,
          },
        ],
      });
    });
  });

  it("fails for an answer with a step that there is not", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state }) => {
      admin.consensus.put(ED25519, null, { last: { height: 1n, round: 0, step: 0 } });
      assertRefused(await state("show"), "FRAME_MALFORMED");
    });
  });
});

describe("redoubt state import, for Tendermint chains", () => {
  it("raises the chain's only key, tells it before, and lowers nothing", async () => {
    await withRig({}, async ({ admin, state, put }) => {
      admin.consensus.put(ED25519, STATE_AT);
      const file = await put(FILEPV);
      const dry = await state("import", file, "--chain", "hub-4", "--dry-run");
      assert.equal(dry.code, 0, dry.error);
      const [line, end] = dry.out.split("\n");
      assert.equal(line, `${name(ED25519)} raised: hub-4 100/1/prevote -> hub-4 200/0/precommit`);
      assert.match(end ?? "", /^dry run, nothing was changed: .*raised 1/);
      assert.equal(lastOf(admin, ED25519)?.height, 100n);
      const run = await state("import", file, "--chain", "hub-4", "--json");
      assert.equal(run.code, 0, run.error);
      assert.deepEqual(lastOf(admin, ED25519), { height: 200n, round: 0, step: 3 });
      const lower = await put(`{"height":"200","round":0,"step":2}`);
      const again = await state("import", lower, "--chain", "hub-4");
      assert.match(again.out, /unchanged: hub-4 200\/0\/precommit -> hub-4 200\/0\/precommit/);
      assert.deepEqual(admin.calls, [
        "consensus.import dry",
        "consensus.import",
        "consensus.import",
      ]);
    });
  });

  it("makes the first record, also where there is one chain and none is named", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state, put }) => {
      const tmkms = await put(`{"height":"9","round":"2","step":1,"block_id":null}`);
      const run = await state("import", tmkms);
      assert.match(run.out, /created: hub-4 no record -> hub-4 9\/2\/prevote/);
      assert.deepEqual(lastOf(admin, ED25519), { height: 9n, round: 2, step: 2 });
    });
  });

  it("asks which key, which chain and which format where that is in doubt", async () => {
    await withRig({}, async ({ admin, state, put }) => {
      const file = await put(`{"height":"9","round":"2","step":1}`);
      const chain = ["--chain", "other-1"];
      assert.equal((await state("import", file, ...chain, "--key", name(BLS))).code, 1);
      const tmkms = ["--format", "tmkms"];
      assert.equal((await state("import", file, ...tmkms)).code, 2);
      assertRefused(await state("import", file, ...chain, ...tmkms), "KEY_AMBIGUOUS");
      const key = ["--key", name(BLS), ...tmkms];
      assertRefused(await state("import", file, "--chain", "hub-4", ...key), "INTERCHANGE_NETWORK");
      assertRefused(await state("import", file, "--chain", "none", ...key), "INTERCHANGE_NETWORK");
      const unknown = ["--key", `0x${"09".repeat(32)}`, ...tmkms];
      assertRefused(await state("import", file, ...chain, ...unknown), "KEY_UNKNOWN");
      assert.deepEqual(admin.calls, []);
      assert.equal((await state("import", file, ...chain, ...key)).code, 0);
      assert.deepEqual(lastOf(admin, BLS), { height: 9n, round: 2, step: 2 });
    });
  });

  it("wants a word for a height far above the record, or above none", async () => {
    for (const last of [null, STATE_AT]) {
      await withRig(ONE_CHAIN, async ({ admin, state, put }) => {
        if (last !== null) admin.consensus.put(ED25519, last);
        const limit = (last?.height ?? 0n) + JUMP;
        const over = await put(`{"height":"${limit + 1n}","round":0,"step":1}`);
        // Without a terminal nobody has confirmed.
        const refused = await state("import", over);
        assert.equal(refused.code, 1);
        assert.match(refused.error, new RegExp(`${limit + 1n}/0/proposal`));
        assert.deepEqual(admin.calls, []);
        const dry = await state("import", over, "--dry-run");
        assert.equal(dry.code, 0);
        assert.match(dry.error, new RegExp(`${limit + 1n}/0/proposal`));
        assert.equal((await state("import", over, "--yes")).code, 0);
        assert.equal(lastOf(admin, ED25519)?.height, limit + 1n);
      });
      await withRig(ONE_CHAIN, async ({ admin, state, put }) => {
        if (last !== null) admin.consensus.put(ED25519, last);
        const limit = (last?.height ?? 0n) + JUMP;
        const run = await state("import", await put(`{"height":"${limit}","round":0,"step":1}`));
        assert.equal(run.code, 0, run.error);
      });
    }
  });

  it("makes no first record of a file that says that nothing was signed", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state, put }) => {
      const file = await put(`{"height":"0","round":0,"step":0}`);
      const run = await state("import", file);
      assert.equal(run.code, 1);
      admin.consensus.put(ED25519, STATE_AT);
      const recorded = await state("import", file);
      assert.equal(recorded.code, 0);
      assert.match(recorded.out, /unchanged 1/);
      assert.deepEqual(admin.calls, []);
    });
  });

  it("fails when the enclave did not raise what it was asked to raise", async () => {
    await withRig({ ...ONE_CHAIN, forgetsImports: true }, async ({ admin, state, put }) => {
      admin.consensus.put(ED25519, STATE_AT);
      const run = await state("import", await put(FILEPV));
      assert.equal(run.code, 1);
      assert.match(run.out, /short 1$/m);
    });
  });

  it("refuses files and options of the other family", async () => {
    await withRig(ONE_CHAIN, async ({ state, put }) => {
      assertRefused(await state("import", await put(INTERCHANGE)), "CHAIN_OTHER");
      assert.equal((await state("import", await put("{}"))).code, 1);
      assert.equal((await state("import", "/nonexistent/state.json")).code, 1);
    });
    const key = new Uint8Array(48).fill(1);
    const admin = new FakeAdmin({ keys: [key], genesisValidatorsRoot: new Uint8Array(32) });
    await admin.start();
    try {
      const state = (...args: readonly string[]) =>
        runRedoubt(["state", ...args, "--admin", admin.url]);
      const file = join(admin.folder, "file.json");
      await writeFile(file, FILEPV);
      assertRefused(await state("import", file), "CHAIN_OTHER");
      await writeFile(file, INTERCHANGE);
      assert.equal((await state("import", file)).code, 0);
      assertRefused(await state("import", file, "--chain", "hub-4"), "CHAIN_OTHER");
      assertRefused(await state("import", file, "--format", "filepv"), "CHAIN_OTHER");
      assertRefused(await state("import", file, "--key", name(key)), "CHAIN_OTHER");
      assertRefused(await state("export", "-", "--format", "filepv"), "CHAIN_OTHER");
      assertRefused(await state("floor", "--all", "--height", "5"), "CHAIN_OTHER");
    } finally {
      await admin.stop();
    }
  });
});

describe("redoubt state export, for Tendermint chains", () => {
  it("writes what the same command imports again without a change", async () => {
    await withRig({}, async ({ admin, state }) => {
      admin.consensus.put(SECP256K1, STATE_AT);
      const file = join(admin.folder, "out.json");
      const chosen = ["--chain", "other-1", "--key", name(SECP256K1)];
      for (const format of ["filepv", "tmkms", "horcrux"]) {
        const run = await state("export", file, "--format", format, ...chosen, "--json");
        assert.equal(run.code, 0, run.error);
        assert.deepEqual(JSON.parse(run.out), {
          key: name(SECP256K1),
          chainId: "other-1",
          format,
          height: "100",
          round: 1,
          step: "prevote",
          isSigning: true,
        });
        assert.match(run.error, /the signer is running/);
        const again = await state("import", file, ...chosen);
        assert.match(again.out, /unchanged 1/);
        const text = await state("export", "-", "--format", format, ...chosen);
        assert.equal(text.out, await readFile(file, "utf8"));
      }
    });
  });

  it("refuses a key without a record, an enclave that is not ready, and no format", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state }) => {
      assertRefused(await state("export", "-", "--format", "filepv"), "STATE_MISSING");
      admin.consensus.put(ED25519, STATE_AT);
      assert.equal((await state("export", "-")).code, 2);
      const missing = join(admin.folder, "no/folder/out.json");
      assert.equal((await state("export", missing, "--format", "filepv")).code, 1);
    });
    await withRig({ ...ONE_CHAIN, phase: "Locked" }, async ({ admin, state }) => {
      admin.consensus.put(ED25519, STATE_AT);
      const run = await state("export", "-", "--format", "filepv");
      assertRefused(run, "PHASE_REFUSED");
      assert.equal(run.out, "");
    });
  });

  it("goes up to the end of what is reserved, where a record is written after the signature", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state }) => {
      admin.consensus.put(ED25519, STATE_AT, { reserved: 109n });
      const end = { height: "109", round: 2 ** 31 - 1, step: 3 };
      const run = await state("export", "-", "--format", "filepv");
      assert.deepEqual([run.code, JSON.parse(run.out)], [0, end]);
      assert.match((await state("show")).out, /hub-4 100\/1\/prevote, reserved up to 109/);
      admin.consensus.put(ED25519, { ...STATE_AT, height: 110n }, { reserved: 109n });
      const above = await state("export", "-", "--format", "filepv");
      assert.deepEqual(JSON.parse(above.out), { height: "110", round: 1, step: 2 });
    });
  });

  it("warns of no running signer for a key that is retired", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state }) => {
      admin.consensus.put(ED25519, STATE_AT, { isRetired: true });
      const run = await state("export", "-", "--format", "filepv");
      assert.deepEqual([run.code, run.error], [0, ""]);
    });
  });
});

describe("redoubt state floor, for Tendermint chains", () => {
  it("raises the keys of one chain, and lowers nothing", async () => {
    await withRig({}, async ({ admin, state }) => {
      admin.consensus.put(SECP256K1, STATE_AT);
      admin.consensus.put(BLS, { height: 60n, round: 0, step: "proposal" });
      const chain = ["--chain", "other-1"];
      assert.equal((await state("floor", "--all", "--height", "70")).code, 2);
      const whole = ["--height", "70"];
      assert.equal((await state("floor", "--all", ...whole, ...chain, "--dry-run")).code, 0);
      assert.equal(lastOf(admin, BLS)?.height, 60n);
      const run = await state("floor", "--all", ...whole, ...chain);
      assert.match(run.out, /raised 1, unchanged 1/);
      assert.deepEqual(lastOf(admin, BLS), { height: 70n, round: 2 ** 31 - 1, step: 3 });
      assert.deepEqual(lastOf(admin, SECP256K1), { height: 100n, round: 1, step: 2 });
      assert.equal(lastOf(admin, ED25519), null);
      const step = ["--height", "100", "--round", "1", "--step", "precommit"];
      assert.equal((await state("floor", "--key", name(SECP256K1), ...step, ...chain)).code, 0);
      assert.deepEqual(lastOf(admin, SECP256K1), { height: 100n, round: 1, step: 3 });
    });
  });

  it("wants a word for a height far above the record", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state }) => {
      const floor = ["floor", "--all", "--height", (JUMP + 1n).toString()];
      assert.equal((await state(...floor)).code, 1);
      assert.deepEqual(admin.calls, []);
      assert.equal((await state(...floor, "--yes")).code, 0);
    });
  });

  it("leaves retired keys out of all keys, and refuses one that is named", async () => {
    await withRig({}, async ({ admin, state }) => {
      admin.consensus.put(BLS, STATE_AT, { isRetired: true });
      const floor = ["--height", "700", "--chain", "other-1"];
      assertRefused(await state("floor", "--key", name(BLS), ...floor), "KEY_RETIRED");
      assert.equal((await state("floor", "--all", ...floor)).code, 0);
      assert.deepEqual(
        [lastOf(admin, BLS)?.height, lastOf(admin, SECP256K1)?.height],
        [100n, 700n],
      );
    });
  });
});

describe("redoubt state, what belongs to Ethereum alone", () => {
  it("slots and epochs are refused for a Tendermint chain, and change nothing", async () => {
    await withRig(ONE_CHAIN, async ({ admin, state }) => {
      admin.consensus.put(ED25519, STATE_AT);
      const key = ["--key", name(ED25519)];
      const order = ["--slot", "1", "--valid-minutes", "5", "--out", "/nonexistent/o"];
      assertRefused(await state("override", "draft", ...key, ...order), "CHAIN_OTHER");
      assertRefused(await state("floor", ...key, "--slot", "1"), "CHAIN_OTHER");
      assert.deepEqual(admin.calls, []);
    });
  });
});
