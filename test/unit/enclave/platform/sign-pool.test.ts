import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { test } from "node:test";
import { PublicKey, SecretKey, Signature, verify } from "@chainsafe/blst";
import type { RootSigner } from "../../../../enclave/core/ports.ts";
import { startSignPool } from "../../../../enclave/platform/sign-pool.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import { secretOf } from "../../../fakes/sealed-keys.ts";

type Key = { readonly publicKey: PublicKey; readonly signer: RootSigner };

function keyOf(number: number): Key {
  const secretKey = SecretKey.fromBytes(secretOf(number));
  const signer = { sign: (root: Uint8Array) => secretKey.sign(root).toBytes() };
  return { publicKey: secretKey.toPublicKey(), signer };
}

function sharedSecrets(...numbers: readonly number[]): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(32 * numbers.length);
  numbers.forEach((number, index) => new Uint8Array(shared).set(secretOf(number), 32 * index));
  return shared;
}

function isSignedBy(key: Key, root: Uint8Array, signature: Uint8Array): boolean {
  return verify(root, key.publicKey, Signature.fromBytes(signature));
}

function failOnError(cause: Error): void {
  throw cause;
}

const NUMBERS = [1, 2, 3];
const KEYS = NUMBERS.map(keyOf);

for (const threadCount of [0, 1]) {
  test(`with ${threadCount} threads, every job is signed by its own key, and secrets are wiped`, async () => {
    const pool = startSignPool(threadCount, failOnError);
    const secrets = sharedSecrets(...NUMBERS);
    const handles = await pool.add(
      KEYS.map(({ signer }) => signer),
      secrets,
    );
    assert.deepEqual([...new Uint8Array(secrets)], [...new Uint8Array(96)]);
    assert.equal(new Set(handles).size, 3);
    const jobs = Array.from({ length: 60 }, (_, index) => ({
      at: index % 3,
      root: rootOf(`root ${index}`),
    }));
    const signatures = await Promise.all(
      jobs.map(({ at, root }) => pool.sign(handles[at] ?? 0, root)),
    );
    jobs.forEach(({ at, root }, index) => {
      const signature = signatures[index];
      const key = KEYS[at];
      assert(signature !== undefined && key !== undefined);
      assert.equal(signature.length, 96);
      assert(isSignedBy(key, root, signature), `job ${index}`);
    });
    await pool.close();
  });

  test(`with ${threadCount} threads, what was asked for before a key is removed is still signed`, async () => {
    const pool = startSignPool(threadCount, failOnError);
    const [first, second] = KEYS;
    assert(first !== undefined && second !== undefined);
    const [gone] = await pool.add([first.signer], sharedSecrets(1));
    const [kept] = await pool.add([second.signer], sharedSecrets(2));
    assert(gone !== undefined && kept !== undefined);
    const roots = Array.from({ length: 20 }, (_, index) => rootOf(`root ${index}`));
    const signing = roots.map((root) => pool.sign(gone, root));
    await pool.remove([gone]);
    for (const [index, signature] of (await Promise.all(signing)).entries()) {
      const root = roots[index];
      assert(root !== undefined && isSignedBy(first, root, signature), `job ${index}`);
    }
    const root = rootOf("after");
    assert(isSignedBy(second, root, await pool.sign(kept, root)));
    await pool.remove([gone]);
    await pool.close();
  });

  test(`with ${threadCount} threads, handles are not used twice`, async () => {
    const pool = startSignPool(threadCount, failOnError);
    const signers = KEYS.map(({ signer }) => signer);
    const before = await pool.add(signers, sharedSecrets(...NUMBERS));
    await pool.remove(before);
    const after = await pool.add(signers, sharedSecrets(...NUMBERS));
    assert.equal(new Set([...before, ...after]).size, 6);
    const root = rootOf("again");
    const [handle] = after;
    const [key] = KEYS;
    assert(handle !== undefined && key !== undefined);
    assert(isSignedBy(key, root, await pool.sign(handle, root)));
    await pool.close();
  });
}

test("a pool that is closed forgets what nobody waits for", async () => {
  const pool = startSignPool(0, failOnError);
  const [key] = KEYS;
  assert(key !== undefined);
  const [handle] = await pool.add([key.signer], sharedSecrets(1));
  assert(handle !== undefined);
  void pool.sign(handle, rootOf("dropped"));
  await pool.close();
  await new Promise(setImmediate);
});

test("as many secrets as signers, or it is a bug", async () => {
  const pool = startSignPool(0, failOnError);
  const signers = KEYS.map(({ signer }) => signer);
  await assert.rejects(pool.add(signers, sharedSecrets(1, 2)), { name: "InvariantError" });
  await pool.close();
});

test("a confined thread signs, and has given back what it needed to start", () => {
  const root = resolve(import.meta.dirname, "../../../..");
  const child = spawnSync(process.execPath, [
    "--permission",
    "--allow-addons",
    "--allow-worker",
    `--allow-fs-read=${root}/*`,
    "--no-warnings",
    `${root}/test/fakes/confined-pool.ts`,
  ]);
  assert.equal(String(child.stdout), '{"count":60,"rights":[]}', String(child.stderr));
});
