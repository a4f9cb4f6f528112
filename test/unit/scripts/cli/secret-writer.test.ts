import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { readListed, readNamed } from "../../../../parent/ops/bundles.ts";
import type { SecretReader } from "../../../../parent/ops/secret-reader.ts";
import {
  type SecretPorts,
  type SecretsTarget,
  storeBundles,
} from "../../../../scripts/cli/secret-writer.ts";
import { BUNDLE_CHUNK_COUNT_MAX } from "../../../../shared/bundle/chunks.ts";
import { refusal } from "../../../../shared/errors.ts";
import { BUNDLE_BYTES_MAX } from "../../../../shared/limits.ts";
import { err, ok } from "../../../../shared/result.ts";
import { FakeSecrets } from "../../../fakes/fake-secrets.ts";

const TARGET: SecretsTarget = {
  prefix: "redoubt",
  region: "eu-central-1",
  aws: { endpoint: null, caFile: null, credentials: null },
};
/** Bytes of this many chunks. */
const sizeOf = (chunkCount: number) => chunkCount * 60_000;

function portsOf(secrets: FakeSecrets, signal = new AbortController().signal): SecretPorts {
  return { stderr: { write: () => true }, signal, nowMs: () => 0, secrets };
}

function store(secrets: FakeSecrets, bytes: Uint8Array, signal?: AbortSignal) {
  return storeBundles([{ name: "keys", bytes }], TARGET, portsOf(secrets, signal));
}

async function storeWhole(secrets: FakeSecrets, bytes: Uint8Array): Promise<void> {
  assert.equal((await store(secrets, bytes)).error, null);
}

/** What the parent makes of it, with a right to list and without one. */
async function readBoth(
  secrets: FakeSecrets,
): Promise<readonly (Uint8Array | string | undefined)[]> {
  const reader: SecretReader = {
    list: (prefix) =>
      Promise.resolve(ok([...secrets.values.keys()].filter((n) => n.startsWith(prefix)).sort())),
    read: (name) => {
      const value = secrets.values.get(name);
      return Promise.resolve(value === undefined ? err(refusal("BUNDLE_INCOMPLETE")) : ok(value));
    },
    close: () => undefined,
  };
  const outcomes = [
    await readListed(reader, TARGET.prefix),
    await readNamed(reader, TARGET.prefix, ["keys"]),
  ];
  return outcomes.map(([outcome]) => {
    if (outcome === undefined) return undefined;
    return outcome.bytes.ok ? new Uint8Array(outcome.bytes.value) : outcome.bytes.error.code;
  });
}

function bytesOf(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}

test("a bundle is created with its first chunk last, and then looks for what is left over", async () => {
  const secrets = new FakeSecrets();
  const bytes = bytesOf(sizeOf(3));
  const { stored, error } = await store(secrets, bytes);
  assert.equal(error, null);
  const place = { prefix: "redoubt", region: "eu-central-1" };
  assert.deepEqual(stored, [{ bundle: "keys", ...place, chunkCount: 3, removedCount: 0 }]);
  assert.deepEqual(secrets.calls, [
    "put redoubt/keys/0001",
    "create redoubt/keys/0001",
    "put redoubt/keys/0002",
    "create redoubt/keys/0002",
    "put redoubt/keys/0000",
    "create redoubt/keys/0000",
    "isPresent redoubt/keys/0003",
  ]);
  assert.equal(secrets.closeCount, 1);
  assert.deepEqual(await readBoth(secrets), [bytes, bytes]);
});

