// What the store, the link and the relay count, for the registry. They count by themselves; here
// their numbers are read when somebody scrapes.

import { Counter, type Registry } from "prom-client";
import type { ActiveEnclave } from "../link/active-enclave.ts";
import type { EnclavePeer } from "../link/enclave-peer.ts";
import { RELAY_CODES, type Relay } from "../relay/relay.ts";
import type { Store, StoreStats } from "../store/store.ts";
import { watchCounter, watchGauge } from "./metrics.ts";

export type WatchedParts = {
  readonly store: Store;
  readonly active: ActiveEnclave;
  readonly peer: EnclavePeer;
  readonly relay: Relay;
};

type Watch = (name: string, help: string, read: () => number) => void;
type Watches = { readonly total: Watch; readonly gauge: Watch };

export function watchParts(registry: Registry, parts: WatchedParts): void {
  const watches: Watches = {
    total: (name, help, read) => watchCounter(registry, name, help, read),
    gauge: (name, help, read) => watchGauge(registry, name, help, read),
  };
  watchStore(watches, parts.store);
  watchLink(watches, parts.active, parts.peer);
  watchRelay(watches, parts.relay);
  watchRelayRefusals(registry, parts.relay);
}

function watchStore({ total, gauge }: Watches, store: Store): void {
  const stored = (read: (stats: StoreStats) => number): (() => number) => {
    return () => {
      const stats = store.stats();
      return stats === null ? 0 : read(stats);
    };
  };
  const ms = 1000;
  gauge("redoubt_store_up", "1 when the state store works", () =>
    (store.stats()?.code ?? null) === null ? 1 : 0,
  );
  total(
    "redoubt_store_records_total",
    "Records written",
    stored(({ recordCount }) => recordCount),
  );
  total(
    "redoubt_store_conflicts_total",
    "Writes over another version than the stored one",
    stored(({ conflictCount }) => conflictCount),
  );
  total(
    "redoubt_store_refused_commits_total",
    "Commits that the store could not write",
    stored(({ refusedCount }) => refusedCount),
  );
  total(
    "redoubt_store_transactions_total",
    "Transactions, each synced to the disk",
    stored(({ transactionCount }) => transactionCount),
  );
  total(
    "redoubt_store_sync_seconds_total",
    "Time in writing transactions to the disk",
    stored(({ syncMsSum }) => syncMsSum / ms),
  );
  gauge(
    "redoubt_store_sync_seconds_max",
    "The longest of them since the start",
    stored(({ syncMsMax }) => syncMsMax / ms),
  );
}

function watchLink({ total, gauge }: Watches, active: ActiveEnclave, peer: EnclavePeer): void {
  const stats = () => active.present.link.stats();
  gauge("redoubt_link_up", "1 when the enclave answers", () =>
    active.present.link.status() === null ? 0 : 1,
  );
  total("redoubt_link_connects_total", "Connections to the enclave", () => stats().connectCount);
  total("redoubt_link_losses_total", "Connections that broke", () => stats().lossCount);
  total(
    "redoubt_link_locate_failures_total",
    "Times that the enclave could not be found by its name",
    () => stats().locateFailureCount,
  );
  gauge(
    "redoubt_enclave_cid",
    "The CID of the enclave that signs, which may connect to store and relay; 0: none",
    () => active.present.seat.cid ?? 0,
  );
  total(
    "redoubt_vsock_refusals_total",
    "Connections to store and relay from another CID",
    () => peer.refusedCount,
  );
}

function watchRelay({ total, gauge }: Watches, relay: Relay): void {
  gauge("redoubt_relay_streams", "Open streams of the relay", () => relay.stats().openCount);
  total(
    "redoubt_relay_accepted_total",
    "Streams that were joined to a host",
    () => relay.stats().acceptedCount,
  );
  total("redoubt_relay_sent_bytes_total", "From the enclave", () => relay.stats().sentBytes);
  total("redoubt_relay_received_bytes_total", "To the enclave", () => relay.stats().receivedBytes);
}

function watchRelayRefusals(registry: Registry, relay: Relay): void {
  const metric: Counter<"code"> = new Counter({
    name: "redoubt_relay_refusals_total",
    help: "Refused streams",
    labelNames: ["code"],
    registers: [registry],
    collect: () => {
      metric.reset();
      const { refusedCounts } = relay.stats();
      for (const code of RELAY_CODES) metric.inc({ code }, refusedCounts[code]);
    },
  });
}
