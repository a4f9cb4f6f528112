// Takes the enclave from whatever phase it is in to Ready, again after each of its boots, and keeps
// it supplied: manifest, credentials, bundles, state, and back the list of keys. One step runs at a
// time; what happens meanwhile starts another. It must never give up, never log the same failure
// twice in a row, and never take keys that work out of service because something else failed.

import { createHash } from "node:crypto";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { describeDetail, type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Credentials, EnclaveStatus, Log, ReloadState } from "../ports.ts";
import { Backoff, type BackoffBounds } from "./backoff.ts";
import { type BundleFailure, BundleLoader, type BundleRead } from "./bundle-loader.ts";
import type { EnclaveLink } from "./enclave-link.ts";
import { listKeys } from "./key-list.ts";

export type ProvisionOptions = {
  readonly link: EnclaveLink;
  /** The exact bytes to be measured. */
  readonly manifest: Uint8Array;
  readonly readBundles: () => Promise<BundleRead>;
  readonly log: Log;
  readonly retry?: BackoffBounds;
  /** How often bundles that failed are read and tried again while others serve. */
  readonly bundleRetry?: BackoffBounds;
  /** Of an enclave that is to take over from another one. */
  readonly succession?: Succession;
};

export type Succession = {
  /** Instead of `state.open`: brings an enclave whose bundles are open to Ready, when it may. */
  openState(status: EnclaveStatus): Promise<Result<null, Refusal>>;
  /**
   * It is Ready, and its keys are listed. True: it has taken over, and is from now on an enclave
   * like any other.
   */
  onReady(): boolean;
};

const RETRY: BackoffBounds = { minMs: 250, maxMs: 4000 };
const BUNDLE_RETRY: BackoffBounds = { minMs: 5000, maxMs: 120_000 };
const CALL_DEADLINE_MS = 10_000;
/** Reading the records of every key, and choosing the floor. */
const STATE_OPEN_DEADLINE_MS = 60_000;

export class Provisioner {
  readonly #link: EnclaveLink;
  readonly #manifest: Uint8Array;
  readonly #manifestDigest: Uint8Array;
  readonly #bundles: BundleLoader;
  readonly #log: Log;
  readonly #backoff: Backoff;
  readonly #bundleBackoff: Backoff;
  #credentials: Credentials | null = null;
  /** Which credentials the enclave of which boot has. */
  #given: { readonly credentials: Credentials; readonly bootId: Uint8Array } | null = null;
  /** The bundles that a load without failures left open; null when another load is due. */
  #settledIds: ReadonlySet<string> | null = null;
  #keys: readonly string[] = [];
  /** The boot and the bundles that the list of keys was read of. */
  #keySource = "";
  /** The boot that was brought to Ready. */
  #readyBootId: Uint8Array | null = null;
  #failure: Refusal = refusal("NOT_READY");
  #loggedFailure: ErrorCode | null = null;
  #reload: ReloadState = { status: "idle", lastOperationTime: null, lastError: null };
  #retry: NodeJS.Timeout | null = null;
  #isReloadAsked = false;
  #isStarted = false;
  #isRunning = false;
  #isAskedAgain = false;
  #isHalted = false;
  #succession: Succession | null;

  constructor(options: ProvisionOptions) {
    this.#link = options.link;
    this.#manifest = options.manifest;
    this.#manifestDigest = createHash("sha384").update(options.manifest).digest();
    this.#bundles = new BundleLoader(options.link, options.readBundles, options.log);
    this.#log = options.log;
    this.#backoff = new Backoff(options.retry ?? RETRY);
    this.#bundleBackoff = new Backoff(options.bundleRetry ?? BUNDLE_RETRY);
    this.#succession = options.succession ?? null;
  }

  start(): void {
    this.#isStarted = true;
    this.#link.start(() => this.#changed());
  }

  /** Does nothing more for this enclave, and says of it what it said last; the link stays. */
  halt(): void {
    this.#isHalted = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
  }

  close(): void {
    this.halt();
    this.#link.close();
  }

  get isHalted(): boolean {
    return this.#isHalted;
  }

  keys(): readonly string[] {
    return this.#keys;
  }

  manifest(): Uint8Array {
    return this.#manifest;
  }

