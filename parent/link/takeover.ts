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
  hasReservation,
  isSameStore,
  type ManifestFacts,
  namesPredecessor,
  parseManifestFacts,
} from "./manifest-facts.ts";
import { openState, type Succession } from "./provision.ts";

const CHALLENGE_DEADLINE_MS = 5000;
/** For the records of keys that have not signed since the present enclave's boot. */
const HANDOVER_DEADLINE_MS = 10_000;
/** How long an enclave that does not hand over is asked again: a boot floor costs far more. */
const GIVE_UP_MS = 15_000;
/** How long one that was replaced is asked to drain. */
const RETIRE_MS = 60_000;
const RETRY_MS = 200;
const ANSWER_MS = 10;
/** Another boot, or another successor: asking again is of no use. */
const FINAL_CODES: ReadonlySet<ErrorCode> = new Set([
  "PHASE_REFUSED",
  "HANDOVER_GIVEN",
  "HANDOVER_REFUSED",
]);

export type TakeoverParts = {
  readonly active: ActiveEnclave;
  /** How long requests are held back: what was held back should still be signed. */
  readonly holdMsMax: number;
  readonly log: Log;
  /**
   * Nothing is left to be done: the successor signs, and the predecessor has drained, or can't be
   * reached. The successor's status when it took over, and for how long requests waited.
   */
  readonly onCompleted: (status: EnclaveStatus | null, waitedMs: number) => void;
};

type Handover = { readonly nonce: Uint8Array; readonly document: Uint8Array };

export class Takeover implements Succession {
  readonly #parts: TakeoverParts;
  readonly #predecessor: ServedEnclave;
  #successor: ServedEnclave | null = null;
  #isAborted = false;
  #isClosed = false;
  #committedMs: number | null = null;
  #handover: Handover | null = null;
  /** What is reserved is given back, and no state handed over. */
  #isGivenBack = false;

  constructor(parts: TakeoverParts) {
    this.#parts = parts;
    this.#predecessor = parts.active.present;
  }

  start(successor: ServedEnclave): void {
    this.#successor = successor;
    successor.provisioner.start();
  }

  /** Past the point of no return. */
  get isCommitted(): boolean {
    return this.#committedMs !== null;
  }

  get isAborted(): boolean {
    return this.#isAborted;
  }

