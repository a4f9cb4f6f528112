// `redoubt state` as a process against a signer that really runs: what it exports it imports again
// without a change, a dry run tells what an import then does, and a signer keeps to what was
// imported.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { type Run, runRedoubt } from "../fakes/redoubt-process.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { Random } from "../simulation/random.ts";

const UNKNOWN_KEY = `0x${"8a".repeat(48)}`;
/** Slots that pass while this test runs are far fewer. */
const FUTURE_SLOTS = 1_000_000_000;

type Floor = { readonly slot: number; readonly source: number; readonly target: number };

const height = z.string().nullable();
const state = z.looseObject({
  key: z.string(),
  hasRecord: z.boolean(),
  seq: z.number(),
  blockSlot: height,
  source: height,
  target: height,
});
const showReport = z.strictObject({ keys: z.array(state) });
const importReport = z.strictObject({
  dryRun: z.boolean(),
  counts: z.record(z.string(), z.number()),
  keys: z.array(
    z.strictObject({
      key: z.string(),
      result: z.string(),
      before: state.nullable(),
      after: state.nullable(),
    }),
  ),
});

let signer: RunningSigner;
let load: HostileLoad;
let imported: Floor;

function redoubtState(...args: readonly string[]): Promise<Run> {
  return runRedoubt(["state", ...args, "--admin", `unix://${signer.layout.adminSocket}`]);
}

async function succeeds(...args: readonly string[]): Promise<string> {
  const { code, out, error } = await redoubtState(...args);
  assert.equal(code, 0, `${args.join(" ")}: ${error}`);
  return out;
}

async function fails(code: string, ...args: readonly string[]): Promise<void> {
  const run = await redoubtState(...args);
  assert.equal(run.code, 1, `${args.join(" ")}: ${run.out}`);
  assert.match(run.error, new RegExp(`\\b${code}\\b`));
}

async function show() {
  return showReport.parse(JSON.parse(await succeeds("show", "--json"))).keys;
}

async function importFile(file: string, ...args: readonly string[]) {
  const out = await succeeds("import", file, "--json", ...args);
  return importReport.parse(JSON.parse(out));
}

function keyAt(index: number): string {
  const key = signer.publicKeys[index];
  assert(key !== undefined);
  return key;
}

function fileOf(name: string): string {
  return join(signer.layout.folder, name);
}

/** A block at this slot, and a vote in its epoch. */
function floorAt(slot: number): Floor {
  const target = Math.floor(slot / Number(signer.network.slotsPerEpoch));
  return { slot, source: target - 1, target };
}

function writeInterchange(
  name: string,
  keys: readonly string[],
  floor: Floor,
  rootOf = (root: string) => root,
): string {
  const { genesisValidatorsRoot } = signer.requestNetwork(0);
  const document = {
    metadata: {
      interchange_format_version: "5",
      genesis_validators_root: rootOf(genesisValidatorsRoot),
    },
    data: keys.map((pubkey) => ({
      pubkey,
      signed_blocks: [{ slot: String(floor.slot) }],
      signed_attestations: [
        { source_epoch: String(floor.source), target_epoch: String(floor.target) },
      ],
    })),
  };
  const file = fileOf(name);
  writeFileSync(file, JSON.stringify(document));
  return file;
}

function otherRoot(root: string): string {
  return root.replace(/.$/, "1");
}

function askBlock(key: string, slot: number) {
  return load.ask({ key, height: { kind: "block", slot }, salt: 0 });
}

function askVote(key: string, source: number, target: number) {
  return load.ask({ key, height: { kind: "vote", source, target }, salt: 0 });
}

