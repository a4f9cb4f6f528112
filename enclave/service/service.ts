// The enclave's answers: one handler for each method, behind the phase table. Steps that change
// what the enclave is (measuring, opening bundles, opening the state) run one at a time. It must
// never answer a method that the present phase does not list.

import { encodeStatement } from "../../shared/attestation/statement.ts";
import { parseBundle } from "../../shared/bundle/format.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_PAGE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SCHEMES } from "../../shared/scheme.ts";
import type { Handlers } from "../../shared/wire/link.ts";
import type { AnswerOf, ENCLAVE_METHODS, EnclaveMethod } from "../../shared/wire/methods.ts";
import type { TrustedTime } from "../attestation/trusted-time.ts";
import type { PushedCredentials } from "../aws/credentials.ts";
import type { EthereumFloor } from "../core/chains/ethereum/slashing-rule.ts";
import { bootFloorAt, decideImportTime } from "../core/chains/ethereum/time-bound.ts";
import type { Manifest } from "../core/manifest.ts";
import { Life } from "../core/phase.ts";
import type { KeyReleaser, Nsm, SignPool, StateStore } from "../core/ports.ts";
import { openBundle } from "../keys/bundle.ts";
import { Accounts } from "./accounts.ts";
import { BundleStage } from "./bundle-stage.ts";
import { measureManifest } from "./measurement.ts";
import { type SigningParts, sign } from "./signing.ts";

export type ServiceParts = {
  readonly nsm: Nsm;
  readonly time: TrustedTime;
  readonly credentials: PushedCredentials;
  readonly releaser: KeyReleaser;
  readonly store: StateStore;
  readonly pool: SignPool;
  readonly software: string;
  readonly bootId: Uint8Array;
};

type Answer<M extends EnclaveMethod> = Result<AnswerOf<(typeof ENCLAVE_METHODS)[M]>, Refusal>;
type EnclaveHandlers = Handlers<typeof ENCLAVE_METHODS>;

