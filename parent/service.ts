// The parent's parts put together, started in the order in which each needs the others, and taken
// apart in the opposite order: the store closes last, after everything that may still commit.
// A part that can't start stops the start, with its code and its name.

import { isDeepStrictEqual } from "node:util";
import { encodeAddress } from "../shared/address.ts";
import { ERRORS, type ErrorCode, refusal } from "../shared/errors.ts";
import { REQUEST_DEADLINE_MS, SHUTDOWN_DEADLINE_MS } from "../shared/limits.ts";
import { err, ok, type Result } from "../shared/result.ts";
import { startApi } from "./api/start.ts";
import { Enclaves } from "./enclaves.ts";
import { ActiveEnclave, closeServed, type ServedEnclave } from "./link/active-enclave.ts";
import { startAdmin } from "./link/admin.ts";
import { EnclavePeer } from "./link/enclave-peer.ts";
import { PrivvalNodes } from "./link/privval-nodes.ts";
import type { Succession } from "./link/provision.ts";
import { LinkSigner } from "./link/signer.ts";
import { type ServeFailure, Upgrades } from "./link/upgrade.ts";
import type { Config } from "./ops/config.ts";
import { startCredentials } from "./ops/credentials.ts";
import { isVsockSource } from "./ops/enclave-config.ts";
import { Metrics } from "./ops/metrics.ts";
import { watchParts } from "./ops/part-metrics.ts";
import { PrivvalMetrics, watchCallers } from "./ops/privval-metrics.ts";
import { startOps } from "./ops/server.ts";
import { openVsock } from "./platform/vsock.ts";
import type { Log } from "./ports.ts";
import { startRelay } from "./relay/relay.ts";
import { startStore } from "./store/store.ts";

export type Service = {
  /** Certificates, clients and sources of the API, Tendermint nodes, and all bundles. */
  reload(config: Config): Promise<void>;
  /** Bundles only, when the configuration itself does not pass. */
  reloadBundles(): void;
  /** Gives every answer that is due within SHUTDOWN_DEADLINE_MS, then closes everything. */
  stop(): Promise<void>;
};

export type ServiceOptions = {
  readonly config: Config;
  /** The file anew, for an upgrade. */
  readonly readConfig: () => Promise<Result<Config, ServeFailure>>;
  readonly log: Log;
  /** A part has failed that the parent can't do without. */
  readonly onFailure: (part: string, reason: string) => void;
};

export type StartRefusal = {
  readonly code: ErrorCode;
  /** The part and what is known of the cause: a path, an address. */
  readonly reason: string;
};

/** What a request that was held back may still need. */
const SIGN_MS = 1000;

type Close = () => Promise<void> | void;

/** Closes what was started, last first. */
class Closings {
  readonly #closings: Close[] = [];

  add(close: Close): void {
    this.#closings.push(close);
  }

  /**
   * Together with the last one. Both have answers to give: one after the other they would need the
   * time of both, and the second would go on taking requests meanwhile.
   */
  addBeside(close: Close): void {
    const last = this.#closings.pop();
    this.#closings.push(async () => {
      await Promise.all([last?.(), close()]);
    });
  }

  async run(): Promise<void> {
    for (const close of this.#closings.splice(0).toReversed()) await close();
  }
}

export async function startService(
  options: ServiceOptions,
): Promise<Result<Service, StartRefusal>> {
  const closings = new Closings();
  const service = await startParts(options, closings);
  if (!service.ok) await closings.run();
  return service;
}

