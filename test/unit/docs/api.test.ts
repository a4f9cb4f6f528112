import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "../../../parent/api/app.ts";
import { FlightList } from "../../../parent/api/flight.ts";
import { PeerTable } from "../../../parent/api/peer.ts";
import { encodeRefusal } from "../../../parent/api/status.ts";
import { Metrics } from "../../../parent/ops/metrics.ts";
import { refusal } from "../../../shared/errors.ts";
import { FakeSigner } from "../../fakes/signer.ts";
import { SilentLog } from "../../fakes/silent-log.ts";
import { blocksOf, rowsOf } from "./page.ts";

test("docs/api.md lists the routes that the listener has, and no other", () => {
  const app = createApp({
    signer: new FakeSigner(),
    log: new SilentLog(),
    metrics: new Metrics(),
    peers: new PeerTable(1),
    flights: new FlightList(1),
    queueCount: 1,
    isDraining: false,
  });
  const routes = app.routes.map(({ method, path }) => `${method} ${path}`);
  const listed = rowsOf("api.md")
    .map(([name = ""]) => name)
    .filter((name) => /^[A-Z]+ \//.test(name));
  assert.deepEqual([...listed].sort(), [...routes].sort());
});

test("docs/api.md shows a refusal as it is encoded", () => {
  const [example = ""] = blocksOf("api.md", "json");
  const cause = refusal("GUARD_VOTE_TARGET_BELOW", 451n, 452n);
  assert.deepEqual(JSON.parse(example), JSON.parse(encodeRefusal(cause)));
});