  notReady(): Refusal | null {
    if (this.#link.status() === null) return this.#link.failure();
    return this.#readyBootId === null ? this.#failure : null;
  }

  /** Handed to the enclave now, and again after each of its boots. */
  setCredentials(credentials: Credentials): void {
    this.#credentials = credentials;
    this.#wake();
  }

  reloadState(): ReloadState {
    return this.#reload;
  }

  startReload(): Result<null, Refusal<"RELOAD_RUNNING">> {
    // One that was halted has a successor, which has just loaded what there is.
    if (this.#isHalted || this.#reload.status === "running") return err(refusal("RELOAD_RUNNING"));
    this.#reload = { ...this.#reload, status: "running" };
    this.#wake();
    return ok(null);
  }

  /** As `startReload`; while one runs, another follows it, which sees what has changed since. */
  requestReload(): void {
    if (!this.startReload().ok) this.#isReloadAsked = true;
  }

  #changed(): void {
    if (this.#isHalted) return;
    const status = this.#link.status();
    if (status !== null && !this.#isReadyBoot(status) && this.#readyBootId !== null) {
      this.#readyBootId = null;
      this.#failure = refusal("NOT_READY");
      // Another boot holds none of them yet: nobody is told of keys that are not there.
      this.#keys = [];
    }
    this.#wake();
  }

  #isReadyBoot(status: EnclaveStatus): boolean {
    if (status.phase !== "Ready" || this.#readyBootId === null) return false;
    return isEqualBytes(status.bootId, this.#readyBootId);
  }

  #wake(): void {
    this.#isAskedAgain = true;
    if (this.#isStarted && !this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isAskedAgain && !this.#isHalted) {
      this.#isAskedAgain = false;
      await this.#step();
    }
    this.#isRunning = false;
  }

  async #step(): Promise<void> {
    const isReload = this.#reload.status === "running";
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const outcome = await this.#provision(isReload);
    if (isReload) this.#endReload(outcome);
    if (outcome.ok) {
      this.#backoff.reset();
      if (outcome.value.length === 0) return this.#bundleBackoff.reset();
      return this.#retryLater(this.#bundleBackoff);
    }
    const error = outcome.error;
    this.#failure = error;
    if (this.#loggedFailure !== error.code) {
      this.#loggedFailure = error.code;
      const phase = this.#link.status()?.phase;
      const reason = describeDetail(error);
      this.#log.error("enclave.not-ready", {
        code: error.code,
        ...(reason === "" ? {} : { reason }),
        ...(phase === undefined ? {} : { phase }),
      });
    }
    // The link tells when it is up again.
    if (this.#link.status() !== null) this.#retryLater(this.#backoff);
  }

