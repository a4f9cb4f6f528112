import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openAdmin } from "../../../../scripts/cli/admin.ts";
import type { KeyMaxima } from "../../../../scripts/cli/interchange.ts";
import { readState } from "../../../../scripts/cli/state-export.ts";
import type { EthereumState } from "../../../../shared/wire/methods.ts";
import { FakeAdmin } from "../../../fakes/admin-server.ts";

const KEY = new Uint8Array(48).fill(0xa0);
const ROOT = new Uint8Array(32).fill(7);
const FLOOR = { slot: 6402n, source: 199n, target: 201n };

/** What the file says of the one key of an enclave, with this record. */
async function exported(record: Partial<EthereumState>): Promise<KeyMaxima | undefined> {
  const admin = new FakeAdmin({ keys: [KEY], genesisValidatorsRoot: new Uint8Array(32) });
  admin.put(KEY, { blockRoot: ROOT, attestationRoot: ROOT, ...record });
  await admin.start();
  try {
    const opened = await openAdmin(fileURLToPath(admin.url.replace("unix:", "file:")));
    assert.ok(opened.ok);
    const state = await readState(opened.value);
    opened.value.close();
    assert.ok(state.ok);
    return state.value.interchange.keys[0];
  } finally {
    await admin.stop();
  }
}

const COVERED = { blockSlot: 6401n, blockRoot: null, source: 199n, target: 200n };

test("an export covers what can have been signed before the boot, whatever the record says", async () => {
  const oldCopies = [
    { blockSlot: 6300n, source: 180n, target: 181n },
    // Just below the floor: another root may have been signed at these heights.
    { blockSlot: 6401n, source: 199n, target: 200n },
    // Initialised a moment ago.
    {},
  ];
  for (const record of oldCopies) {
    const maxima = await exported({ ...record, floor: FLOOR });
    assert.deepEqual(maxima, { key: KEY, ...COVERED, attestationRoot: null });
  }
});

test("an export states what was signed since the boot as it is", async () => {
  const signed = { blockSlot: 6402n, source: 199n, target: 201n };
  const maxima = await exported({ ...signed, floor: FLOOR });
  assert.deepEqual(maxima, { key: KEY, ...signed, blockRoot: ROOT, attestationRoot: ROOT });
});

test("an export raises a source that lags behind a target of an import", async () => {
  const maxima = await exported({ blockSlot: 7000n, source: 3n, target: 300n, floor: FLOOR });
  assert.deepEqual([maxima?.source, maxima?.target], [199n, 300n]);
  assert.equal(maxima?.attestationRoot, null);
});

test("an export of a chain that has not begun has no floor to cover", async () => {
  const floor = { slot: 0n, source: 0n, target: 0n };
  const nothing = { blockSlot: null, blockRoot: null, attestationRoot: null };
  const maxima = await exported({ ...nothing, floor });
  assert.deepEqual(maxima, { key: KEY, ...nothing, source: null, target: null });
});
