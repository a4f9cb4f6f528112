// Trusted time: the timestamp of the NSM's documents, which the hypervisor signs, carried on by the
// monotonic clock between renewals. It only ever refuses. The estimate is never ahead of NSM time
// by more than the monotonic clock's drift since the last renewal (TIME_SKEW_MS_MAX over
// TIME_AGE_MS_MAX, 0.33 %), because a document is made before its answer arrives; without a fresh
// anchor there is no time at all, and nothing is signed.

import { parseDocument } from "../../shared/attestation/document.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { TIME_AGE_MS_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { MonotonicClock, Nsm } from "../core/ports.ts";

export class TrustedTime {
  readonly #nsm: Nsm;
  readonly #clock: MonotonicClock;
  #anchorUnixMs = 0;
  #anchorMonotonicMs = Number.NEGATIVE_INFINITY;
  #lastRenewal: Promise<unknown> = Promise.resolve();

  constructor(nsm: Nsm, clock: MonotonicClock) {
    this.#nsm = nsm;
    this.#clock = clock;
  }

  /** Unix time, or null when the last anchor is too old. */
  nowMs(): number | null {
    const ageMs = this.ageMs();
    return ageMs > TIME_AGE_MS_MAX ? null : Math.floor(this.#anchorUnixMs + ageMs);
  }

  ageMs(): number {
    return this.#clock.nowMs() - this.#anchorMonotonicMs;
  }

  /**
   * One at a time: else the answer to an earlier question could come last, and set time back by as
   * long as it took, also that of a floor which is chosen right after a renewal.
   */
  renew(): Promise<Result<null, Refusal>> {
    const renewal = this.#lastRenewal.then(() => this.#ask());
    this.#lastRenewal = renewal;
    return renewal;
  }

  async #ask(): Promise<Result<null, Refusal>> {
    const document = await this.#nsm.attest({ userData: null, nonce: null, publicKey: null });
    if (!document.ok) return document;
    const monotonicMs = this.#clock.nowMs();
    const parsed = parseDocument(document.value);
    if (!parsed.ok) return err(refusal("NSM_MALFORMED"));
    this.#anchorUnixMs = parsed.value.timestampMs;
    this.#anchorMonotonicMs = monotonicMs;
    return ok(null);
  }
}
