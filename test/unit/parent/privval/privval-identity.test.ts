import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeIdentity, readIdentity } from "../../../../parent/privval/privval-identity.ts";

const SEED = "a0d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c";
const ID = "53ac1ab90ae04fe50c1ed6293c1fde802858bf87";
const TEXT = Buffer.from(SEED, "hex").toString("base64");

const folder = mkdtempSync(join(tmpdir(), "privval-identity-"));
after(() => rmSync(folder, { recursive: true }));

function fileWith(content: string | Uint8Array): string {
  const path = join(folder, "kms-identity.key");
  writeFileSync(path, content);
  return path;
}

/** The id, or what the refusal says. */
async function outcomeOf(path: string): Promise<unknown> {
  const identity = await readIdentity(path);
  return identity.ok ? identity.value.id : [identity.error.code, ...(identity.error.detail ?? [])];
}

test("readIdentity takes tmkms's file, with white space around it", async () => {
  for (const text of [TEXT, `${TEXT}\n`, ` \t${TEXT}\r\n\n`]) {
    assert.equal(await outcomeOf(fileWith(text)), ID);
  }
});

test("readIdentity refuses everything else, and makes nothing of it", async () => {
  const wrong: readonly (string | Uint8Array)[] = [
    "",
    Buffer.from(SEED, "hex"),
    SEED,
    TEXT.slice(0, -1),
    `${TEXT}=`,
    `${TEXT.slice(0, 20)}\n${TEXT.slice(20)}`,
    TEXT.replaceAll("+", "-").replaceAll("/", "_").slice(0, -1),
    // The same seed with a stray bit after its end.
    TEXT.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`),
    Buffer.from(`${SEED}00`, "hex").toString("base64"),
    Buffer.from(SEED.slice(2), "hex").toString("base64"),
    TEXT.padEnd(1025, " "),
  ];
  for (const content of wrong) {
    const path = fileWith(content);
    const before = readFileSync(path);
    assert.deepEqual(await outcomeOf(path), ["PRIVVAL_IDENTITY", path, "MALFORMED"]);
    assert.deepEqual(readFileSync(path), before);
  }
  assert.equal(await outcomeOf(fileWith(TEXT.padEnd(1024, " "))), ID);
});

test("readIdentity says why a file can't be read, and does not make it", async () => {
  const missing = join(folder, "missing.key");
  assert.deepEqual(await outcomeOf(missing), ["PRIVVAL_IDENTITY", missing, "ENOENT"]);
  assert.deepEqual(await outcomeOf(missing), ["PRIVVAL_IDENTITY", missing, "ENOENT"]);
  assert.deepEqual(await outcomeOf(folder), ["PRIVVAL_IDENTITY", folder, "EISDIR"]);
});

test("makeIdentity writes a new key that only its owner may read, and never over another", async () => {
  const paths = ["a.key", "b.key"].map((name) => join(folder, name));
  const ids: string[] = [];
  for (const path of paths) {
    const made = await makeIdentity(path);
    assert(made.ok);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await outcomeOf(path), made.value.id);
    ids.push(made.value.id);
  }
  assert.notEqual(ids[0], ids[1]);
  const again = await makeIdentity(paths[0] ?? "");
  assert.deepEqual(again.ok ? null : again.error.detail, [paths[0], "EEXIST"]);
  assert.equal(await outcomeOf(paths[0] ?? ""), ids[0]);
  const nowhere = join(folder, "missing", "a.key");
  const refused = await makeIdentity(nowhere);
  assert.deepEqual(refused.ok ? null : refused.error.detail, [nowhere, "ENOENT"]);
});
