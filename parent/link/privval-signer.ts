// The enclave as the sessions with Tendermint nodes see it, whichever it is at the moment. It must
// never look into a message: what it logs of a signature is what the enclave says that it signed.
// Nor may it call an outage a refusal: a node does not ask again for a vote that was refused, and
// a chain that needs the vote would stand still until the node is started anew.

import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AnswerOf, ENCLAVE_METHODS } from "../../shared/wire/methods.ts";
import { HTTP_STATUS } from "../api/status.ts";
import type { Log } from "../ports.ts";
import type { PrivvalSigner } from "../privval/ports.ts";
import { SYSTEM_TIMERS, type Timers } from "../privval/timers.ts";
import type { ActiveEnclave } from "./active-enclave.ts";

type Answer = AnswerOf<(typeof ENCLAVE_METHODS)["privval"]>;
export type SignedStep = NonNullable<Answer["signed"]>;

/** As operators of tmkms know them. */
const STEPS: Readonly<Record<number, string>> = { 1: "Proposal", 2: "Prevote", 3: "Precommit" };
const BLOCK_DIGITS = 10;
const PAUSE_MS = 50;

export type PrivvalSignerParts = {
  readonly active: ActiveEnclave;
  /** Null: the only key of the chain. */
  readonly key: Uint8Array | null;
  readonly log: Log;
  /** Told of each signature and each refusal of a chain, with how long it took. */
  readonly observe: (chainId: string, outcome: Refusal | SignedStep | null, ms: number) => void;
  /** Whether an outage is waited out; not where the node knows an outage from a refusal. */
  readonly isPatient: boolean;
  readonly timers?: Timers;
};

export class LinkPrivvalSigner implements PrivvalSigner {
  readonly #parts: PrivvalSignerParts;
  /** In the log, of a chain that may have several. */
  readonly #named: { readonly key?: string };

  constructor(parts: PrivvalSignerParts) {
    this.#parts = parts;
    this.#named = parts.key === null ? {} : { key: encodePrefixedHex(parts.key) };
  }

  /** Patient, it tells of an outage at the deadline only, when nobody listens any more. */
  async answer(
    chainId: string,
    message: Uint8Array,
    deadlineMs: number,
  ): Promise<Result<Uint8Array, Refusal>> {
    const { observe, timers = SYSTEM_TIMERS } = this.#parts;
    const startMs = timers.nowMs();
    const leftMs = (): number => deadlineMs - (timers.nowMs() - startMs);
    const isInTime = await this.#waitWhileHeld(leftMs(), timers);
    let answer: Result<Answer, Refusal> = isInTime
      ? await this.#ask(chainId, message, leftMs())
      : err(refusal("LINK_TIMEOUT"));
    while (!answer.ok && this.#isWorthWaiting(answer.error) && leftMs() > 0) {
      const pauseMs = Math.min(PAUSE_MS, leftMs());
      await new Promise<void>((settle) => void timers.after(pauseMs, settle));
      if (leftMs() > 0) answer = await this.#ask(chainId, message, leftMs());
    }
    const tookMs = timers.nowMs() - startMs;
    if (!answer.ok) {
      this.#refuse(chainId, answer.error, tookMs);
      return answer;
    }
    // None of it is a view of a frame that is used again.
    const signed = ownStep(answer.value.signed);
    // A line and a few sums, for which the node does not wait.
    setImmediate(() => {
      observe(chainId, signed, tookMs);
      if (signed !== null) this.#say(chainId, signed, tookMs);
    });
    return ok(answer.value.answer.slice());
  }

  refused(chainId: string, cause: Refusal): void {
    this.#refuse(chainId, cause, 0);
  }

  #refuse(chain: string, cause: Refusal, tookMs: number): void {
    this.#parts.observe(chain, cause, tookMs);
    this.#parts.log.warn("privval.refused", { chain, ...this.#named, code: cause.code });
  }

  /** While an enclave is replaced by another; false when that lasts until the deadline. */
  async #waitWhileHeld(msMax: number, timers: Timers): Promise<boolean> {
    const { held } = this.#parts.active;
    if (held === null) return true;
    const { promise: late, resolve } = Promise.withResolvers<false>();
    const cancel = timers.after(msMax, () => resolve(false));
    const isInTime = await Promise.race([held.then(() => true), late]);
    cancel();
    return isInTime;
  }

  #isWorthWaiting({ code }: Refusal): boolean {
    return this.#parts.isPatient && HTTP_STATUS[code] === 503;
  }

  #ask(chainId: string, message: Uint8Array, leftMs: number): Promise<Result<Answer, Refusal>> {
    const { active, key } = this.#parts;
    const params = { chainId, key, message };
    return active.present.link.call("privval", params, Math.max(1, leftMs));
  }

  #say(chain: string, { position, blockHash }: SignedStep, tookMs: number): void {
    const { height, round, step } = position;
    const block =
      blockHash.length === 0
        ? "nil"
        : encodeHex(blockHash.subarray(0, BLOCK_DIGITS / 2)).toUpperCase();
    this.#parts.log.info("privval.signed", {
      chain,
      ...this.#named,
      kind: `${STEPS[step] ?? step}:${block}`,
      position: `${height}/${round}/${step}`,
      durationMs: Math.round(tookMs),
    });
  }
}

function ownStep(signed: Answer["signed"]): SignedStep | null {
  return signed === null ? null : { ...signed, blockHash: signed.blockHash.slice() };
}
