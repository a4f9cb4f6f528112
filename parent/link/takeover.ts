// The steps by which a successor comes to sign in place of the present enclave. Whatever could go
// wrong is looked for while the present one still signs. From `#commit` on there is no way back: it
// has drained, and signs nothing more. It must never leave two enclaves with requests.

import { setTimeout as pause } from "node:timers/promises";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { REQUEST_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EnclaveStatus, Log } from "../ports.ts";
import { type ActiveEnclave, closeServed, type ServedEnclave } from "./active-enclave.ts";
import type { EnclaveLink } from "./enclave-link.ts";
import { listKeys } from "./key-list.ts";
import {
  hasBootFloor,
  isSameStore,
  type ManifestFacts,
  namesPredecessor,
  parseManifestFacts,
} from "./manifest-facts.ts";
import { openState, type Succession } from "./provision.ts";

/** Less than a request may take: what was held back can still be signed. */
const HOLD_MS_MAX = REQUEST_DEADLINE_MS - 1000;
const CHALLENGE_DEADLINE_MS = 5000;
/** For the records of keys that have not signed since the present enclave's boot. */
const HANDOVER_DEADLINE_MS = 10_000;
/** How long an enclave that does not hand over is asked again, and how often. */
const GIVE_UP_MS = 3000;
const RETRY_MS = 200;
/** Another boot, or another successor: asking again is of no use. */
const FINAL_CODES: ReadonlySet<ErrorCode> = new Set(["PHASE_REFUSED", "HANDOVER_GIVEN"]);

/** Once: the successor's status, and for how long requests waited. */
type OnCompleted = (status: EnclaveStatus | null, waitedMs: number) => void;
type Handover = { readonly nonce: Uint8Array; readonly document: Uint8Array };

export class Takeover implements Succession {
  readonly #active: ActiveEnclave;
  readonly #predecessor: ServedEnclave;
  readonly #log: Log;
  readonly #onCompleted: OnCompleted;
  #successor: ServedEnclave | null = null;
  #isAborted = false;
  #isCommitted = false;
  #committedMs = 0;
  #isCompleted = false;
  #handover: Handover | null = null;

  constructor(active: ActiveEnclave, log: Log, onCompleted: OnCompleted) {
    this.#active = active;
    this.#predecessor = active.present;
    this.#log = log;
    this.#onCompleted = onCompleted;
  }

  start(successor: ServedEnclave): void {
    this.#successor = successor;
    successor.provisioner.start();
  }

  get isCommitted(): boolean {
    return this.#isCommitted;
  }

