import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runIdentity } from "../../../../scripts/cli/identity.ts";

/** Of 32 times 1: go-libp2p's name, and tmkms's. */
const SEED = Buffer.alloc(32, 1).toString("base64");
const PEER_ID = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
const NODE_ID = "34750f98bd59fcfc946da45aaabe933be154a4b5";

function fileIn(context: TestContext, text: string | null): string {
  const folder = mkdtempSync(join(tmpdir(), "identity-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "kms-identity.key");
  if (text !== null) writeFileSync(path, text);
  return path;
}

test("identity prints both names of a key, and nothing of the key itself", async (context) => {
  const path = fileIn(context, `${SEED}\n`);
  assert.deepEqual(await runIdentity([path]), {
    exitCode: 0,
    stdout: `peer id  ${PEER_ID}\nnode id  ${NODE_ID}\n`,
    stderr: "",
  });
  const { stdout } = await runIdentity(["--json", path]);
  assert.deepEqual(JSON.parse(stdout), { ok: true, peerId: PEER_ID, nodeId: NODE_ID });
});

test("identity makes a key for its owner alone, and never in the place of another", async (context) => {
  const path = fileIn(context, null);
  const made = await runIdentity([path, "--make"]);
  assert.equal(made.exitCode, 0);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(await runIdentity([path]), made);
  assert.equal((await runIdentity([path, "--make"])).exitCode, 1);
  assert.deepEqual(await runIdentity([path]), made);
});

test("identity says in a code what is wrong with a file", async (context) => {
  for (const [text, reason] of [
    [null, "ENOENT"],
    [SEED.slice(4), "MALFORMED"],
  ] as const) {
    const path = fileIn(context, text);
    const { exitCode, stdout } = await runIdentity([path, "--json"]);
    assert.equal(exitCode, 1);
    const detail = [path, reason];
    assert.deepEqual(JSON.parse(stdout), { ok: false, code: "PRIVVAL_IDENTITY", detail });
    assert.match((await runIdentity([path])).stderr, /PRIVVAL_IDENTITY/);
  }
});

test("identity takes one file, and no other options", async () => {
  for (const args of [[], ["a", "b"], ["a", "--seed"], ["a", "--make", "--make"]]) {
    assert.equal((await runIdentity(args)).exitCode, 2, args.join(" "));
  }
});