  /** False when it is too late. */
  abort(): boolean {
    if (this.isCommitted) return false;
    this.#isAborted = true;
    if (this.#successor !== null) closeServed(this.#successor);
    return true;
  }

  /** Both enclaves are left to themselves. */
  close(): void {
    this.#isClosed = true;
    if (this.#successor !== null) closeServed(this.#successor);
    closeServed(this.#predecessor);
  }

  async openState(status: EnclaveStatus): Promise<Result<null, Refusal>> {
    const successor = this.#successor;
    if (successor === null) return err(refusal("NOT_READY"));
    if (this.isCommitted) {
      if (status.phase === "Ready") return ok(null);
      // One that booted again after the switch.
      return this.#isGivenBack
        ? discard(await openState(successor.link, null))
        : this.#takeState(successor.link);
    }
    const compared = await this.#compare(successor, status);
    if (!compared.ok) return compared;
    const { present, next } = compared.value;
    // Where the store shows the newest records anyhow, both may have the state open: the present
    // enclave signs until it is replaced.
    if (!hasBootFloor(next)) {
      const isOpen = status.phase === "Ready";
      const opened = isOpen ? ok(null) : discard(await openState(successor.link, null));
      return opened.ok && hasReservation(present) ? this.#takeReserved(successor, status) : opened;
    }
    const named = await this.#checkPredecessor(successor.link, next);
    if (!named.ok) return named;
    const committed = this.#commit(successor, status);
    return committed.ok ? this.#takeState(successor.link) : committed;
  }

  onReady(): boolean {
    const successor = this.#successor;
    if (successor === null || this.#isAborted || this.#isClosed) return false;
    this.#committedMs ??= performance.now();
    this.#predecessor.provisioner.halt();
    this.#parts.active.replace(successor);
    const [status, waitedMs] = [successor.link.status(), performance.now() - this.#committedMs];
    void this.#retire().then(() => this.#parts.onCompleted(status, waitedMs));
    return true;
  }

  async #compare(
    successor: ServedEnclave,
    status: EnclaveStatus,
  ): Promise<Result<{ present: ManifestFacts; next: ManifestFacts }, Refusal>> {
    const present = parseManifestFacts(this.#predecessor.provisioner.manifest());
    const next = parseManifestFacts(successor.provisioner.manifest());
    if (present === null || next === null) return err(refusal("MANIFEST_MALFORMED"));
    const presentStatus = this.#predecessor.link.status();
    if (presentStatus === null) return err(refusal("NOT_READY"));
    // The same enclave by another address: it would be drained for good.
    if (isEqualBytes(presentStatus.bootId, status.bootId)) return err(refusal("UPGRADE_SAME"));
    const isSame = isSameNetwork(presentStatus, status) && isSameStore(present, next);
    if (!isSame) return err(refusal("UPGRADE_MISMATCH"));
    const keys = await this.#compareKeys(successor.link);
    return keys.ok ? ok({ present, next }) : keys;
  }

  /** A hand-over is of all keys, and a validator must not lose one by an upgrade. */
  async #compareKeys(link: EnclaveLink): Promise<Result<null, Refusal>> {
    const present = await listKeys(this.#predecessor.link);
    if (!present.ok) return present;
    const next = await listKeys(link);
    if (!next.ok) return next;
    const isSame = present.value.join() === next.value.join();
    return isSame ? ok(null) : err(refusal("UPGRADE_KEYS"));
  }

  /** Whether the successor's manifest lets the present enclave hand over to it. */
  async #checkPredecessor(link: EnclaveLink, facts: ManifestFacts): Promise<Result<null, Refusal>> {
    const challenge = await link.call("state.challenge", {}, CHALLENGE_DEADLINE_MS);
    if (!challenge.ok) return challenge;
    const nonce = challenge.value.nonce.slice();
    const present = await this.#predecessor.link.call("attest", { nonce }, CHALLENGE_DEADLINE_MS);
    if (!present.ok) return present;
    const isNamed = namesPredecessor(facts, present.value.document);
    return isNamed ? ok(null) : err(refusal("HANDOVER_REFUSED"));
  }

  /** The point of no return. What was asked above may be another by now: the last look is here. */
  #commit(successor: ServedEnclave, prepared: EnclaveStatus): Result<null, Refusal> {
    if (this.#isAborted || this.#isClosed) return err(refusal("UPGRADE_ABORTED"));
    const notReady = this.#predecessor.provisioner.notReady();
    if (notReady !== null) return err(notReady);
    const now = successor.link.status();
    if (now === null) return err(successor.link.failure());
    if (!isEqualBytes(now.bootId, prepared.bootId)) return err(refusal("NOT_READY"));
    this.#committedMs = performance.now();
    this.#predecessor.provisioner.halt();
    const { active, holdMsMax } = this.#parts;
    active.hold(holdMsMax, () => active.replace(successor));
    return ok(null);
  }

  /**
   * What the present enclave has reserved it gives back when it drains: until then the successor
   * refuses these heights, and a node does not ask again for a vote that was refused.
   */
  async #takeReserved(
    successor: ServedEnclave,
    status: EnclaveStatus,
  ): Promise<Result<null, Refusal>> {
    const committed = this.#commit(successor, status);
    if (!committed.ok) return committed;
    this.#isGivenBack = true;
    const drained = await this.#askPredecessor(GIVE_UP_MS, (link) =>
      link.call("drain", {}, REQUEST_DEADLINE_MS),
    );
    // Then the successor signs once the chain has passed them, as after a crash.
    if (!drained.ok) this.#parts.log.error("upgrade.not-given-back", { code: drained.error.code });
    return ok(null);
  }

  async #takeState(link: EnclaveLink): Promise<Result<null, Refusal>> {
    const challenge = await link.call("state.challenge", {}, CHALLENGE_DEADLINE_MS);
    if (!challenge.ok) return challenge;
    const handover = await this.#askFor(challenge.value.nonce.slice());
    // Without one the successor starts as after a crash: with a floor that is above all that the
    // present enclave can have signed.
    const opened = await openState(link, handover);
    if (opened.ok || opened.error.code !== "HANDOVER_REFUSED") return discard(opened);
    this.#parts.log.error("upgrade.not-handed-over", { code: opened.error.code });
    return discard(await openState(link, null));
  }

  /** The hand-over to whoever gave this challenge; null when there is none to be had. */
  async #askFor(nonce: Uint8Array): Promise<Uint8Array | null> {
    if (this.#handover !== null && isEqualBytes(this.#handover.nonce, nonce)) {
      return this.#handover.document;
    }
    const given = await this.#askPredecessor(GIVE_UP_MS, async (link) => {
      const drained = await link.call("drain", {}, REQUEST_DEADLINE_MS);
      if (!drained.ok) return drained;
      return link.call("state.handover", { nonce }, HANDOVER_DEADLINE_MS);
    });
    if (!given.ok) {
      this.#parts.log.error("upgrade.not-handed-over", { code: given.error.code });
      return null;
    }
    this.#handover = { nonce, document: given.value.document.slice() };
    return this.#handover.document;
  }

  /** Again and again, until it answers or it is of no use, and at least twice. */
  async #askPredecessor<T>(
    msMax: number,
    ask: (link: EnclaveLink) => Promise<Result<T, Refusal>>,
  ): Promise<Result<T, Refusal>> {
    const { link } = this.#predecessor;
    const lateMs = performance.now() + msMax;
    for (let count = 1; ; count += 1) {
      const answer = await ask(link);
      if (answer.ok || FINAL_CODES.has(answer.error.code) || this.#isClosed) return answer;
      if (count > 1 && performance.now() > lateMs) return answer;
      await pause(RETRY_MS);
    }
  }

  /** What is in flight there still ends; then nobody has a way to it any more. */
  async #retire(): Promise<void> {
    const drained = await this.#askPredecessor(RETIRE_MS, (link) =>
      link.call("drain", {}, REQUEST_DEADLINE_MS),
    );
    if (!drained.ok && !this.#isClosed) {
      this.#parts.log.warn("upgrade.not-drained", { code: drained.error.code });
    }
    // Its last answers may come after that of the drain.
    const lateMs = performance.now() + REQUEST_DEADLINE_MS;
    while (drained.ok && this.#predecessor.link.stats().inFlightCount > 0) {
      if (performance.now() > lateMs || this.#isClosed) break;
      await pause(ANSWER_MS);
    }
    closeServed(this.#predecessor);
  }
}

/** One network of Ethereum, or the same chains. */
function isSameNetwork(present: EnclaveStatus, next: EnclaveStatus): boolean {
  const [root, nextRoot] = [present.genesisValidatorsRoot, next.genesisValidatorsRoot];
  if (root === null || nextRoot === null) {
    const isChains = root === nextRoot && present.chainIds.length > 0;
    return isChains && present.chainIds.join() === next.chainIds.join();
  }
  return isEqualBytes(root, nextRoot);
}

function discard(result: Result<unknown, Refusal>): Result<null, Refusal> {
  return result.ok ? ok(null) : result;
}