  #endReload(outcome: Result<readonly BundleFailure[], Refusal>): void {
    this.#reload = reloaded(outcome);
    const { status, lastError } = this.#reload;
    this.#log.info("reload.ended", {
      reason: status,
      ...(lastError === null ? {} : { code: lastError }),
    });
    if (!this.#isReloadAsked) return;
    this.#isReloadAsked = false;
    this.startReload();
  }

  #retryLater(backoff: Backoff): void {
    if (this.#isHalted) return;
    this.#retry = setTimeout(() => this.#wake(), backoff.nextMs());
  }

  /** The failures of single bundles; an error when the enclave is not Ready. */
  async #provision(isReload: boolean): Promise<Result<readonly BundleFailure[], Refusal>> {
    const startMs = performance.now();
    const measured = await this.#measure();
    if (!measured.ok) return measured;
    const given = await this.#giveCredentials(measured.value);
    if (!given.ok) return given;
    const loaded = await this.#loadBundles(measured.value, isReload);
    if (!loaded.ok) return loaded;
    const status = await this.#openState();
    if (!status.ok) return status;
    const listed = await this.#listKeys(status.value, isReload);
    if (!listed.ok) return listed;
    if (!this.#isReadyBoot(status.value) || this.#loggedFailure !== null) {
      this.#readyBootId = status.value.bootId.slice();
      this.#loggedFailure = null;
      this.#log.info("enclave.ready", {
        count: this.#keys.length,
        version: status.value.software,
        durationMs: Math.round(performance.now() - startMs),
        // From which slot and target epoch on it signs.
        ...floorFields(status.value),
      });
    }
    if (this.#succession?.onReady() === true) this.#succession = null;
    return loaded;
  }

  /** The enclave runs, and what it has measured is our manifest. */
  async #measure(): Promise<Result<EnclaveStatus, Refusal>> {
    const status = await this.#link.refreshStatus();
    if (!status.ok) {
      return status.error.code === "LINK_DOWN" ? err(this.#link.failure()) : status;
    }
    const { phase, manifestDigest } = status.value;
    if (phase === "Draining") return err(refusal("DRAINING"));
    if (phase === "Dead") return err(refusal("PHASE_REFUSED", phase));
    if (manifestDigest !== null) {
      if (isEqualBytes(manifestDigest, this.#manifestDigest)) return status;
      return err(refusal("MANIFEST_ALREADY_MEASURED"));
    }
    const manifest = this.#manifest;
    const put = await this.#link.call("manifest.put", { manifest }, CALL_DEADLINE_MS);
    if (!put.ok) return put;
    if (!isEqualBytes(put.value.digest, this.#manifestDigest)) {
      return err(refusal("MANIFEST_ALREADY_MEASURED"));
    }
    return this.#link.refreshStatus();
  }

  async #giveCredentials(status: EnclaveStatus): Promise<Result<null, Refusal>> {
    const credentials = this.#credentials;
    if (credentials === null) return ok(null);
    const given = this.#given;
    if (given?.credentials === credentials && isEqualBytes(given.bootId, status.bootId)) {
      return ok(null);
    }
    const put = await this.#link.call("credentials.put", credentials, CALL_DEADLINE_MS);
    if (!put.ok) return put;
    this.#given = { credentials, bootId: status.bootId.slice() };
    return ok(null);
  }

  async #loadBundles(
    status: EnclaveStatus,
    isReload: boolean,
  ): Promise<Result<readonly BundleFailure[], Refusal>> {
    const open = new Set(status.bundleIds.map(encodeHex));
    const settled = this.#settledIds;
    if (!isReload && settled !== null && [...settled].every((id) => open.has(id))) return ok([]);
    if (this.#credentials === null) return err(refusal("CREDENTIALS_MISSING"));
    this.#settledIds = null;
    const load = await this.#bundles.load(status);
    if (!load.ok) return load;
    const { openIds, isExact, failures } = load.value;
    if (openIds.size === 0) return err(refusal(failures[0]?.code ?? "NOT_READY"));
    if (isExact) this.#settledIds = openIds;
    return ok(failures);
  }

  /** The list is read again only when other bundles may be open than when it was read. */
  async #listKeys(status: EnclaveStatus, isReload: boolean): Promise<Result<null, Refusal>> {
    const source = [status.bootId, ...status.bundleIds].map(encodeHex).join();
    if (source === this.#keySource && !isReload) return ok(null);
    const keys = await listKeys(this.#link);
    if (!keys.ok) return keys;
    this.#keys = keys.value;
    this.#keySource = source;
    return ok(null);
  }

  async #openState(): Promise<Result<EnclaveStatus, Refusal>> {
    const status = await this.#link.refreshStatus();
    if (!status.ok) return status;
    if (this.#succession !== null) {
      const opened = await this.#succession.openState(status.value);
      return opened.ok ? this.#link.refreshStatus() : opened;
    }
    if (status.value.phase === "Ready") return status;
    const opened = await openState(this.#link, null);
    return opened.ok ? this.#link.refreshStatus() : opened;
  }
}

/** Whether the state counts as handed over; `handover` is the predecessor's document. */
export async function openState(
  link: EnclaveLink,
  handover: Uint8Array | null,
): Promise<Result<boolean, Refusal>> {
  const opened = await link.call("state.open", { handover }, STATE_OPEN_DEADLINE_MS);
  return opened.ok ? ok(opened.value.isHandedOver) : opened;
}

function reloaded(outcome: Result<readonly BundleFailure[], Refusal>): ReloadState {
  const lastOperationTime = new Date().toISOString();
  if (!outcome.ok) return { status: "failed", lastOperationTime, lastError: outcome.error.code };
  const lastError = outcome.value[0]?.code ?? null;
  const status = lastError === null ? "completed" : "completed_with_errors";
  return { status, lastOperationTime, lastError };
}

function floorFields({ floor }: EnclaveStatus): { slot?: string; epoch?: string } {
  return floor === null ? {} : { slot: String(floor.slot), epoch: String(floor.target) };
}
