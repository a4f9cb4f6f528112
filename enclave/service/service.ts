// The enclave's answers: one handler for each method, behind the phase table. Steps that change
// what the enclave is (measuring, opening bundles, opening the state) run one at a time. It must
// never answer a method that the present phase does not list.

import { encodeStatement } from "../../shared/attestation/statement.ts";
import { parseBundle } from "../../shared/bundle/format.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_PAGE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SCHEMES } from "../../shared/scheme.ts";
import type { Handlers } from "../../shared/wire/link.ts";
import type { AnswerOf, ENCLAVE_METHODS, EnclaveMethod } from "../../shared/wire/methods.ts";
import type { TrustedTime } from "../attestation/trusted-time.ts";
import type { PushedCredentials } from "../aws/credentials.ts";
import { type EthereumFloor, NO_FLOOR } from "../core/chains/ethereum/slashing-rule.ts";
import { bootFloorAt, handoverFloorAt } from "../core/chains/ethereum/time-bound.ts";
import type { Manifest } from "../core/manifest.ts";
import { Life } from "../core/phase.ts";
import type { Entropy, KeyReleaser, Nsm, ReceiptLog, SignPool, StateStore } from "../core/ports.ts";
import { hasBootFloor, type StateConfig } from "../core/state-config.ts";
import { type OpenedBundle, openBundle } from "../keys/bundle.ts";
import type { StoreCredentialRing } from "../keys/store-credentials.ts";
import { Accounts, type LastState, stateOf } from "./accounts.ts";
import { BundleStage } from "./bundle-stage.ts";
import { HandoverGiver, verifyHandover } from "./handover.ts";
import { measureManifest } from "./measurement.ts";
import { type SigningParts, sign } from "./signing.ts";
import {
  type ActParts,
  initRecords,
  overrideRecord,
  raiseRecords,
  retireKeys,
} from "./state-acts.ts";

export type ServiceParts = {
  readonly nsm: Nsm;
  readonly time: TrustedTime;
  readonly credentials: PushedCredentials;
  readonly releaser: KeyReleaser;
  /** The store that the measured manifest names. */
  readonly createStore: (state: StateConfig) => StateStore;
  readonly storeCredentials: StoreCredentialRing;
  readonly receiptLog: Pick<ReceiptLog, "lostCount" | "flush">;
  readonly pool: SignPool;
  readonly entropy: Entropy;
  readonly software: string;
  readonly bootId: Uint8Array;
  /** DER of the root that a predecessor's document must be certified by. */
  readonly nsmRoot: Uint8Array;
};

const CHALLENGE_BYTES = 32;
/** Much less than whoever drains waits. */
const FLUSH_MS_MAX = 1000;

type Answer<M extends EnclaveMethod> = Result<AnswerOf<(typeof ENCLAVE_METHODS)[M]>, Refusal>;
type EnclaveHandlers = Handlers<typeof ENCLAVE_METHODS>;

class Service {
  readonly #parts: ServiceParts;
  readonly #life = new Life();
  readonly #stage = new BundleStage();
  readonly #challenge: Uint8Array;
  #manifest: { readonly value: Manifest; readonly digest: Uint8Array } | null = null;
  #accounts: Accounts | null = null;
  #signing: SigningParts | null = null;
  #acts: ActParts | null = null;
  #giver: HandoverGiver | null = null;
  #floor: EthereumFloor | null = null;
  #store: StateStore | null = null;
  #overrideCount = 0;
  #inFlightCount = 0;
  #onIdle: (() => void) | null = null;
  /** Null before it drained, and when there was no trusted time then. */
  #drainedMs: number | null = null;
  /** The end of the last step; the next one starts there. */
  #lastStep: Promise<unknown> = Promise.resolve();

