// The store, from its client over TLS and a relay, on tables of dynalite, which knows DynamoDB's
// expressions but never says which item stood in the way of a write.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TABLE_BEHAVIOURS } from "../fakes/table-behaviours.ts";
import { TableRig } from "../fakes/table-rig.ts";

const DYNALITE = { backend: null, givesItem: false, hasRecovery: false };

for (const { title, run } of TABLE_BEHAVIOURS) {
  test(`on dynalite, ${title}`, async (context) => {
    await run(await TableRig.start(context, DYNALITE));
  });
}

test("a table that was deleted is not the one of the manifest", async (context) => {
  const rig = await TableRig.start(context, DYNALITE);
  const { store } = rig.enclave();
  await rig.deleteTable();
  const verified = await store.verify();
  assert.equal(verified.ok ? "ok" : verified.error.code, "STORE_IDENTITY");
});