test("a smaller bundle of the same name removes what is left over, from the end", async () => {
  const secrets = new FakeSecrets();
  await storeWhole(secrets, bytesOf(sizeOf(4)));
  secrets.calls.length = 0;
  const bytes = bytesOf(10);
  const { stored } = await store(secrets, bytes);
  assert.equal(stored[0]?.removedCount, 3);
  assert.deepEqual(secrets.calls, [
    "put redoubt/keys/0000",
    "isPresent redoubt/keys/0001",
    "isPresent redoubt/keys/0002",
    "isPresent redoubt/keys/0003",
    "isPresent redoubt/keys/0004",
    "remove redoubt/keys/0003",
    "remove redoubt/keys/0002",
    "remove redoubt/keys/0001",
  ]);
  assert.deepEqual(await readBoth(secrets), [bytes, bytes]);
});

test("the largest bundle is stored without asking for a chunk that can't be", async () => {
  const secrets = new FakeSecrets();
  const bytes = new Uint8Array(BUNDLE_BYTES_MAX).fill(1);
  await storeWhole(secrets, bytes);
  assert.equal(secrets.values.size, BUNDLE_CHUNK_COUNT_MAX);
  assert.ok(!secrets.calls.some((call) => call.startsWith("isPresent")));
  assert.deepEqual(await readBoth(secrets), [bytes, bytes]);
});

test("other bundles under the prefix stay as they are", async () => {
  const secrets = new FakeSecrets();
  const bundles = [
    { name: "keys", bytes: bytesOf(sizeOf(2)) },
    { name: "keys-2", bytes: bytesOf(sizeOf(2)) },
  ];
  assert.equal((await storeBundles(bundles, TARGET, portsOf(secrets))).stored.length, 2);
  const others = [...secrets.values].filter(([name]) => name.startsWith("redoubt/keys-2/"));
  await storeWhole(secrets, bytesOf(5));
  for (const [name, value] of others) assert.deepEqual(secrets.values.get(name), value);
});

for (const [before, after] of [
  [0, 3],
  [1, 1],
  [1, 3],
  [3, 1],
  [3, 3],
  [4, 2],
] as const) {
  const title = `${after} chunks over ${before}`;
  test(`${title}: a reader meets the old bundle, the new one or none, wherever it ends`, async () => {
    const oldBytes = bytesOf(sizeOf(before));
    const newBytes = bytesOf(sizeOf(after));
    const start = async () => {
      const secrets = new FakeSecrets();
      if (before > 0) await storeWhole(secrets, oldBytes);
      secrets.calls.length = 0;
      return secrets;
    };
    const whole = await start();
    await storeWhole(whole, newBytes);
    assert.equal(whole.values.size, after);
    for (let failAt = 1; failAt <= whole.calls.length; failAt++) {
      const secrets = await start();
      secrets.failAt = failAt;
      const { stored, error } = await store(secrets, newBytes);
      assert.deepEqual(stored, []);
      assert.match(error ?? "", /^bundle keys: \w+ redoubt\/keys\/\d{4} failed$/);
      for (const read of await readBoth(secrets)) {
        const isWhole = read instanceof Uint8Array;
        if (isWhole) assert.ok([oldBytes, newBytes].some((one) => Buffer.from(one).equals(read)));
        else assert.match(read ?? "BUNDLE_INCOMPLETE", /^BUNDLE_(INCOMPLETE|MALFORMED)$/);
      }
      // Whatever is stored next is whole again, also when it is smaller.
      secrets.failAt = null;
      const next = bytesOf(7);
      await storeWhole(secrets, next);
      assert.deepEqual(await readBoth(secrets), [next, next]);
      assert.equal(secrets.values.size, 1);
    }
  });
}

test("an interruption ends the writing before the next call", async () => {
  const secrets = new FakeSecrets();
  await storeWhole(secrets, bytesOf(sizeOf(3)));
  for (let callCount = 0; callCount < 4; callCount++) {
    secrets.calls.length = 0;
    const abort = new AbortController();
    secrets.onCall = () => {
      if (secrets.calls.length === callCount) abort.abort();
    };
    if (callCount === 0) abort.abort();
    const { error } = await store(secrets, bytesOf(5), abort.signal);
    assert.equal(error, "bundle keys: interrupted");
    assert.equal(secrets.calls.length, callCount);
  }
});
