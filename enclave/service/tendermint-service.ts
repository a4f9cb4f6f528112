// Tendermint's side of the service: keys of one or more chains, the answers to their nodes and the
// operator's acts. Heights do not follow the clock, so there is no floor by time: the manifest has
// said, by its store, why the records can be trusted to be the last (docs/safety.md).

import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { NO_FLOOR, type TendermintFloor } from "../core/chains/tendermint/consensus-record.ts";
import type { TendermintManifest } from "../core/manifest.ts";
import type { StateStore } from "../core/ports.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import type { Keyring } from "../keys/keyring.ts";
import type { ChainParts, ChainService, ChainStatus, EnclaveHandlers } from "./chain-service.ts";
import { ClaimRecorder } from "./claim-recorder.ts";
import {
  type ConsensusActParts,
  overridePosition,
  raisePositions,
  retireConsensusKeys,
} from "./consensus-acts.ts";
import { answerPrivval } from "./privval.ts";
import { createFirstRecords } from "./record-act.ts";
import {
  consensusStateOf,
  createTendermintAccounts,
  type TendermintAccounts,
} from "./tendermint-accounts.ts";
import { UnboundSignatures } from "./unbound-signatures.ts";

export class TendermintService implements ChainService {
  readonly #manifest: TendermintManifest;
  readonly #parts: ChainParts;
  readonly #accounts: TendermintAccounts;
  readonly #recorder: ClaimRecorder;
  readonly #unboundSignatures = new UnboundSignatures();
  #store: StateStore | null = null;
  #overrideCount = 0;

  constructor(manifest: TendermintManifest, parts: ChainParts) {
    this.#manifest = manifest;
    this.#parts = parts;
    this.#accounts = createTendermintAccounts(manifest);
    this.#recorder = new ClaimRecorder(parts.bootId, this.#nowMs);
  }

  get keyring(): Keyring {
    return this.#accounts.keyring;
  }

  get recordCount(): number {
    return this.#accounts.recordCount;
  }

  readonly methods: ChainService["methods"] = {
    privval: (params) => {
      const parts = {
        accounts: this.#accounts,
        recorder: this.#recorder,
        unboundSignatures: this.#unboundSignatures,
        nowMs: this.#nowMs,
      };
      return answerPrivval(parts, params);
    },
    "state.init": async ({ keys }) => {
      const created = await createFirstRecords(this.#acts, keys);
      return created.ok ? ok({ createdCount: created.value }) : created;
    },
    "consensus.show": ({ keys }) =>
      ok(this.#accounts.findAll(keys).map((account) => consensusStateOf(account))),
    "consensus.import": (params) => raisePositions(this.#acts, params),
    "consensus.retire": (params) => retireConsensusKeys(this.#acts, params),
    "consensus.override": (params) => this.#override(params),
  };

  status(): ChainStatus {
    return {
      genesisValidatorsRoot: null,
      chainIds: this.#manifest.chains.map(({ chainId }) => chainId),
      floor: null,
      highWatermark: null,
      overrideCount: this.#overrideCount,
    };
  }

  add(bundle: OpenedBundle): Promise<Result<null, Refusal>> {
    return this.#accounts.add(bundle, this.#store === null ? null : chooseNoFloor);
  }

  retain(bundleIds: readonly Uint8Array[]): Promise<number> {
    return this.#accounts.retain(bundleIds);
  }

  async open(store: StateStore, handover: Uint8Array | null): Promise<Result<boolean, Refusal>> {
    // There is no floor that a hand-over could spare.
    if (handover !== null) return err(refusal("HANDOVER_REFUSED"));
    // What is signed is told with its time.
    const renewed = await this.#parts.time.renew();
    if (!renewed.ok) return renewed;
    const ledgers = await this.#accounts.readState(store);
    if (!ledgers.ok) return ledgers;
    this.#accounts.openState(ledgers.value, NO_FLOOR, null);
    this.#store = store;
    return ok(false);
  }

  drain(): Promise<void> {
    return this.#recorder.giveBack();
  }

  handOver(): Promise<Result<Uint8Array, Refusal>> {
    return Promise.resolve(err(refusal("HANDOVER_REFUSED")));
  }

  readonly #nowMs = (): number | null => this.#parts.time.nowMs();

  get #acts(): ConsensusActParts {
    invariant(this.#store !== null, "what is changed is so after the state is open");
    const { nsm, bootId } = this.#parts;
    return {
      manifest: this.#manifest,
      accounts: this.#accounts,
      recorder: this.#recorder,
      store: this.#store,
      nsm,
      bootId,
      nowMs: this.#nowMs,
    };
  }

  async #override(
    params: Parameters<EnclaveHandlers["consensus.override"]>[0],
  ): ReturnType<typeof overridePosition> {
    const done = await overridePosition(this.#acts, params);
    if (done.ok) this.#overrideCount += 1;
    return done;
  }
}

function chooseNoFloor(): Promise<Result<TendermintFloor, Refusal>> {
  return Promise.resolve(ok(NO_FLOOR));
}