async function startParts(
  options: ServiceOptions,
  closings: Closings,
): Promise<Result<Service, StartRefusal>> {
  const { config, log, onFailure } = options;
  const vsock = await checkVsock(config);
  if (!vsock.ok) return vsock;
  const peer = new EnclavePeer();
  const store = await startStore({ ...config.store, peer, log });
  if (!store.ok) return err({ code: store.error.code, reason: `store ${config.store.path}` });
  closings.add(() => store.value.close());
  store.value.onFailure((reason) => onFailure("store", reason));
  const hosts = new Map(Object.entries(config.relay.hosts));
  const isPeerAllowed = (cid: number): boolean => peer.isAllowed(cid);
  const relayOptions = { ...config.relay, hosts, log, isPeerAllowed };
  const relay = await listening("relay.listen", startRelay(relayOptions));
  if (!relay.ok) return relay;
  closings.add(() => relay.value.close());

  const served = await serveEnclaves(options, peer, closings);
  if (!served.ok) return served;
  const { active, enclaves, upgrades } = served.value;
  const signer = new LinkSigner(active, () => {
    const code = store.value.stats()?.code ?? null;
    return code === null ? null : refusal(code);
  });
  const admin = await listening(
    "admin.listen",
    startAdmin(config.admin.listen, { active, store: store.value, upgrades, log }),
  );
  if (!admin.ok) return admin;
  closings.add(() => admin.value.close());

  const metrics = new Metrics();
  metrics.watch(signer);
  watchParts(metrics.registry, { store: store.value, active, peer, relay: relay.value });
  const api = await startApi({ config: config.api, signer, log, metrics });
  if (!api.ok) return err(named("api", api.error));
  closings.add(() => api.value.close(SHUTDOWN_DEADLINE_MS));
  const privval = prepareNodes({ active, log, metrics });
  closings.addBeside(() => privval.close());
  const nodes = await privval.serve(config.privval);
  if (!nodes.ok) return err(named("privval", nodes.error));
  const ops = await startOps({ listen: config.ops.listen, signer, metrics, log });
  if (!ops.ok) return err(named("ops", ops.error));
  closings.add(() => ops.value.close());

  active.present.provisioner.start();
  const feed = startCredentials(
    config.credentials,
    (latest) => enclaves.setCredentials(latest),
    log,
  );
  closings.add(() => feed.stop());
  log.info("parent.listening", { address: encodeAddress(api.value.address) });
  const reloadBundles = (): void => active.present.provisioner.requestReload();
  return ok({
    reloadBundles,
    reload: async (next) => {
      await api.value.reload(next.api);
      // Before new nodes, which ask for their keys at once.
      reloadBundles();
      await privval.reload(next.privval);
    },
    stop: async () => {
      log.info("parent.stopping", { count: signer.inFlightCount() });
      await closings.run();
    },
  });
}

/** Tendermint nodes, none of which is served yet, and what is counted of them. */
function prepareNodes(parts: {
  readonly active: ActiveEnclave;
  readonly log: Log;
  readonly metrics: Metrics;
}): PrivvalNodes {
  const { metrics, ...rest } = parts;
  const counts = new PrivvalMetrics(
    metrics.registry,
    () => nodes.states(),
    () => performance.now(),
  );
  const nodes = new PrivvalNodes({
    ...rest,
    observe: (...observed) => counts.observe(...observed),
    tlsRefused: (reason) => metrics.tlsRefused(reason),
    watch: (keys) => counts.retain(keys),
  });
  watchCallers(metrics.registry, () => nodes.connectionCount());
  return nodes;
}

type ServedEnclaves = {
  readonly enclaves: Enclaves;
  readonly active: ActiveEnclave;
  readonly upgrades: Upgrades;
};

/** The enclave of the configuration, not started, and what it takes to upgrade to another. */
async function serveEnclaves(
  { config, readConfig, log }: ServiceOptions,
  peer: EnclavePeer,
  closings: Closings,
): Promise<Result<ServedEnclaves, StartRefusal>> {
  const enclaves = new Enclaves(peer, log);
  const first = await enclaves.serve(config);
  if (!first.ok) return first;
  const active = new ActiveEnclave(first.value);
  closings.add(() => closeServed(active.present));
  const serve = async (succession: Succession): Promise<Result<ServedEnclave, ServeFailure>> => {
    const next = await readConfig();
    if (!next.ok) return next;
    const isSame = isDeepStrictEqual(next.value.enclave, active.present.source);
    return isSame ? err({ code: "UPGRADE_SAME" }) : enclaves.serve(next.value, succession);
  };
  // Held back for less than a request may take: it can still be signed.
  const holdMsMax = Math.max(0, Math.min(REQUEST_DEADLINE_MS, config.api.deadlineMs) - SIGN_MS);
  const upgrades = new Upgrades({ active, log, serve, holdMsMax });
  closings.add(() => upgrades.close());
  return ok({ enclaves, active, upgrades });
}

/** Said once and at the start: later it would only look like an enclave that does not answer. */
async function checkVsock(config: Config): Promise<Result<null, StartRefusal>> {
  const listens = [config.store.listen, config.relay.listen];
  const isNeeded = isVsockSource(config.enclave) || listens.some(({ kind }) => kind === "vsock");
  if (!isNeeded) return ok(null);
  const vsock = await openVsock();
  if (vsock.ok) return ok(null);
  const { code } = vsock.error;
  return err({ code, reason: ERRORS[code].text });
}

/** A listener that rejects can't listen. */
async function listening<T>(part: string, start: Promise<T>): Promise<Result<T, StartRefusal>> {
  try {
    return ok(await start);
  } catch (error) {
    const cause = error instanceof Error && "code" in error ? String(error.code) : "refused";
    return err({ code: "LISTEN_FAILED", reason: `${part}: ${cause}` });
  }
}

function named(
  part: string,
  error: { readonly code: ErrorCode; readonly detail?: readonly unknown[] },
): StartRefusal {
  return { code: error.code, reason: [part, ...(error.detail ?? []).map(String)].join(": ") };
}