  constructor(parts: ServiceParts) {
    this.#parts = parts;
    this.#challenge = parts.entropy.randomBytes(CHALLENGE_BYTES);
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
      "state.challenge": () => this.#gate("state.challenge", () => ok({ nonce: this.#challenge })),
      "state.open": ({ handover }) => {
        const document = handover?.slice() ?? null;
        return this.#step("state.open", () => this.#openState(document));
      },
      "state.init": (params) => this.#act("state.init", () => this.#initState(params)),
      "state.show": ({ keys }) =>
        this.#gate("state.show", () =>
          ok(this.#loadedAccounts.findAll(keys).map((account) => stateOf(account))),
        ),
      "state.import": (params) =>
        this.#act("state.import", () => raiseRecords(this.#actParts, params)),
      "state.retire": (params) =>
        this.#act("state.retire", () => retireKeys(this.#actParts, params)),
      "state.override": (params) => this.#act("state.override", () => this.#overrideState(params)),
      "state.handover": ({ nonce }) => {
        const own = nonce.slice();
        return this.#step("state.handover", () => this.#handOver(own));
      },
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

  /** As `#gate`; a drain waits for it, as for a signature: it writes records. */
  #act<T>(
    method: EnclaveMethod,
    run: () => Promise<Result<T, Refusal>>,
  ): Result<T, Refusal> | Promise<Result<T, Refusal>> {
    return this.#gate(method, () => this.#counted(run()));
  }

