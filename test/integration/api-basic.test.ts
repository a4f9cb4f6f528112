import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ApiRig } from "../fakes/api-rig.ts";

let rig: ApiRig;
before(async () => { rig = await ApiRig.start(); });
after(() => rig.close());
test("signs", async () => {
  const a = await rig.sign({ headers: { accept: "application/json" } });
  console.log(a);
  console.log(await rig.call("/upcheck"), await rig.call("/upcheck", { method: "HEAD" }), await rig.call("/nope"), await rig.call("/reload", { method: "PUT" }));
  console.log(rig.log.lines);
  assert.equal(a.status, 200);
});
