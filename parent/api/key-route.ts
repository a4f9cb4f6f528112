// Lists of public keys: of Web3Signer (`publicKeys`) and of EIP-3030 (`keys`). It must never list a
// key that the client may not use.

import type { Hono } from "hono";
import { refusal } from "../../shared/errors.ts";
import { JSON_HEADERS } from "./accept.ts";
import type { Client } from "./client.ts";
import type { ApiBindings, ApiContext, Edge } from "./edge.ts";
import { refuse } from "./refuse.ts";

type Listing = { readonly keys: readonly string[]; readonly text: string };

export function addKeyRoutes(app: Hono<ApiBindings>, edge: Edge): void {
  // Clients poll, and a list may have 100,000 keys: it is built once per client and set of keys.
  const listings = new WeakMap<Client, Listing>();

  function listingOf(client: Client): string {
    const keys = edge.signer.keys();
    const known = listings.get(client);
    if (known?.keys === keys) return known.text;
    const text = JSON.stringify(client.keysAmong(keys));
    listings.set(client, { keys, text });
    return text;
  }

  function answer(c: ApiContext, wrap: (listing: string) => string): Response {
    const client = edge.peers.of(c.env.incoming.socket)?.client ?? null;
    if (client === null) return refuse(edge, c, refusal("ACL_CLIENT_UNKNOWN"));
    // An empty list before the keys are loaded would make Lodestar and Nimbus drop validators.
    const reason = edge.signer.keys().length === 0 ? edge.signer.notReady() : null;
    if (reason !== null) return refuse(edge, c, reason);
    return c.body(wrap(listingOf(client)), 200, JSON_HEADERS);
  }

  app.get("/api/v1/eth2/publicKeys", (c) => answer(c, (listing) => listing));
  app.get("/keys", (c) => answer(c, (listing) => `{"keys":${listing}}`));
}
