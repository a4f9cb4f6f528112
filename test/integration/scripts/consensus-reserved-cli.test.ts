// `redoubt state` for a key of a Tendermint chain whose heights are reserved, as a process against
// a
// fake admin socket: what was signed there may have no record yet.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import type { Position } from "../../../enclave/core/chains/tendermint/position.ts";
import { parseSignerState, type StateFormat } from "../../../scripts/cli/signer-state.ts";
import { encodePrefixedHex } from "../../../shared/bytes/hex.ts";
import { FakeAdmin } from "../../fakes/admin-server.ts";
import { type Run, runRedoubt } from "../../fakes/redoubt-process.ts";

const KEY = new Uint8Array(32).fill(0xa1);
const NAME = encodePrefixedHex(KEY);
const ROUND_LAST = 2 ** 31 - 1;
const LAST: Position = { height: 100n, round: 1, step: "prevote" };
const END: Position = { height: 109n, round: ROUND_LAST, step: "precommit" };

const stateSchema = z.object({ height: z.string().nullable(), reserved: z.string().nullable() });
const shownSchema = z.object({ keys: z.array(stateSchema) });
const raisedSchema = z.object({
  keys: z.array(z.object({ before: stateSchema, after: stateSchema })),
});
const exportedSchema = z.object({
  height: z.string(),
  round: z.union([z.number(), z.string()]),
  step: z.union([z.number(), z.string()]),
});

type Rig = {
  readonly admin: FakeAdmin;
  readonly state: (...args: readonly string[]) => Promise<Run>;
};

/** With heights reserved up to 109. */
async function withRig(run: (rig: Rig) => Promise<void>): Promise<void> {
  const chains = [{ chainId: "hub-4", keys: [KEY] }];
  const admin = new FakeAdmin({ keys: [KEY], genesisValidatorsRoot: null, chains });
  await admin.start();
  try {
    admin.consensus.put(KEY, LAST, { reserved: 109n });
    await run({
      admin,
      state: (...args) => runRedoubt(["state", ...args, "--admin", admin.url]),
    });
  } finally {
    await admin.stop();
  }
}

function positionIn(text: string, format: StateFormat): Position | null {
  const parsed = parseSignerState(new TextEncoder().encode(text), format);
  assert(parsed.ok);
  return parsed.value.position;
}

describe("redoubt state show, with reserved heights", () => {
  it("says up to which height, beside what was signed", async () => {
    await withRig(async ({ admin, state }) => {
      const shown = await state("show");
      assert.equal(shown.out, `${NAME} hub-4 100/1/prevote, reserved up to 109\nkeys 1\n`);
      admin.consensus.put(KEY, null, { reserved: 2n ** 63n - 1n });
      const first = await state("show");
      assert.match(first.out, /hub-4 nothing signed, reserved up to 9223372036854775807\n/);
      const { keys } = shownSchema.parse(JSON.parse((await state("show", "--json")).out));
      assert.deepEqual(keys, [{ height: null, reserved: "9223372036854775807" }]);
    });
  });
});

describe("redoubt state export, with reserved heights", () => {
  it("states their end in each format, as numbers of that format, and says why", async () => {
    await withRig(async ({ state }) => {
      const documents = {
        filepv: { height: "109", round: ROUND_LAST, step: 3 },
        tmkms: { height: "109", round: `${ROUND_LAST}`, step: 2 },
        horcrux: { height: "109", round: `${ROUND_LAST}`, step: 3 },
      };
      for (const format of ["filepv", "tmkms", "horcrux"] as const) {
        const run = await state("export", "-", "--format", format);
        assert.equal(run.code, 0, run.error);
        assert.deepEqual(exportedSchema.parse(JSON.parse(run.out)), documents[format]);
        assert.deepEqual(positionIn(run.out, format), END);
        assert.match(run.error, /reserved/);
        assert.match(run.error, /upgrade.*state retire/);
      }
    });
  });

  it("says in JSON what the file says", async () => {
    await withRig(async ({ admin, state }) => {
      const out = join(admin.folder, "out.json");
      const run = await state("export", out, "--format", "filepv", "--json");
      const said = exportedSchema.parse(JSON.parse(run.out));
      assert.deepEqual(said, { height: "109", round: ROUND_LAST, step: "precommit" });
    });
  });

  it("states the last step where it is not below that end, and the end where it is by a step", async () => {
    await withRig(async ({ admin, state }) => {
      for (const [last, expected, isNoted] of [
        [{ ...END, step: "prevote" }, END, true],
        [END, END, false],
        [
          { height: 110n, round: 0, step: "proposal" },
          { height: 110n, round: 0, step: "proposal" },
          false,
        ],
        [null, END, true],
      ] as const) {
        admin.consensus.put(KEY, last, { reserved: 109n });
        const run = await state("export", "-", "--format", "horcrux");
        assert.deepEqual(positionIn(run.out, "horcrux"), expected);
        assert.equal(run.error.includes("reserved"), isNoted);
      }
      admin.consensus.put(KEY, LAST, { reserved: null });
      const run = await state("export", "-", "--format", "horcrux");
      assert.deepEqual(positionIn(run.out, "horcrux"), LAST);
      assert.doesNotMatch(run.error, /reserved/);
    });
  });

  it("counts what another boot has reserved of a retired key, and offers no way around it", async () => {
    await withRig(async ({ admin, state }) => {
      admin.consensus.put(KEY, LAST, { reserved: 109n, isRetired: true });
      const run = await state("export", "-", "--format", "filepv");
      assert.deepEqual(positionIn(run.out, "filepv"), END);
      assert.match(run.error, /reserved/);
      assert.doesNotMatch(run.error, /upgrade/);
    });
  });
});

describe("redoubt state import and floor, with reserved heights", () => {
  it("tell that they stay reserved, before and afterwards", async () => {
    await withRig(async ({ admin, state }) => {
      const floor = ["floor", "--key", NAME, "--height", "104"];
      const dry = await state(...floor, "--dry-run");
      assert.equal(dry.code, 0, dry.error);
      const before = "hub-4 100/1/prevote, reserved up to 109";
      const after = `hub-4 104/${ROUND_LAST}/precommit, reserved up to 109`;
      assert.equal(dry.out.split("\n")[0], `${NAME} raised: ${before} -> ${after}`);
      const { keys } = raisedSchema.parse(JSON.parse((await state(...floor, "--json")).out));
      const reserved = "109";
      const raised = { before: { height: "100", reserved }, after: { height: "104", reserved } };
      assert.deepEqual(keys, [raised]);
      const file = join(admin.folder, "state.json");
      await writeFile(file, `{"height":"103","round":0,"step":3}`);
      const lower = await state("import", file, "--dry-run");
      assert.equal(lower.out.split("\n")[0], `${NAME} unchanged: ${after} -> ${after}`);
    });
  });
});
