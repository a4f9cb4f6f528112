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
import type { AnswerOf, ENCLAVE_METHODS, EnclaveMethod } from "../../shared/wire/methods.ts";
import type { TrustedTime } from "../attestation/trusted-time.ts";
import type { PushedCredentials } from "../aws/credentials.ts";
import type { Manifest } from "../core/manifest.ts";
import { Life } from "../core/phase.ts";
import type { Entropy, KeyReleaser, Nsm, ReceiptLog, SignPool, StateStore } from "../core/ports.ts";
import type { StateConfig } from "../core/state-config.ts";
import { type OpenedBundle, openBundle } from "../keys/bundle.ts";
import type { StoreCredentialRing } from "../keys/store-credentials.ts";
import { BundleStage } from "./bundle-stage.ts";
import type { ChainMethod, ChainParts, ChainService, EnclaveHandlers } from "./chain-service.ts";
import { EthereumService } from "./ethereum-service.ts";
import { measureManifest } from "./measurement.ts";
import { TendermintService } from "./tendermint-service.ts";

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

/** Before the manifest is measured. */
const NO_CHAIN = {
  genesisValidatorsRoot: null,
  chainIds: [],
  floor: null,
  highWatermark: null,
  overrideCount: 0,
};

type Handler<Params, T> = (params: Params) => Result<T, Refusal> | Promise<Result<T, Refusal>>;
type Answer<M extends EnclaveMethod> = Result<AnswerOf<(typeof ENCLAVE_METHODS)[M]>, Refusal>;

