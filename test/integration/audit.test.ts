// The history of a real signer: exported from the running parent and from its file, and whole.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runAudit } from "../../scripts/cli/audit.ts";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { Random } from "../simulation/random.ts";

const LOAD_MS = 1000;
let signer: RunningSigner;

function pathOf(name: string): string {
  return join(signer.layout.folder, name);
}

async function run(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runAudit(args);
  assert.equal(exitCode, 0, `${stdout}${stderr}`);
  return stdout;
}

describe("the history of a signer under load", () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: 3 });
    const load = new HostileLoad(signer, new Random(1));
    for (const key of signer.publicKeys) await load.awaitSigned(key);
    load.start(4);
    await new Promise((settle) => setTimeout(settle, LOAD_MS));
    await load.stop();
  });

  after(() => signer.stop());

  it("is exported while the parent runs, and replays without a finding", async () => {
    const out = pathOf("running.jsonl");
    const admin = `unix://${signer.layout.adminSocket}`;
    assert.match(await run("export", "--out", out, "--admin", admin), /^exported [1-9]/);
    const verified = JSON.parse(await run("verify", "--json", out)) as Record<string, unknown>; // oxlint-disable-line typescript/no-unsafe-type-assertion -- fields are compared
    assert.equal(verified["keys"], 3);
    assert.equal(verified["heads"], 3);
    assert.equal(verified["unheaded"], 0);
    assert((verified["receipts"] as number) > 6); // oxlint-disable-line typescript/no-unsafe-type-assertion -- compared
  });

  it("is not written over a file that is there, nor without a parent", async () => {
    const out = pathOf("taken.jsonl.tmp");
    writeFileSync(out, "");
    const admin = `unix://${signer.layout.adminSocket}`;
    const taken = await runAudit(["export", "--out", pathOf("taken.jsonl"), "--admin", admin]);
    assert.equal(taken.exitCode, 1);
    const nowhere = `unix://${pathOf("nobody.sock")}`;
    const alone = await runAudit(["export", "--out", pathOf("a.jsonl"), "--admin", nowhere]);
    assert.equal(alone.exitCode, 1);
    assert.equal(existsSync(pathOf("a.jsonl")), false);
  });

  it("is exported from the file of a stopped parent, and one missing line is found", async () => {
    await signer.stopParent();
    const out = pathOf("stopped.jsonl");
    await run("export", "--out", out, "--database", signer.stateFile);
    await run("verify", out);
    const lines = readFileSync(out, "utf8").split("\n");
    const at = lines.findIndex((line) => line.includes('"seq":2,"receipt"'));
    assert(at > 0);
    const end = lines.findIndex((line) => line.startsWith('{"heads"'));
    const count = Number(/"receipts":(\d+)/.exec(lines[end] ?? "")?.[1]);
    lines[end] = `{"heads":3,"receipts":${count - 1}}`;
    writeFileSync(pathOf("cut.jsonl"), lines.toSpliced(at, 1).join("\n"));
    const cut = await runAudit(["verify", "--json", pathOf("cut.jsonl")]);
    assert.equal(cut.exitCode, 1);
    assert.match(cut.stdout, /"byCode":\{"GAP":1\}/);
  });
});
