// `redoubt state floor`, `override`, `retire` and `proof` as an operator runs them, against a
// signer that really runs: what they say, what they write, what the signer then signs.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { type Run, runRedoubt } from "../fakes/redoubt-process.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { Random } from "../simulation/random.ts";

const height = z.string().nullable();
const state = z.looseObject({
  key: z.string(),
  seq: z.number(),
  isRetired: z.boolean(),
  blockSlot: height,
  source: height,
  target: height,
});
const OPERATORS = [1, 2, 3].map(() => generateKeyPairSync("ed25519"));
const [FIRST, SECOND, RETIRED] = [0, 1, 2];

let signer: RunningSigner;
let load: HostileLoad;

function publicBytes(index: number): string {
  const der = OPERATORS[index]?.publicKey.export({ format: "der", type: "spki" });
  return encodePrefixedHex(new Uint8Array(der?.subarray(-32) ?? []));
}

function redoubtState(...args: readonly string[]): Promise<Run> {
  return runRedoubt(["state", ...args, "--admin", `unix://${signer.layout.adminSocket}`]);
}

/** What it prints as JSON. */
async function succeeds(...args: readonly string[]): Promise<unknown> {
  const { code, out, error } = await redoubtState(...args, "--json");
  assert.equal(code, 0, `${args.join(" ")}: ${error}`);
  return JSON.parse(out);
}

async function fails(code: string, ...args: readonly string[]): Promise<void> {
  const run = await redoubtState(...args);
  assert.equal(run.code, 1, `${args.join(" ")}: ${run.out}`);
  assert.match(run.error, new RegExp(`\\b${code}\\b`));
}

function keyAt(index: number): string {
  return signer.publicKeys[index] ?? "";
}

function fileOf(name: string): string {
  return join(signer.layout.folder, name);
}

async function show(index: number): Promise<z.infer<typeof state>> {
  const shown = z.strictObject({ keys: z.array(state) });
  const { keys } = shown.parse(await succeeds("show", "--key", keyAt(index)));
  assert(keys[0] !== undefined);
  return keys[0];
}

function ask(index: number, slot: number): Promise<string> {
  return load.ask({ key: keyAt(index), height: { kind: "block", slot }, salt: 1 });
}

function draft(slot: number, name: string): readonly string[] {
  const heights = ["--slot", String(slot), "--source", "0", "--target", "0"];
  return [
    "override",
    "draft",
    "--key",
    keyAt(FIRST),
    ...heights,
    "--valid-minutes",
    "5",
    "--out",
    name,
  ];
}

function signs(order: string, index: number): Promise<unknown> {
  const key = ["--operator-key", fileOf(`operator-${index}.pem`)];
  return succeeds("override", "sign", order, ...key, "--yes");
}