describe("redoubt state against a running signer", () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: 4, hasNoRecords: true });
    load = new HostileLoad(signer, new Random(1));
  });

  after(async () => {
    await signer.stop();
  });

  it("init and import make first records, and init leaves those that are there alone", async () => {
    assert.deepEqual(
      (await show()).map(({ hasRecord }) => hasRecord),
      [false, false, false, false],
    );
    assert.equal(await askBlock(keyAt(1), signer.freshSlot()), "STATE_MISSING");
    const empty = fileOf("empty.json");
    const exported = await redoubtState("export", empty, "--json");
    assert.deepEqual(JSON.parse(exported.out), { exported: 0, missing: 4, isSigning: true });
    const one = await succeeds("init", "--key", keyAt(0), "--json");
    assert.deepEqual(JSON.parse(one), { created: 1, existing: 0 });
    await load.awaitSigned(keyAt(0));
    const file = writeInterchange("first.json", [keyAt(3)], floorAt(signer.freshSlot()));
    const { counts } = await importFile(file);
    assert.deepEqual(counts, { created: 1, raised: 0, unchanged: 0, unknown: 0, short: 0 });
    const before = await show();
    const all = await succeeds("init", "--all", "--json");
    assert.deepEqual(JSON.parse(all), { created: 2, existing: 2 });
    const states = await show();
    assert.ok(states.every(({ hasRecord }) => hasRecord));
    for (const index of [0, 3]) {
      const isKey = ({ key }: { readonly key: string }) => key === keyAt(index);
      assert.deepEqual(states.find(isKey), before.find(isKey));
    }
    await fails("KEY_UNKNOWN", "init", "--key", UNKNOWN_KEY);
  });

  it("export is what was signed, and importing it again changes nothing", async () => {
    for (const key of signer.publicKeys) {
      await load.awaitSigned(key);
      await awaitVote(key);
    }
    const before = await show();
    const file = fileOf("export.json");
    const report = JSON.parse(await succeeds("export", file, "--json")) as unknown;
    assert.deepEqual(report, { exported: 4, missing: 0, isSigning: true });
    assertExport(file);
    for (const args of [["--dry-run"], []]) {
      const { dryRun, counts } = await importFile(file, ...args);
      assert.equal(dryRun, args.length > 0);
      assert.deepEqual(counts, { created: 0, raised: 0, unchanged: 4, unknown: 0, short: 0 });
    }
    assert.deepEqual(await show(), before);
    assert.equal(await succeeds("export", "-"), readFileSync(file, "utf8"));
  });

  it("import refuses the file of another network, and changes nothing", async () => {
    const before = await show();
    const floor = floorAt(signer.freshSlot());
    const file = writeInterchange("other.json", [keyAt(2)], floor, otherRoot);
    await fails("INTERCHANGE_NETWORK", "import", file);
    await fails("INTERCHANGE_NETWORK", "import", file, "--dry-run");
    assert.deepEqual(await show(), before);
  });

  it("import refuses a file from the future whole, and changes nothing", async () => {
    const before = await show();
    const floor = floorAt(signer.freshSlot() + FUTURE_SLOTS);
    const file = writeInterchange("future.json", [keyAt(2)], floor);
    await fails("FUTURE", "import", file);
    await fails("FUTURE", "import", file, "--dry-run");
    assert.deepEqual(await show(), before);
  });

  it("a dry run tells what the import then does, and changes nothing itself", async () => {
    const before = await show();
    imported = floorAt(signer.freshSlot());
    const file = writeInterchange("raise.json", [keyAt(2), UNKNOWN_KEY], imported);
    const dry = await importFile(file, "--dry-run");
    assert.deepEqual(dry.counts, { created: 0, raised: 1, unchanged: 0, unknown: 1, short: 0 });
    assert.deepEqual(await show(), before);
    const done = await importFile(file);
    assert.deepEqual(done.counts, dry.counts);
    const heightsOf = ({ after: now }: (typeof done.keys)[number]) =>
      now === null ? null : [now.key, now.blockSlot, now.source, now.target];
    assert.deepEqual(done.keys.map(heightsOf), dry.keys.map(heightsOf));
    const [unknown, raised] = done.keys;
    assert.deepEqual(
      [unknown?.key, unknown?.result, raised?.key, raised?.result],
      [UNKNOWN_KEY, "unknown", keyAt(2), "raised"],
    );
    const shown = (await show()).find(({ key }) => key === keyAt(2));
    assert.deepEqual(shown, raised?.after);
    const { blockSlot, source, target } = shown ?? {};
    assert.deepEqual(
      [blockSlot, source, target],
      [imported.slot, imported.source, imported.target].map(String),
    );
  });

  it("the signer keeps to what was imported, and signs what comes after it", async () => {
    const assertKept = async () => {
      const { slot, source, target } = imported;
      assert.equal(await askBlock(keyAt(2), slot), "GUARD_BLOCK_DOUBLE");
      assert.equal(await askBlock(keyAt(2), slot - 1), "GUARD_BLOCK_BELOW");
      assert.equal(await askVote(keyAt(2), source, target), "GUARD_VOTE_DOUBLE");
      assert.equal(await askVote(keyAt(2), source - 1, target + 1), "GUARD_VOTE_SOURCE_BELOW");
    };
    await assertKept();
    const again = await importFile(fileOf("raise.json"));
    assert.deepEqual(again.counts, { created: 0, raised: 0, unchanged: 1, unknown: 1, short: 0 });
    // An older file never lowers a floor.
    const older = await importFile(fileOf("export.json"));
    assert.equal(older.counts["unchanged"], 4);
    await assertKept();
    await load.awaitSigned(keyAt(2));
    await awaitVote(keyAt(2));
    load.check();
    assert.ok(load.verifySignatures());
  });
});

async function awaitVote(key: string): Promise<void> {
  for (let outcome = ""; outcome !== "signed"; ) {
    const { source, target } = floorAt(signer.freshSlot());
    outcome = await askVote(key, source, target);
    assert.ok(["signed", "GUARD_BOOT_FLOOR"].includes(outcome), outcome);
  }
}

/** The file has all keys, and says what was last released for each. */
function assertExport(file: string): void {
  const signed = z.looseObject({ signing_root: z.string() });
  const document = z
    .looseObject({
      data: z.array(
        z.strictObject({
          pubkey: z.string(),
          signed_blocks: z.array(signed),
          signed_attestations: z.array(signed),
        }),
      ),
    })
    .parse(JSON.parse(readFileSync(file, "utf8")));
  assert.deepEqual(
    document.data.map(({ pubkey }) => pubkey),
    signer.publicKeys,
  );
  for (const { pubkey, signed_blocks, signed_attestations } of document.data) {
    const released = load.releases.filter(({ key }) => key === pubkey);
    const rootOf = (kind: "block" | "attestation") => {
      const last = released.findLast(({ claim }) => claim.kind === kind);
      return last === undefined ? [] : [encodePrefixedHex(last.signingRoot)];
    };
    assert.deepEqual(
      signed_blocks.map(({ signing_root }) => signing_root),
      rootOf("block"),
    );
    assert.deepEqual(
      signed_attestations.map(({ signing_root }) => signing_root),
      rootOf("attestation"),
    );
  }
}