class Service {
  readonly #parts: ServiceParts;
  readonly #life = new Life();
  readonly #stage = new BundleStage();
  #manifest: { readonly value: Manifest; readonly digest: Uint8Array } | null = null;
  #accounts: Accounts | null = null;
  #signing: SigningParts | null = null;
  #floor: EthereumFloor | null = null;
  #inFlightCount = 0;
  #onIdle: (() => void) | null = null;
  /** The end of the last step; the next one starts there. */
  #lastStep: Promise<unknown> = Promise.resolve();

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  handlers(): EnclaveHandlers {
    return {
      status: () => ok(this.#status()),
      "manifest.put": ({ manifest }) =>
        this.#step("manifest.put", () => this.#measure(manifest.slice())),
      "credentials.put": (pushed) =>
        this.#gate("credentials.put", () => {
          const put = this.#parts.credentials.put(pushed);
          return put.ok ? ok({}) : put;
        }),
      "bundle.put": (piece) =>
        this.#gate("bundle.put", () => {
          const put = this.#stage.put(piece);
          return put.ok ? ok({}) : put;
        }),
      "bundle.open": ({ name }) => this.#step("bundle.open", () => this.#openBundle(name)),
      "bundle.retain": ({ bundleIds }) => {
        const ids = bundleIds.map((id) => id.slice());
        return this.#step("bundle.retain", () => this.#retain(ids));
      },
      "state.open": () => this.#step("state.open", () => this.#openState()),
      "state.init": ({ keys }) => this.#gate("state.init", () => this.#initState(keys)),
      "state.show": ({ keys }) =>
        this.#gate("state.show", () => ok(this.#loadedAccounts.show(keys))),
      "state.import": (params) => this.#gate("state.import", () => this.#importState(params)),
      "keys.list": ({ offset }) => this.#gate("keys.list", () => ok(this.#listKeys(offset))),
      attest: ({ nonce }) => this.#gate("attest", () => this.#attest(nonce)),
      sign: (params) => this.#gate("sign", () => this.#sign(params)),
      drain: () => this.#gate("drain", () => this.#drain()),
    };
  }

  /** Refuses what the phase table does not list. */
  #gate<T>(
    method: EnclaveMethod,
    run: () => Result<T, Refusal> | Promise<Result<T, Refusal>>,
  ): Result<T, Refusal> | Promise<Result<T, Refusal>> {
    if (this.#life.isAllowed(method)) return run();
    const { phase } = this.#life;
    return err(phase === "Draining" ? refusal("DRAINING") : refusal("PHASE_REFUSED", phase));
  }

  /** As `#gate`, after every earlier step has ended: the phase may be another one by then. */
  #step<T>(
    method: EnclaveMethod,
    run: () => Promise<Result<T, Refusal>>,
  ): Promise<Result<T, Refusal>> {
    const step = this.#lastStep.then(() => this.#gate(method, run));
    this.#lastStep = step;
    return step;
  }

  get #loadedAccounts(): Accounts {
    invariant(this.#accounts !== null, "a phase that allows keys has accounts");
    return this.#accounts;
  }

  #status(): AnswerOf<(typeof ENCLAVE_METHODS)["status"]> {
    const { time, software, bootId } = this.#parts;
    const timeMs = time.nowMs();
    return {
      phase: this.#life.phase,
      software,
      bootId,
      manifestDigest: this.#manifest?.digest ?? null,
      genesisValidatorsRoot: this.#manifest?.value.ethereum.network.genesisValidatorsRoot ?? null,
      bundleIds: this.#accounts?.keyring.bundleIds() ?? [],
      keyCount: this.#accounts?.keyring.keyCount ?? 0,
      recordCount: this.#accounts?.recordCount ?? 0,
      floor: this.#floor,
      highWatermark: this.#manifest?.value.ethereum.highWatermark ?? null,
      timeMs: timeMs ?? 0,
      // Also when it is too old to be used: an age that fell to 0 then would end the alarm on it.
      timeAgeMs: Math.floor(Math.min(time.ageMs(), Number.MAX_SAFE_INTEGER)),
    };
  }

  async #measure(bytes: Uint8Array): Promise<Answer<"manifest.put">> {
    const measured = await measureManifest(bytes, this.#parts.nsm);
    if (!measured.ok) {
      if (measured.error.isSpoiled) this.#life.enter("Dead");
      return err(measured.error.refusal);
    }
    const { manifest, digest } = measured.value;
    this.#manifest = { value: manifest, digest };
    this.#accounts = new Accounts(manifest, this.#parts.pool);
    this.#life.enter("Measured");
    return ok({ digest });
  }

  async #openBundle(name: string): Promise<Answer<"bundle.open">> {
    invariant(this.#manifest !== null, "bundles are opened after the manifest is measured");
    const staged = this.#stage.take(name);
    if (!staged.ok) return staged;
    const already = this.#findOpened(staged.value);
    if (already !== null) return ok(already);
    const { releaser } = this.#parts;
    const opened = await openBundle(staged.value, this.#manifest.value.kmsKeyArn, releaser);
    if (!opened.ok) return opened;
    const floor = this.#signing === null ? ok(null) : await this.#chooseFloor(this.#manifest.value);
    if (!floor.ok) {
      opened.value.material.wipe();
      return floor;
    }
    const added = await this.#loadedAccounts.add(opened.value, floor.value);
    if (!added.ok) return added;
    if (this.#life.phase === "Measured") this.#life.enter("Unsealed");
    return ok({ bundleId: opened.value.id, keyCount: opened.value.keys.length });
  }

  /** A bundle that is open already: its answer may have been lost, and KMS is not asked again. */
  #findOpened(bytes: Uint8Array): AnswerOf<(typeof ENCLAVE_METHODS)["bundle.open"]> | null {
    const bundle = parseBundle(bytes);
    if (!bundle.ok || !this.#loadedAccounts.keyring.hasBundle(bundle.value.header.id)) return null;
    const { id, keyCount } = bundle.value.header;
    return { bundleId: id.slice(), keyCount };
  }

  async #retain(bundleIds: readonly Uint8Array[]): Promise<Answer<"bundle.retain">> {
    return ok({ droppedKeyCount: await this.#loadedAccounts.retain(bundleIds) });
  }

  async #openState(): Promise<Answer<"state.open">> {
    invariant(this.#manifest !== null, "the state is opened after the manifest is measured");
    const { time, store, pool } = this.#parts;
    const manifest = this.#manifest.value;
    const floor = await this.#chooseFloor(manifest);
    if (!floor.ok) return floor;
    const accounts = this.#loadedAccounts;
    const opened = await accounts.openState(store, floor.value);
    if (!opened.ok) return opened;
    this.#floor = floor.value;
    this.#signing = { manifest, accounts, pool, nowMs: () => time.nowMs() };
    this.#life.enter("Ready");
    return ok({ keyCount: accounts.keyring.keyCount, recordCount: accounts.recordCount });
  }

  /** For keys that are loaded now. Asks for the time anew: a paused clock would be behind. */
  async #chooseFloor(manifest: Manifest): Promise<Result<EthereumFloor, Refusal>> {
    const renewed = await this.#parts.time.renew();
    if (!renewed.ok) return renewed;
    const nowMs = this.#parts.time.nowMs();
    if (nowMs === null) return err(refusal("TIME_STALE"));
    return ok(bootFloorAt(manifest.ethereum.network, nowMs));
  }

  async #initState(keys: readonly Uint8Array[]): Promise<Answer<"state.init">> {
    const timeMs = this.#parts.time.nowMs();
    if (timeMs === null) return err(refusal("TIME_STALE"));
    const created = await this.#loadedAccounts.init(keys, timeMs);
    return created.ok ? ok({ createdCount: created.value }) : created;
  }

  async #importState(
    params: Parameters<EnclaveHandlers["state.import"]>[0],
  ): Promise<Answer<"state.import">> {
    invariant(this.#manifest !== null, "state is imported after the manifest is measured");
    const { network } = this.#manifest.value.ethereum;
    if (!isEqualBytes(network.genesisValidatorsRoot, params.genesisValidatorsRoot)) {
      return err(refusal("INTERCHANGE_NETWORK"));
    }
    const timeMs = this.#parts.time.nowMs();
    if (timeMs === null) return err(refusal("TIME_STALE"));
    for (const floor of params.floors) {
      const beyond = decideImportTime(network, timeMs, floor);
      if (beyond !== null) return err(beyond);
    }
    return this.#loadedAccounts.import(params.floors, params.isDryRun, timeMs);
  }

  #listKeys(offset: number): AnswerOf<(typeof ENCLAVE_METHODS)["keys.list"]> {
    const keys = this.#loadedAccounts.keyring.list();
    const page = keys.slice(offset, offset + KEY_PAGE_COUNT_MAX);
    return {
      totalCount: keys.length,
      keys: page.map(({ scheme, publicKey }) => ({ scheme: SCHEMES[scheme].number, publicKey })),
    };
  }

  async #attest(nonce: Uint8Array | null): Promise<Answer<"attest">> {
    invariant(this.#manifest !== null, "a document names the measured manifest");
    const { keyring } = this.#loadedAccounts;
    const userData = encodeStatement({
      manifest: this.#manifest.digest,
      keySet: keyring.keySetDigest(),
      keyCount: keyring.keyCount,
      software: this.#parts.software,
      bootId: this.#parts.bootId,
    });
    const own = nonce === null ? null : nonce.slice();
    const document = await this.#parts.nsm.attest({ userData, nonce: own, publicKey: null });
    return document.ok ? ok({ document: document.value }) : document;
  }

  #sign(params: Parameters<EnclaveHandlers["sign"]>[0]): Answer<"sign"> | Promise<Answer<"sign">> {
    invariant(this.#signing !== null, "what is signed is signed after the state is open");
    const answer = sign(this.#signing, params);
    if (!(answer instanceof Promise)) return answer;
    this.#inFlightCount += 1;
    return answer.finally(() => {
      this.#inFlightCount -= 1;
      if (this.#inFlightCount === 0) this.#onIdle?.();
    });
  }

  async #drain(): Promise<Answer<"drain">> {
    if (this.#life.phase === "Ready") this.#life.enter("Draining");
    if (this.#inFlightCount > 0) {
      await new Promise<void>((resolve) => {
        const earlier = this.#onIdle;
        this.#onIdle = () => {
          earlier?.();
          resolve();
        };
      });
    }
    return ok({});
  }
}

export function createService(parts: ServiceParts): EnclaveHandlers {
  return new Service(parts).handlers();
}