class Service {
  readonly #parts: ServiceParts;
  readonly #life = new Life();
  readonly #stage = new BundleStage();
  readonly #challenge: Uint8Array;
  #manifest: { readonly value: Manifest; readonly digest: Uint8Array } | null = null;
  #chain: ChainService | null = null;
  #store: StateStore | null = null;
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
      "state.init": this.#ofChain("state.init", (methods) => methods["state.init"]),
      "state.show": this.#ofChain("state.show", (methods) => methods["state.show"]),
      "state.import": this.#ofChain("state.import", (methods) => methods["state.import"]),
      "state.retire": this.#ofChain("state.retire", (methods) => methods["state.retire"]),
      "state.override": this.#ofChain("state.override", (methods) => methods["state.override"]),
      "state.handover": ({ nonce }) => {
        const own = nonce.slice();
        return this.#step("state.handover", () => this.#handOver(own));
      },
      "keys.list": ({ offset }) => this.#gate("keys.list", () => ok(this.#listKeys(offset))),
      attest: ({ nonce }) => this.#gate("attest", () => this.#attest(nonce)),
      sign: this.#ofChain("sign", ({ sign }) => sign),
      privval: this.#ofChain("privval", ({ privval }) => privval),
      "consensus.show": this.#ofChain("consensus.show", (methods) => methods["consensus.show"]),
      "consensus.import": this.#ofChain(
        "consensus.import",
        (methods) => methods["consensus.import"],
      ),
      "consensus.retire": this.#ofChain(
        "consensus.retire",
        (methods) => methods["consensus.retire"],
      ),
      "consensus.override": this.#ofChain(
        "consensus.override",
        (methods) => methods["consensus.override"],
      ),
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

  /** As `#gate`, answered by the family of chains. A drain waits for it: it may write records. */
  #ofChain<Params, T>(
    method: ChainMethod,
    pick: (methods: ChainService["methods"]) => Handler<Params, T> | undefined,
  ): Handler<Params, T> {
    return (params) =>
      this.#gate(method, () => {
        const answered = pick(this.#loadedChain.methods)?.(params) ?? err(refusal("CHAIN_OTHER"));
        return answered instanceof Promise ? this.#counted(answered) : answered;
      });
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

  get #loadedChain(): ChainService {
    invariant(this.#chain !== null, "a phase that allows keys has measured the manifest");
    return this.#chain;
  }

  #status(): AnswerOf<(typeof ENCLAVE_METHODS)["status"]> {
    const { time, software, bootId, storeCredentials, receiptLog } = this.#parts;
    const timeMs = time.nowMs();
    return {
      phase: this.#life.phase,
      software,
      bootId,
      manifestDigest: this.#manifest?.digest ?? null,
      ...(this.#chain?.status() ?? NO_CHAIN),
      bundleIds: [...(this.#chain?.keyring.bundleIds() ?? []), ...storeCredentials.bundleIds()],
      keyCount: this.#chain?.keyring.keyCount ?? 0,
      recordCount: this.#chain?.recordCount ?? 0,
      storeKind: this.#manifest?.value.state.kind ?? null,
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
    this.#chain = createChain(manifest, { ...this.#parts, challenge: this.#challenge });
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
        return this.#addKeys(opened.value.bundle);
      case "redoubt/store": {
        const { id, credentials } = opened.value;
        const added = this.#parts.storeCredentials.add(id, credentials);
        return added.ok ? ok({ bundleId: id, keyCount: 0 }) : added;
      }
    }
  }

  async #addKeys(bundle: OpenedBundle): Promise<Answer<"bundle.open">> {
    const added = await this.#loadedChain.add(bundle);
    if (!added.ok) return added;
    if (this.#life.phase === "Measured") this.#life.enter("Unsealed");
    return ok({ bundleId: bundle.id, keyCount: bundle.keys.length });
  }

  /** A bundle that is open already: its answer may have been lost, and KMS is not asked again. */
  #findOpened(bytes: Uint8Array): AnswerOf<(typeof ENCLAVE_METHODS)["bundle.open"]> | null {
    const bundle = parseBundle(bytes);
    if (!bundle.ok) return null;
    const { id, keyCount } = bundle.value.header;
    const isOpen = this.#loadedChain.keyring.hasBundle(id) || this.#parts.storeCredentials.has(id);
    return isOpen ? { bundleId: id.slice(), keyCount } : null;
  }

  async #retain(bundleIds: readonly Uint8Array[]): Promise<Answer<"bundle.retain">> {
    this.#parts.storeCredentials.retain(bundleIds);
    return ok({ droppedKeyCount: await this.#loadedChain.retain(bundleIds) });
  }

  async #openState(handover: Uint8Array | null): Promise<Answer<"state.open">> {
    invariant(this.#manifest !== null, "the state is opened after the manifest is measured");
    // Once: the tokens of a store's writes are counted from its start.
    this.#store ??= this.#parts.createStore(this.#manifest.value.state);
    const verified = await this.#store.verify();
    if (!verified.ok) return verified;
    const chain = this.#loadedChain;
    const opened = await chain.open(this.#store, handover);
    if (!opened.ok) return opened;
    this.#life.enter("Ready");
    const { keyring, recordCount } = chain;
    return ok({ keyCount: keyring.keyCount, recordCount, isHandedOver: opened.value });
  }

  /** Only after draining: the phase table says so. What is in flight is waited for once more. */
  async #handOver(nonce: Uint8Array): Promise<Answer<"state.handover">> {
    await this.#drain();
    if (this.#drainedMs === null) return err(refusal("TIME_STALE"));
    const document = await this.#loadedChain.handOver(nonce, this.#drainedMs);
    await this.#parts.receiptLog.flush(FLUSH_MS_MAX);
    return document.ok ? ok({ document: document.value }) : document;
  }

  #listKeys(offset: number): AnswerOf<(typeof ENCLAVE_METHODS)["keys.list"]> {
    const keys = this.#loadedChain.keyring.list();
    const page = keys.slice(offset, offset + KEY_PAGE_COUNT_MAX);
    return {
      totalCount: keys.length,
      keys: page.map(({ scheme, publicKey }) => ({ scheme: SCHEMES[scheme].number, publicKey })),
    };
  }

  async #attest(nonce: Uint8Array | null): Promise<Answer<"attest">> {
    invariant(this.#manifest !== null, "a document names the measured manifest");
    const { keyring } = this.#loadedChain;
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
    await this.#loadedChain.drain();
    // Whoever drains it ends it: what it has not told by then would be a gap in the history.
    await this.#parts.receiptLog.flush(FLUSH_MS_MAX);
    return ok({});
  }
}

/** Each family of chains, by the manifest's. */
function createChain(manifest: Manifest, parts: ChainParts): ChainService {
  switch (manifest.family) {
    case "ethereum":
      return new EthereumService(manifest, parts);
    case "tendermint":
      return new TendermintService(manifest, parts);
  }
}

export function createService(parts: ServiceParts): EnclaveHandlers {
  return new Service(parts).handlers();
}
