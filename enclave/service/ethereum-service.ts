// Ethereum's side of the service: its keys, their floors by the clock, the signing path and the
// operator's acts. It must never let a key sign whose floor was chosen before its record was read.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type EthereumFloor, NO_FLOOR } from "../core/chains/ethereum/slashing-rule.ts";
import { bootFloorAt, handoverFloorAt } from "../core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../core/manifest.ts";
import type { StateStore } from "../core/ports.ts";
import { hasBootFloor } from "../core/state-config.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import type { Keyring } from "../keys/keyring.ts";
import type { LastState } from "./accounts.ts";
import type { ChainParts, ChainService, ChainStatus, EnclaveHandlers } from "./chain-service.ts";
import { createEthereumAccounts, type EthereumAccounts, stateOf } from "./ethereum-accounts.ts";
import { HandoverGiver, verifyHandover } from "./handover.ts";
import { type SigningParts, sign } from "./signing.ts";
import {
  type ActParts,
  initRecords,
  overrideRecord,
  raiseRecords,
  retireKeys,
} from "./state-acts.ts";

type Opened = {
  readonly signing: SigningParts;
  readonly acts: ActParts;
  readonly giver: HandoverGiver;
  readonly floor: EthereumFloor;
};

export class EthereumService implements ChainService {
  readonly #manifest: EthereumManifest;
  readonly #parts: ChainParts;
  readonly #accounts: EthereumAccounts;
  #opened: Opened | null = null;
  #overrideCount = 0;

  constructor(manifest: EthereumManifest, parts: ChainParts) {
    this.#manifest = manifest;
    this.#parts = parts;
    this.#accounts = createEthereumAccounts(manifest, parts.pool);
  }

  get keyring(): Keyring {
    return this.#accounts.keyring;
  }

  get recordCount(): number {
    return this.#accounts.recordCount;
  }

  readonly methods: ChainService["methods"] = {
    sign: (params) => sign(this.#open.signing, params),
    "state.init": async (params) => {
      const created = await initRecords(this.#open.acts, params);
      return created.ok ? ok({ createdCount: created.value }) : created;
    },
    "state.show": ({ keys }) => ok(this.#accounts.findAll(keys).map((account) => stateOf(account))),
    "state.import": (params) => raiseRecords(this.#open.acts, params),
    "state.retire": (params) => retireKeys(this.#open.acts, params),
    "state.override": (params) => this.#override(params),
  };

  status(): ChainStatus {
    const { network, highWatermark } = this.#manifest.ethereum;
    return {
      genesisValidatorsRoot: network.genesisValidatorsRoot,
      chainIds: [],
      floor: this.#opened?.floor ?? null,
      highWatermark,
      overrideCount: this.#overrideCount,
    };
  }

  add(bundle: OpenedBundle): Promise<Result<null, Refusal>> {
    return this.#accounts.add(bundle, this.#opened === null ? null : () => this.#chooseFloor());
  }

  retain(bundleIds: readonly Uint8Array[]): Promise<number> {
    return this.#accounts.retain(bundleIds);
  }

  async open(store: StateStore, handover: Uint8Array | null): Promise<Result<boolean, Refusal>> {
    const accounts = this.#accounts;
    const ledgers = await accounts.readState(store);
    if (!ledgers.ok) return ledgers;
    // After the records: the parent may hold them back, and have the keys sign elsewhere meanwhile.
    const floor = await this.#chooseFloor();
    if (!floor.ok) return floor;
    const last = handover === null ? ok(null) : this.#verifyHandover(handover);
    if (!last.ok) return last;
    const isHandedOver = accounts.openState(ledgers.value, floor.value, last.value);
    const { pool, nsm, bootId, time } = this.#parts;
    const manifest = this.#manifest;
    const nowMs = () => time.nowMs();
    const scope = manifest.ethereum.network.genesisValidatorsRoot;
    this.#opened = {
      signing: { manifest, accounts, pool, nowMs },
      acts: { manifest, accounts, store, nsm, bootId, nowMs },
      giver: new HandoverGiver({ accounts, scope, nsm, bootId, nowMs }),
      floor: isHandedOver && last.value !== null ? last.value.floor : floor.value,
    };
    return ok(isHandedOver);
  }

  /** Everything that was signed has its record. */
  drain(): Promise<void> {
    return Promise.resolve();
  }

  async handOver(nonce: Uint8Array, drainedMs: number): Promise<Result<Uint8Array, Refusal>> {
    // Whoever has no floor itself has nothing to hand over to one who needs it: its records may
    // have been rewound before its boot by those who may write to the table.
    if (!hasBootFloor(this.#manifest.state)) return err(refusal("HANDOVER_REFUSED"));
    return this.#open.giver.give(nonce, drainedMs);
  }

  get #open(): Opened {
    invariant(this.#opened !== null, "what is signed or changed is so after the state is open");
    return this.#opened;
  }

  async #override(
    params: Parameters<EnclaveHandlers["state.override"]>[0],
  ): ReturnType<typeof overrideRecord> {
    const done = await overrideRecord(this.#open.acts, params);
    if (done.ok) this.#overrideCount += 1;
    return done;
  }

  /** What the predecessor left. */
  #verifyHandover(document: Uint8Array): Result<LastState<EthereumFloor>, Refusal> {
    const { time, nsmRoot, challenge } = this.#parts;
    const manifest = this.#manifest;
    const nowMs = time.nowMs();
    if (nowMs === null) return err(refusal("TIME_STALE"));
    const handover = verifyHandover(document, { manifest, nsmRoot, challenge, nowMs });
    if (!handover.ok) return handover;
    const { state, drainedMs } = handover.value;
    const { network } = manifest.ethereum;
    const floor = hasBootFloor(manifest.state)
      ? handoverFloorAt(network, drainedMs, nowMs)
      : NO_FLOOR;
    return ok({ digest: state, floor });
  }

  /**
   * For keys that are loaded now; none where the store is known to show the newest records. Asks
   * for the time anew: a paused clock would be behind.
   */
  async #chooseFloor(): Promise<Result<EthereumFloor, Refusal>> {
    const { time } = this.#parts;
    const renewed = await time.renew();
    if (!renewed.ok) return renewed;
    const nowMs = time.nowMs();
    if (nowMs === null) return err(refusal("TIME_STALE"));
    if (!hasBootFloor(this.#manifest.state)) return ok(NO_FLOOR);
    return ok(bootFloorAt(this.#manifest.ethereum.network, nowMs));
  }
}