describe("redoubt state, the acts that bind", () => {
  before(async () => {
    signer = await RunningSigner.start({
      keyCount: 4,
      manifest: {
        override: { threshold: 2, operators: OPERATORS.map((_, at) => publicBytes(at)) },
      },
    });
    load = new HostileLoad(signer, new Random(1));
    for (const key of signer.publicKeys) await load.awaitSigned(key);
    for (const [index, { privateKey }] of OPERATORS.entries()) {
      const pem = privateKey.export({ format: "pem", type: "pkcs8" });
      writeFileSync(fileOf(`operator-${index}.pem`), pem, { mode: 0o600 });
    }
  });

  after(() => signer.stop());

  it("floor raises what is lower, tells it before, and lowers nothing", async () => {
    const slot = signer.freshSlot();
    const floor = ["floor", "--key", keyAt(SECOND), "--slot", String(slot)];
    const before = await show(SECOND);
    await succeeds(...floor, "--dry-run");
    assert.deepEqual(await show(SECOND), before);
    await succeeds(...floor);
    const raised = await show(SECOND);
    assert.equal(raised.blockSlot, String(slot));
    assert.equal(raised.seq, before.seq + 1);
    assert.equal(await ask(SECOND, slot), "GUARD_BLOCK_DOUBLE");
    assert.equal(await ask(SECOND, slot - 1), "GUARD_BLOCK_BELOW");
    await succeeds("floor", "--key", keyAt(SECOND), "--slot", String(slot - 1));
    assert.deepEqual(await show(SECOND), raised);
    await fails("FUTURE", "floor", "--all", "--slot", String(slot + 1_000_000_000));
    await fails("KEY_UNKNOWN", "floor", "--key", `0x${"8a".repeat(48)}`, "--slot", "1");
    await load.awaitSigned(keyAt(SECOND));
  });

  it("an order that too few have signed lowers nothing; one more, and it does, once", async () => {
    const order = fileOf("order.json");
    await load.awaitSigned(keyAt(FIRST));
    const { blockSlot } = await show(FIRST);
    const target = Number(blockSlot) - 50;
    const drafted = z.looseObject({ order: z.looseObject({ bootId: z.string() }) });
    const { bootId } = drafted.parse(await succeeds(...draft(target, order))).order;
    await fails("OVERRIDE_UNSIGNED", "override", "apply", order);
    // Without a terminal nobody has confirmed.
    const unconfirmed = await redoubtState(
      "override",
      "sign",
      order,
      "--operator-key",
      fileOf("operator-0.pem"),
    );
    assert.equal(unconfirmed.code, 1);
    assert.match(unconfirmed.error, /replaced by: last block at slot \d+/);
    assert.match(unconfirmed.error, new RegExp(`only in boot ${bootId} of the enclave`));
    await signs(order, 0);
    // The same operator twice is one.
    const signed = z.looseObject({ operators: z.array(z.string()) }).parse(await signs(order, 0));
    assert.deepEqual(signed.operators, [publicBytes(0)]);
    await fails("OVERRIDE_UNSIGNED", "override", "apply", order);
    await signs(order, 2);
    const lowered = state.parse(await succeeds("override", "apply", order));
    assert.equal(lowered.blockSlot, String(target));
    assert.equal(await ask(FIRST, target), "GUARD_BLOCK_DOUBLE");
    assert.equal(await ask(FIRST, target + 1), "signed");
    await fails("OVERRIDE_STATE", "override", "apply", order);
    assert.ok(
      signer
        .parentLines()
        .some(({ event, level }) => event === "state.overridden" && level === "error"),
    );
  });

  it("an order whose words were changed is signed by nobody", async () => {
    const order = fileOf("changed.json");
    await succeeds(...draft(signer.freshSlot() - 50, order));
    const text = readFileSync(order, "utf8");
    const key = ["--operator-key", fileOf("operator-0.pem"), "--yes"];
    for (const changed of [
      text.replace(/"blockSlot": "\d+"/, '"blockSlot": "999999"'),
      text.replace(/"bootId": "\w+"/, `"bootId": "0x${"00".repeat(16)}"`),
    ]) {
      assert.notEqual(changed, text);
      writeFileSync(order, changed);
      const run = await redoubtState("override", "sign", order, ...key);
      assert.deepEqual([run.code, run.out], [1, ""]);
    }
    writeFileSync(order, text);
    const other = await redoubtState("override", "sign", order, "--operator-key", order, "--yes");
    assert.equal(other.code, 1);
    assert.equal(readFileSync(order, "utf8"), text);
  });

  it("an order is refused once the enclave has booted again, and changes nothing", async () => {
    const order = fileOf("outlived.json");
    await load.awaitSigned(keyAt(FIRST));
    await succeeds(...draft(Number((await show(FIRST)).blockSlot) - 50, order));
    await signs(order, 0);
    await signs(order, 1);
    const before = await show(FIRST);
    await signer.killEnclave();
    await signer.awaitReady();
    await fails("OVERRIDE_BOOT", "override", "apply", order);
    assert.equal((await show(FIRST)).blockSlot, before.blockSlot);
    await load.awaitSigned(keyAt(FIRST));
  });

  it("retire asks first; then the key is retired for good, with a proof that anybody can check", async () => {
    const [proof, exported] = [fileOf("proof.json"), fileOf("retired.json")];
    const args = ["retire", "--key", keyAt(RETIRED), "--proof", proof, "--export", exported];
    assert.equal((await redoubtState(...args)).code, 1);
    assert.equal((await show(RETIRED)).isRetired, false);
    await succeeds(...args, "--yes");
    const last = await show(RETIRED);
    assert.equal(last.isRetired, true);
    assert.equal(await ask(RETIRED, signer.freshSlot() + 2), "KEY_RETIRED");
    const exportedText = readFileSync(exported, "utf8");
    assert.match(exportedText, new RegExp(`"slot": ?"${last.blockSlot}"`));
    // Again: the same tombstone, proved anew.
    await succeeds(...args, "--yes");
    assert.deepEqual(await show(RETIRED), last);
    assert.equal(readFileSync(exported, "utf8"), exportedText);
    await fails("KEY_RETIRED", "floor", "--key", keyAt(RETIRED), "--slot", "1");
    const heights = ["--slot", "1", "--valid-minutes", "5", "--out", fileOf("back.json")];
    await fails("KEY_RETIRED", "override", "draft", "--key", keyAt(RETIRED), ...heights);
  });

  it("all of it is in the history, and an audit finds nothing wrong with it", async () => {
    const log = fileOf("history.jsonl");
    const admin = `unix://${signer.layout.adminSocket}`;
    const exported = await runRedoubt(["audit", "export", "--out", log, "--admin", admin]);
    assert.equal(exported.code, 0, exported.error);
    const verified = await runRedoubt(["audit", "verify", log]);
    assert.deepEqual([verified.code, verified.error], [0, ""], verified.out);
  });

  it("proof holds with the root, image and manifest of this signer, and with no others", async () => {
    const proof = fileOf("proof.json");
    const { nsmRoot, manifest } = signer.layout;
    const check = (...args: readonly string[]) => runRedoubt(["state", "proof", proof, ...args]);
    const held = await check("--root", nsmRoot, "--manifest", manifest, "--json");
    assert.equal(held.code, 0, held.error);
    const report = z.looseObject({ ok: z.literal(true), notChecked: z.array(z.string()) });
    assert.deepEqual(report.parse(JSON.parse(held.out)).notChecked, ["image"]);
    assert.equal((await check()).code, 1, "AWS's root did not certify this");
    writeFileSync(fileOf("other-manifest.json"), "{}");
    const other = await check("--root", nsmRoot, "--manifest", fileOf("other-manifest.json"));
    assert.deepEqual([other.code, /ATTEST_PCR/.test(other.out)], [1, true]);
    const text = readFileSync(proof, "utf8");
    writeFileSync(proof, text.replace(/"target": "?\w+"?/, '"target": "999999"'));
    const changed = await check("--root", nsmRoot, "--manifest", manifest);
    assert.deepEqual([changed.code, /ATTEST_USER_DATA/.test(changed.out)], [1, true]);
    writeFileSync(proof, "[]");
    assert.equal((await check("--root", nsmRoot)).code, 1);
  });
});
