// `redoubt state retire`, `proof` and `override` for a Tendermint chain as an operator runs them:
// the commands as processes, over the parent's admin socket, against a whole enclave.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { chainScope } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { ConsensusRig, chainsOf, VALIDATOR } from "../fakes/consensus-rig.ts";
import { EnclaveAdmin } from "../fakes/enclave-admin.ts";
import { nsmRoot, TestClock } from "../fakes/local-enclave.ts";
import { MemoryStore } from "../fakes/memory-store.ts";
import { Operator } from "../fakes/operator.ts";
import { CHAIN, voteRequest } from "../fakes/privval-node.ts";
import { type Run, runRedoubt } from "../fakes/redoubt-process.ts";

const OPERATORS = [new Operator(), new Operator(), new Operator()];
const KEY = encodePrefixedHex(VALIDATOR.publicKey);
const state = z.looseObject({
  key: z.literal(KEY),
  chainId: z.literal(CHAIN),
  seq: z.number(),
  isRetired: z.boolean(),
  height: z.string().nullable(),
  round: z.number().nullable(),
  step: z.string().nullable(),
});

let rig: ConsensusRig;
let admin: EnclaveAdmin;

function fileOf(name: string): string {
  return join(admin.folder, name);
}

function redoubtState(...args: readonly string[]): Promise<Run> {
  return runRedoubt(["state", ...args, "--admin", `unix://${admin.socket}`]);
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

async function show(): Promise<z.infer<typeof state>> {
  const shown = z.strictObject({ keys: z.array(state) }).parse(await succeeds("show"));
  assert(shown.keys[0] !== undefined);
  return shown.keys[0];
}

async function ask(height: number): Promise<string> {
  const answer = await rig.askFor("vote", voteRequest({ 2: height }));
  return typeof answer === "string" ? answer : "signed";
}

function draft(height: number, name: string): readonly string[] {
  const place = ["--height", String(height), "--round", "0", "--step", "prevote"];
  return ["override", "draft", "--key", KEY, ...place, "--valid-minutes", "5", "--out", name];
}

function signs(order: string, index: number): Promise<unknown> {
  const key = ["--operator-key", fileOf(`operator-${index}.pem`)];
  return succeeds("override", "sign", order, ...key, "--yes");
}

describe("redoubt state, the acts that bind, for a Tendermint chain", () => {
  before(async () => {
    const override = {
      threshold: 2,
      operators: OPERATORS.map(({ publicKey }) => encodePrefixedHex(publicKey)),
    };
    // An order expires by the clock of whoever drafts it.
    const clock = new TestClock(Date.now());
    rig = new ConsensusRig(new MemoryStore(), { ...chainsOf(), override }, { clock });
    await rig.serve(VALIDATOR);
    const logged = { scope: chainScope(CHAIN), key: VALIDATOR.publicKey };
    admin = await EnclaveAdmin.start(rig, logged);
    for (const [index, operator] of OPERATORS.entries()) {
      writeFileSync(fileOf(`operator-${index}.pem`), operator.pem(), { mode: 0o600 });
    }
    writeFileSync(fileOf("manifest.json"), rig.manifest);
    writeFileSync(fileOf("root.pem"), new X509Certificate(nsmRoot.der).toString());
  });

  after(async () => {
    admin.stop();
    await rig.enclave.close();
  });

  it("an order that too few have signed lowers nothing; one more, and it does, once", async () => {
    assert.equal(await ask(100), "signed");
    assert.equal(await ask(60), "GUARD_HEIGHT_BELOW");
    const order = fileOf("order.json");
    const drafted = z.looseObject({ order: z.looseObject({ bootId: z.string() }) });
    const { bootId } = drafted.parse(await succeeds(...draft(50, order))).order;
    await fails("OVERRIDE_UNSIGNED", "override", "apply", order);
    const key = ["--operator-key", fileOf("operator-0.pem")];
    // Without a terminal nobody has confirmed.
    const unconfirmed = await redoubtState("override", "sign", order, ...key);
    assert.equal(unconfirmed.code, 1);
    assert.match(unconfirmed.error, new RegExp(`of chain ${CHAIN},`));
    assert.match(unconfirmed.error, /replaced by: last signed at 50\/0\/prevote/);
    assert.match(unconfirmed.error, new RegExp(`only in boot ${bootId} of the enclave`));
    await signs(order, 0);
    await fails("OVERRIDE_UNSIGNED", "override", "apply", order);
    await signs(order, 2);
    const lowered = state.parse(await succeeds("override", "apply", order));
    assert.deepEqual([lowered.height, lowered.round, lowered.step], ["50", 0, "prevote"]);
    assert.equal(await ask(49), "GUARD_HEIGHT_BELOW");
    assert.equal(await ask(60), "signed");
    await fails("OVERRIDE_STATE", "override", "apply", order);
    const told = admin.log.lines.filter(({ event }) => event === "state.overridden");
    const fields = { key: KEY, chain: CHAIN, position: "50/0/2" };
    assert.deepEqual(told, [{ level: "error", event: "state.overridden", fields }]);
  });

  it("an order whose words were changed is signed by nobody", async () => {
    const order = fileOf("changed.json");
    await succeeds(...draft(50, order));
    const text = readFileSync(order, "utf8");
    const key = ["--operator-key", fileOf("operator-0.pem"), "--yes"];
    for (const changed of [
      text.replace(/"height": "50"/, '"height": "40"'),
      text.replace(/"step": "prevote"/, '"step": "proposal"'),
      text.replace(`"chainId": "${CHAIN}"`, '"chainId": "other-1"'),
      text.replace(/"height": "50",/, '"height": "50", "blockSlot": "50",'),
    ]) {
      assert.notEqual(changed, text);
      writeFileSync(order, changed);
      const run = await redoubtState("override", "sign", order, ...key);
      assert.deepEqual([run.code, run.out], [1, ""]);
    }
  });

  it("a draft needs a height, and takes none of Ethereum's", async () => {
    const rest = ["--valid-minutes", "5", "--out", fileOf("none.json")];
    const slot = ["override", "draft", "--key", KEY, "--slot", "1", ...rest];
    await fails("CHAIN_OTHER", ...slot);
    assert.equal((await redoubtState(...slot, "--height", "1")).code, 2);
    assert.equal((await redoubtState("override", "draft", "--key", KEY, ...rest)).code, 2);
  });

  it("retire asks first; then the key is retired for good, and the file is for the other signer", async () => {
    const [proof, exported] = [fileOf("proof.json"), fileOf("retired.json")];
    const files = ["--proof", proof, "--export", exported];
    const args = ["retire", "--key", KEY, ...files, "--format", "tmkms"];
    assert.equal((await redoubtState("retire", "--key", KEY, ...files)).code, 2);
    assert.equal((await redoubtState(...args)).code, 1);
    assert.equal((await show()).isRetired, false);
    const retired = z.strictObject({ retired: z.array(state) });
    const [told] = retired.parse(await succeeds(...args, "--yes")).retired;
    const last = await show();
    assert.deepEqual(told, last);
    assert.deepEqual(
      [last.isRetired, last.height, last.round, last.step],
      [true, "60", 7, "precommit"],
    );
    assert.equal(await ask(61), "KEY_RETIRED");
    const file = z.looseObject({ height: z.string(), round: z.string(), step: z.number() });
    const { height, round, step } = file.parse(JSON.parse(readFileSync(exported, "utf8")));
    assert.deepEqual([height, round, step], ["60", "7", 2]);
    // Again: the same tombstone, proved anew.
    await succeeds(...args, "--yes");
    assert.deepEqual(await show(), last);
    await fails("KEY_RETIRED", "floor", "--key", KEY, "--height", "70");
    await fails("KEY_RETIRED", ...draft(50, fileOf("back.json")));
    const events = admin.log.lines.filter(({ event }) => event === "state.retired");
    assert.deepEqual(
      events.map(({ fields }) => fields),
      [1, 2].map(() => ({ key: KEY, chain: CHAIN, position: "60/7/3" })),
    );
  });

  it("proof holds with the root and manifest of this signer, with no others, and for no other words", async () => {
    const proof = fileOf("proof.json");
    const root = ["--root", fileOf("root.pem")];
    const check = (...args: readonly string[]) => runRedoubt(["state", "proof", proof, ...args]);
    const held = await check(...root, "--manifest", fileOf("manifest.json"), "--json");
    assert.equal(held.code, 0, held.error);
    const report = z.looseObject({ ok: z.literal(true), notChecked: z.array(z.string()) });
    assert.deepEqual(report.parse(JSON.parse(held.out)).notChecked, ["image"]);
    assert.match((await check(...root)).out, new RegExp(`${CHAIN} 60/7/precommit`));
    assert.equal((await check()).code, 1, "AWS's root did not certify this");
    writeFileSync(fileOf("other-manifest.json"), "{}");
    const other = await check(...root, "--manifest", fileOf("other-manifest.json"));
    assert.deepEqual([other.code, /ATTEST_PCR/.test(other.out)], [1, true]);
    const text = readFileSync(proof, "utf8");
    for (const changed of [
      text.replace('"height": "60"', '"height": "59"'),
      text.replace(`"chainId": "${CHAIN}"`, '"chainId": "other-1"'),
      text.replace('"step": "precommit"', '"step": null'),
    ]) {
      assert.notEqual(changed, text);
      writeFileSync(proof, changed);
      const run = await check(...root);
      assert.deepEqual([run.code, /ATTEST_USER_DATA/.test(run.out)], [1, true]);
    }
    writeFileSync(proof, text);
  });

  it("all of it is in the history, and an audit finds nothing wrong with it", async () => {
    const log = fileOf("history.jsonl");
    const from = ["--admin", `unix://${admin.socket}`];
    const exported = await runRedoubt(["audit", "export", "--out", log, ...from]);
    assert.equal(exported.code, 0, exported.error);
    const verified = await runRedoubt(["audit", "verify", log]);
    assert.deepEqual([verified.code, verified.error], [0, ""], verified.out);
  });
});
