// The Tendermint nodes of the configuration, those to dial and those that call, and the enclave
// behind them. A reload closes what is no longer listed, begins what is new, and leaves the rest
// alone. It must never dial a node over tcp without the identity that the configuration names, nor
// one node twice.

import { isDeepStrictEqual } from "node:util";
import { encodeAddress } from "../../shared/address.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import { type PrivvalGrpc, startPrivvalGrpc } from "../grpc/privval-listener.ts";
import type { PrivvalConfig } from "../ops/privval-config.ts";
import type { PrivvalGrpcConfig } from "../ops/privval-grpc-config.ts";
import type { WatchedKey } from "../ops/signed-heights.ts";
import type { Log } from "../ports.ts";
import { MessageRoom } from "../privval/message-room.ts";
import type { PrivvalState } from "../privval/ports.ts";
import { type Privval, startPrivval } from "../privval/privval-dialer.ts";
import { type PrivvalIdentity, readIdentity } from "../privval/privval-identity.ts";
import type { ActiveEnclave } from "./active-enclave.ts";
import { LinkPrivvalSigner, type PrivvalSignerParts } from "./privval-signer.ts";

type Outcome = Parameters<PrivvalSignerParts["observe"]>[1];

export type PrivvalParts = {
  readonly active: ActiveEnclave;
  readonly log: Log;
  /** As the signer's, with the key that the node asks for. */
  readonly observe: (
    chainId: string,
    outcome: Outcome,
    tookMs: number,
    key: Uint8Array | null,
  ) => void;
  readonly tlsRefused: (reason: string) => void;
  /** Told of the keys that nodes may ask for from now on. */
  readonly watch: (keys: readonly WatchedKey[]) => void;
};

type NodeConfig = PrivvalConfig["nodes"][number];
/** All that a dialer depends on. */
type Spec = NodeConfig & { readonly signerId: string | null };
type Dialled = { readonly spec: Spec; readonly sessions: Privval };
type Listening = { readonly config: PrivvalGrpcConfig; readonly listener: PrivvalGrpc };

export class PrivvalNodes {
  readonly #parts: PrivvalParts;
  readonly #dialledRoom = new MessageRoom();
  readonly #callersRoom = new MessageRoom();
  #dialled: readonly Dialled[] = [];
  #listening: Listening | null = null;
  #isClosed = false;

  constructor(parts: PrivvalParts) {
    this.#parts = parts;
  }

  /** Of the nodes that are dialled. */
  states(): readonly PrivvalState[] {
    return this.#dialled.flatMap(({ sessions }) => sessions.states());
  }

  /** Of nodes that call; null when nobody listens for them. */
  connectionCount(): number | null {
    return this.#listening?.listener.connectionCount() ?? null;
  }

  /**
   * Comes to serve just these nodes: those that call, then those that are dialled. Refused, what is
   * left is served as it was. One at a time; without a configuration there are none.
   */
  async serve(config: PrivvalConfig | undefined): Promise<Result<null, Refusal>> {
    const { identityFile, nodes = [], grpc } = config ?? {};
    const identity = identityFile === undefined ? ok(null) : await readIdentity(identityFile);
    if (!identity.ok) return identity;
    const listened = await this.#listen(grpc);
    if (!listened.ok) return listened;
    await this.#dial(nodes, identity.value);
    const chains = grpc?.chains ?? grpc?.clients?.flatMap((client) => client.chains) ?? [];
    this.#parts.watch([...nodes, ...chains]);
    return ok(null);
  }

  /** As `serve`, of a configuration that was read again. */
  async reload(config: PrivvalConfig | undefined): Promise<void> {
    const isNothing = config === undefined && this.#dialled.length === 0 && !this.#listening;
    if (this.#isClosed || isNothing) return;
    const served = await this.serve(config);
    const { log } = this.#parts;
    if (served.ok) return log.info("privval.reloaded", { count: this.#dialled.length });
    const { code, detail = [] } = served.error;
    log.error("privval.reload.refused", { code, reason: detail.map(String).join(": ") });
  }

  /** Gives the answers that are due. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const dialled = this.#dialled.map(({ sessions }) => sessions.close());
    await Promise.all([...dialled, this.#listening?.listener.close()]);
  }

  async #listen(config: PrivvalGrpcConfig | undefined): Promise<Result<null, Refusal>> {
    const before = this.#listening;
    if (config === undefined) {
      // Whoever takes it out of the file revokes all that it allowed.
      this.#listening = null;
      await before?.listener.close();
      if (before !== null) this.#parts.log.warn("privval.closed");
      return ok(null);
    }
    if (before !== null && isDeepStrictEqual(before.config.listen, config.listen)) {
      const reloaded = await before.listener.reload(config);
      if (reloaded.ok) this.#listening = { config, listener: before.listener };
      return reloaded;
    }
    const { log, tlsRefused } = this.#parts;
    const started = await startPrivvalGrpc({
      config,
      // Over gRPC an outage has a status of its own, at which the node asks again.
      signerOf: (key) => this.#signerFor(key, false),
      log,
      observe: (chainId, refused, tookMs) => this.#parts.observe(chainId, refused, tookMs, null),
      tlsRefused,
      room: this.#callersRoom,
    });
    if (!started.ok) return started;
    this.#listening = { config, listener: started.value };
    await before?.listener.close();
    if (this.#isClosed) await started.value.close();
    return ok(null);
  }

  async #dial(nodes: readonly NodeConfig[], identity: PrivvalIdentity | null): Promise<void> {
    const specs = nodes.map((node): Spec => {
      const isShown = node.address.address.kind !== "unix";
      return { ...node, signerId: isShown ? (identity?.id ?? null) : null };
    });
    const kept = this.#dialled.filter(({ spec }) => specs.some((next) => isSame(spec, next)));
    const gone = this.#dialled.filter((dialled) => !kept.includes(dialled));
    this.#dialled = kept;
    for (const { spec } of gone) this.#parts.log.info("privval.removed", whereOf(spec));
    // A node that has changed is one that goes and one that comes: it must not see both at once.
    await Promise.all(gone.map(({ sessions }) => sessions.close()));
    if (this.#isClosed) return;
    this.#dialled = specs.map((spec) => {
      const same = kept.find((dialled) => isSame(dialled.spec, spec));
      return same ?? { spec, sessions: this.#start(spec, identity) };
    });
  }

  #start({ chainId, address, key }: Spec, identity: PrivvalIdentity | null): Privval {
    return startPrivval({
      nodes: [{ chainId, address }],
      identity,
      signer: this.#signerFor(key, true),
      log: this.#parts.log,
      room: this.#dialledRoom,
    });
  }

  #signerFor(key: Uint8Array | null, isPatient: boolean): LinkPrivvalSigner {
    const { active, log, observe } = this.#parts;
    return new LinkPrivvalSigner({
      active,
      key,
      log,
      observe: (chainId, outcome, tookMs) => observe(chainId, outcome, tookMs, key),
      isPatient,
    });
  }
}

function isSame(one: Spec, other: Spec): boolean {
  return isDeepStrictEqual(one, other);
}

function whereOf({ chainId, address }: Spec) {
  return { chain: chainId, address: encodeAddress(address.address) };
}
