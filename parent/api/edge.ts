// What all routes of the signing listener share.

import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Metrics } from "../ops/metrics.ts";
import type { Log, Signer } from "../ports.ts";
import type { FlightList } from "./flight.ts";
import type { PeerTable } from "./peer.ts";

export type Edge = {
  readonly signer: Signer;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly peers: PeerTable;
  readonly flights: FlightList;
  /** Requests in flight beyond which a new one is refused unread. */
  readonly queueCount: number;
  /** Set once, when the listener shuts down. */
  isDraining: boolean;
};

export type ApiBindings = { Bindings: HttpBindings };
export type ApiContext = Context<ApiBindings>;
