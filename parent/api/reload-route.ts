// Reloading of bundles and keys, as Web3Signer does it (ethereum.md §1.2). It must never reload
// the parent's own configuration or TLS files: that is the operator's, by signal.

import type { Hono } from "hono";
import { ERRORS } from "../../shared/errors.ts";
import { JSON_HEADERS } from "./accept.ts";
import type { ApiBindings, Edge } from "./edge.ts";
import { HTTP_STATUS } from "./status.ts";

export function addReloadRoutes(app: Hono<ApiBindings>, edge: Edge): void {
  app.get("/reload", (c) => c.body(JSON.stringify(edge.signer.reloadState()), 200, JSON_HEADERS));
  app.post("/reload", (c) => {
    const client = edge.peers.of(c.env.incoming.socket)?.client?.name ?? "";
    const started = edge.signer.startReload();
    if (started.ok) {
      edge.log.info("reload.accepted", { client });
      const body = JSON.stringify({ status: "accepted", message: "the reload has started" });
      return c.body(body, 202, JSON_HEADERS);
    }
    const { code } = started.error;
    edge.metrics.refused(code);
    edge.log.warn("request.refused", { code, client, status: HTTP_STATUS[code] });
    const message = ERRORS[code].text;
    const body = JSON.stringify({ status: "error", message, code, error: message });
    return c.body(body, HTTP_STATUS[code], JSON_HEADERS);
  });
}
