// Health of the signing API, as Web3Signer and EIP-3030 show it. `upcheck` says that the API
// answers, `healthcheck` that it signs. It must never tell an unknown caller anything: like all
// routes here it is behind mTLS.

import type { Hono } from "hono";
import { refusal } from "../../shared/errors.ts";
import type { Signer } from "../ports.ts";
import { JSON_HEADERS, prefers, TEXT_HEADERS } from "./accept.ts";
import type { ApiBindings, Edge } from "./edge.ts";
import { refuse } from "./refuse.ts";

type Check = {
  readonly id: string;
  readonly status: "UP" | "DOWN";
  readonly data?: Readonly<Record<string, number | string>>;
};

export function addHealthRoutes(app: Hono<ApiBindings>, edge: Edge): void {
  app.get("/upcheck", (c) =>
    // Text is Web3Signer's answer, and the default; EIP-3030 clients ask for JSON by name.
    prefers(c.env.incoming.headers.accept, "application/json", ["text/plain", "*/*"])
      ? c.body('{"status":"OK"}', 200, JSON_HEADERS)
      : c.body("OK", 200, TEXT_HEADERS),
  );
  app.get("/healthcheck", (c) => {
    const checks = healthChecks(edge.signer);
    const isUp = checks.every(({ status }) => status === "UP");
    const status = isUp ? "UP" : "DOWN";
    const body = JSON.stringify({ status, checks, outcome: status });
    return c.body(body, isUp ? 200 : 503, JSON_HEADERS);
  });
  app.get("/api/v1/eth2/highWatermark", (c) => {
    const status = edge.signer.status();
    if (status === null) return refuse(edge, c, edge.signer.notReady() ?? refusal("LINK_DOWN"));
    const mark = status.highWatermark;
    const body = mark && { epoch: mark.epoch.toString(), slot: mark.slot.toString() };
    return c.body(JSON.stringify(body ?? {}), 200, JSON_HEADERS);
  });
}

/** Under Web3Signer's ids, which its users' probes may look for. */
function healthChecks(signer: Signer): readonly Check[] {
  const reason = signer.notReady();
  const code = reason === null ? {} : { data: { code: reason.code } };
  const isStoreFault = reason?.code.startsWith("STORE_") ?? false;
  const isLinked = signer.status() !== null;
  const reload = signer.reloadState();
  const hasFailed = reload.status === "failed" || reload.status === "completed_with_errors";
  return [
    { id: "default-check", status: reason === null ? "UP" : "DOWN", ...code },
    {
      id: "slashing-protection-db-health-check",
      status: isLinked && !isStoreFault ? "UP" : "DOWN",
    },
    {
      // A failed reload keeps the keys that work: it is shown, and is not a reason to stop.
      id: "keys-check/config-files-loading",
      status: isLinked ? "UP" : "DOWN",
      data: { "keys-loaded": signer.keys().length, "error-count": hasFailed ? 1 : 0 },
    },
  ];
}