  /** False when it is too late. */
  abort(): boolean {
    if (this.#isCommitted) return false;
    this.#isAborted = true;
    if (this.#successor !== null) closeServed(this.#successor);
    return true;
  }

  /** Both enclaves are left to themselves. */
  close(): void {
    if (this.#successor !== null) closeServed(this.#successor);
    closeServed(this.#predecessor);
  }

  async openState(status: EnclaveStatus): Promise<Result<null, Refusal>> {
    const successor = this.#successor;
    if (successor === null) return err(refusal("NOT_READY"));
    const { link } = successor;
    if (this.#isCompleted || (this.#isCommitted && status.phase === "Ready")) {
      return status.phase === "Ready" ? ok(null) : discard(await openState(link, null));
    }
    if (!this.#isCommitted) {
      const prepared = await this.#prepare(successor, status);
      if (!prepared.ok) return prepared;
      const committed = this.#commit(successor, prepared.value);
      if (!committed.ok) return committed;
      if (!prepared.value) return committed;
    }
    return this.#takeState(link);
  }

  onReady(): void {
    if (this.#isCompleted || this.#successor === null || !this.#isCommitted) return;
    this.#isCompleted = true;
    this.#active.replace(this.#successor);
    this.#onCompleted(this.#successor.link.status(), performance.now() - this.#committedMs);
    void this.#retire();
  }

  /**
   * Whether the state has to be handed over; where the store shows the newest records anyhow, the
   * successor opens it beside the present enclave, which signs until it is replaced.
   */
  async #prepare(
    successor: ServedEnclave,
    status: EnclaveStatus,
  ): Promise<Result<boolean, Refusal>> {
    const facts = this.#compareManifests(successor, status);
    if (!facts.ok) return facts;
    const keys = await this.#compareKeys(successor.link);
    if (!keys.ok) return keys;
    if (!hasBootFloor(facts.value)) {
      const opened = status.phase === "Ready" ? ok(false) : await openState(successor.link, null);
      return opened.ok ? ok(false) : opened;
    }
    const challenge = await successor.link.call("state.challenge", {}, CHALLENGE_DEADLINE_MS);
    if (!challenge.ok) return challenge;
    const nonce = challenge.value.nonce.slice();
    const present = await this.#predecessor.link.call("attest", { nonce }, CHALLENGE_DEADLINE_MS);
    if (!present.ok) return present;
    const isNamed = namesPredecessor(facts.value, present.value.document);
    return isNamed ? ok(true) : err(refusal("HANDOVER_REFUSED"));
  }

  #compareManifests(
    successor: ServedEnclave,
    status: EnclaveStatus,
  ): Result<ManifestFacts, Refusal> {
    const present = parseManifestFacts(this.#predecessor.provisioner.manifest());
    const next = parseManifestFacts(successor.provisioner.manifest());
    if (present === null || next === null) return err(refusal("MANIFEST_MALFORMED"));
    const root = this.#predecessor.link.status()?.genesisValidatorsRoot ?? null;
    const nextRoot = status.genesisValidatorsRoot;
    if (root === null || nextRoot === null) return err(refusal("NOT_READY"));
    const isSame = isEqualBytes(root, nextRoot) && isSameStore(present, next);
    return isSame ? ok(next) : err(refusal("UPGRADE_MISMATCH"));
  }

  /** A hand-over is of all keys, and a validator must not lose one by an upgrade. */
  async #compareKeys(link: EnclaveLink): Promise<Result<null, Refusal>> {
    const [present, next] = [await listKeys(this.#predecessor.link), await listKeys(link)];
    if (!present.ok) return present;
    if (!next.ok) return next;
    const isSame = present.value.join() === next.value.join();
    return isSame ? ok(null) : err(refusal("UPGRADE_KEYS"));
  }

  /** The point of no return. What is asked above may be another by now: the last look is here. */
  #commit(successor: ServedEnclave, isHandingOver: boolean): Result<null, Refusal> {
    if (this.#isAborted) return err(refusal("UPGRADE_ABORTED"));
    const notReady = this.#predecessor.provisioner.notReady();
    if (notReady !== null) return err(notReady);
    this.#isCommitted = true;
    this.#committedMs = performance.now();
    this.#predecessor.provisioner.halt();
    if (isHandingOver) this.#active.hold(HOLD_MS_MAX, () => this.#active.replace(successor));
    return ok(null);
  }

  async #takeState(link: EnclaveLink): Promise<Result<null, Refusal>> {
    const challenge = await link.call("state.challenge", {}, CHALLENGE_DEADLINE_MS);
    if (!challenge.ok) return challenge;
    const nonce = challenge.value.nonce.slice();
    const handover = await this.#askFor(nonce);
    // Without one the successor starts as after a crash: with a floor that is above all that the
    // present enclave can have signed.
    const opened = await openState(link, handover);
    if (opened.ok || opened.error.code !== "HANDOVER_REFUSED") return discard(opened);
    this.#log.error("upgrade.not-handed-over", { code: opened.error.code });
    return discard(await openState(link, null));
  }

  /** The hand-over to whoever gave this challenge; null when there is none to be had. */
  async #askFor(nonce: Uint8Array): Promise<Uint8Array | null> {
    if (this.#handover !== null && isEqualBytes(this.#handover.nonce, nonce)) {
      return this.#handover.document;
    }
    const { link } = this.#predecessor;
    const lateMs = performance.now() + GIVE_UP_MS;
    for (;;) {
      const drained = await link.call("drain", {}, REQUEST_DEADLINE_MS);
      const given = drained.ok
        ? await link.call("state.handover", { nonce }, HANDOVER_DEADLINE_MS)
        : drained;
      if (given.ok) {
        this.#handover = { nonce, document: given.value.document.slice() };
        return this.#handover.document;
      }
      const { code } = given.error;
      if (FINAL_CODES.has(code) || performance.now() > lateMs) {
        this.#log.error("upgrade.not-handed-over", { code });
        return null;
      }
      await pause(RETRY_MS);
    }
  }

  /** What is in flight there still ends; then nobody has a way to it any more. */
  async #retire(): Promise<void> {
    const drained = await this.#predecessor.link.call("drain", {}, REQUEST_DEADLINE_MS);
    if (!drained.ok) this.#log.warn("upgrade.not-drained", { code: drained.error.code });
    closeServed(this.#predecessor);
  }
}

function discard(result: Result<unknown, Refusal>): Result<null, Refusal> {
  return result.ok ? ok(null) : result;
}