  #counted<T>(answer: Promise<T>): Promise<T> {
    this.#inFlightCount += 1;
    return answer.finally(() => {
      this.#inFlightCount -= 1;
      if (this.#inFlightCount === 0) this.#onIdle?.();
    });
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

  get #actParts(): ActParts {
    invariant(this.#acts !== null, "a phase that allows acts has opened the state");
    return this.#acts;
  }

  #status(): AnswerOf<(typeof ENCLAVE_METHODS)["status"]> {
    const { time, software, bootId, storeCredentials, receiptLog } = this.#parts;
    const timeMs = time.nowMs();
    return {
      phase: this.#life.phase,
      software,
      bootId,
      manifestDigest: this.#manifest?.digest ?? null,
      genesisValidatorsRoot: this.#manifest?.value.ethereum.network.genesisValidatorsRoot ?? null,
      bundleIds: [...(this.#accounts?.keyring.bundleIds() ?? []), ...storeCredentials.bundleIds()],
      keyCount: this.#accounts?.keyring.keyCount ?? 0,
      recordCount: this.#accounts?.recordCount ?? 0,
      floor: this.#floor,
      highWatermark: this.#manifest?.value.ethereum.highWatermark ?? null,
      storeKind: this.#manifest?.value.state.kind ?? null,
      overrideCount: this.#overrideCount,
      lostReceiptCount: receiptLog.lostCount,
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
    switch (opened.value.purpose) {
      case "redoubt/keys":
        return this.#addKeys(opened.value.bundle, this.#manifest.value);
      case "redoubt/store": {
        const { id, credentials } = opened.value;
        const added = this.#parts.storeCredentials.add(id, credentials);
        return added.ok ? ok({ bundleId: id, keyCount: 0 }) : added;
      }
    }
  }

  async #addKeys(bundle: OpenedBundle, manifest: Manifest): Promise<Answer<"bundle.open">> {
    const chooseFloor = this.#signing === null ? null : () => this.#chooseFloor(manifest);
    const added = await this.#loadedAccounts.add(bundle, chooseFloor);
    if (!added.ok) return added;
    if (this.#life.phase === "Measured") this.#life.enter("Unsealed");
    return ok({ bundleId: bundle.id, keyCount: bundle.keys.length });
  }

  /** A bundle that is open already: its answer may have been lost, and KMS is not asked again. */
  #findOpened(bytes: Uint8Array): AnswerOf<(typeof ENCLAVE_METHODS)["bundle.open"]> | null {
    const bundle = parseBundle(bytes);
    if (!bundle.ok) return null;
    const { id, keyCount } = bundle.value.header;
    const isOpen =
      this.#loadedAccounts.keyring.hasBundle(id) || this.#parts.storeCredentials.has(id);
    return isOpen ? { bundleId: id.slice(), keyCount } : null;
  }

  async #retain(bundleIds: readonly Uint8Array[]): Promise<Answer<"bundle.retain">> {
    this.#parts.storeCredentials.retain(bundleIds);
    return ok({ droppedKeyCount: await this.#loadedAccounts.retain(bundleIds) });
  }

  async #openState(handover: Uint8Array | null): Promise<Answer<"state.open">> {
    invariant(this.#manifest !== null, "the state is opened after the manifest is measured");
    const { time, pool, nsm, bootId } = this.#parts;
    const manifest = this.#manifest.value;
    // Once: the tokens of a store's writes are counted from its start.
    this.#store ??= this.#parts.createStore(manifest.state);
    const store = this.#store;
    const verified = await store.verify();
    if (!verified.ok) return verified;
    const accounts = this.#loadedAccounts;
    const ledger = await accounts.readState(store);
    if (!ledger.ok) return ledger;
    // After the records: the parent may hold them back, and have the keys sign elsewhere meanwhile.
    const floor = await this.#chooseFloor(manifest);
    if (!floor.ok) return floor;
    const last = handover === null ? ok(null) : this.#verifyHandover(handover, manifest);
    if (!last.ok) return last;
    const isHandedOver = accounts.openState(ledger.value, floor.value, last.value);
    this.#floor = isHandedOver && last.value !== null ? last.value.floor : floor.value;
    const nowMs = () => time.nowMs();
    this.#signing = { manifest, accounts, pool, nowMs };
    this.#acts = { manifest, accounts, store, nsm, bootId, nowMs };
    const scope = manifest.ethereum.network.genesisValidatorsRoot;
    this.#giver = new HandoverGiver({ accounts, scope, nsm, bootId, nowMs });
    this.#life.enter("Ready");
    const { keyCount } = accounts.keyring;
    return ok({ keyCount, recordCount: accounts.recordCount, isHandedOver });
  }

  /** What the predecessor left. */
  #verifyHandover(document: Uint8Array, manifest: Manifest): Result<LastState, Refusal> {
    const nowMs = this.#parts.time.nowMs();
    if (nowMs === null) return err(refusal("TIME_STALE"));
    const { nsmRoot } = this.#parts;
    const parts = { manifest, nsmRoot, challenge: this.#challenge, nowMs };
    const handover = verifyHandover(document, parts);
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
  async #chooseFloor(manifest: Manifest): Promise<Result<EthereumFloor, Refusal>> {
    const renewed = await this.#parts.time.renew();
    if (!renewed.ok) return renewed;
    const nowMs = this.#parts.time.nowMs();
    if (nowMs === null) return err(refusal("TIME_STALE"));
    if (!hasBootFloor(manifest.state)) return ok(NO_FLOOR);
    return ok(bootFloorAt(manifest.ethereum.network, nowMs));
  }

  async #initState(
    params: Parameters<EnclaveHandlers["state.init"]>[0],
  ): Promise<Answer<"state.init">> {
    const created = await initRecords(this.#actParts, params);
    return created.ok ? ok({ createdCount: created.value }) : created;
  }

  async #overrideState(
    params: Parameters<EnclaveHandlers["state.override"]>[0],
  ): Promise<Answer<"state.override">> {
    const done = await overrideRecord(this.#actParts, params);
    if (done.ok) this.#overrideCount += 1;
    return done;
  }

  /** Only after draining: the phase table says so. What is in flight is waited for once more. */
  async #handOver(nonce: Uint8Array): Promise<Answer<"state.handover">> {
    await this.#drain();
    invariant(this.#giver !== null, "a phase that allows a hand-over has opened the state");
    invariant(this.#manifest !== null, "a phase that allows a hand-over has a manifest");
    // Whoever has no floor itself has nothing to hand over to one who needs it: its records may
    // have been rewound before its boot by those who may write to the table.
    if (!hasBootFloor(this.#manifest.value.state)) return err(refusal("HANDOVER_REFUSED"));
    if (this.#drainedMs === null) return err(refusal("TIME_STALE"));
    const document = await this.#giver.give(nonce, this.#drainedMs);
    await this.#parts.receiptLog.flush(FLUSH_MS_MAX);
    return document.ok ? ok({ document: document.value }) : document;
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
    return answer instanceof Promise ? this.#counted(answer) : answer;
  }

  async #drain(): Promise<Answer<"drain">> {
    if (this.#life.phase === "Ready") {
      this.#life.enter("Draining");
      this.#drainedMs = this.#parts.time.nowMs();
    }
    if (this.#inFlightCount > 0) {
      await new Promise<void>((resolve) => {
        const earlier = this.#onIdle;
        this.#onIdle = () => {
          earlier?.();
          resolve();
        };
      });
    }
    // Whoever drains it ends it: what it has not told by then would be a gap in the history.
    await this.#parts.receiptLog.flush(FLUSH_MS_MAX);
    return ok({});
  }
}

export function createService(parts: ServiceParts): EnclaveHandlers {
  return new Service(parts).handlers();
}
