// The enclave that requests go to, and the moment in which it becomes another one: requests that
// come then are held back for a while instead of being turned away. It must never give one request
// to two enclaves.

import { invariant } from "../../shared/invariant.ts";
import type { EnclaveSource } from "../ops/enclave-config.ts";
import type { EnclaveLink } from "./enclave-link.ts";
import type { PeerSeat } from "./enclave-peer.ts";
import type { Provisioner } from "./provision.ts";

/** One enclave with all that the parent has for it. */
export type ServedEnclave = {
  readonly source: EnclaveSource;
  readonly link: EnclaveLink;
  readonly provisioner: Provisioner;
  readonly seat: PeerSeat;
};

export function closeServed({ provisioner, seat }: ServedEnclave): void {
  provisioner.close();
  seat.leave();
}

export class ActiveEnclave {
  #present: ServedEnclave;
  #held: PromiseWithResolvers<void> | null = null;
  #heldUntil: NodeJS.Timeout | null = null;

  constructor(present: ServedEnclave) {
    this.#present = present;
  }

  get present(): ServedEnclave {
    return this.#present;
  }

  /** Requests wait until another enclave has taken over, but no longer than `msMax`. */
  hold(msMax: number, onLate: () => void): void {
    invariant(this.#held === null, "requests are held back once at a time");
    this.#held = Promise.withResolvers();
    this.#heldUntil = setTimeout(onLate, msMax);
  }

  /** From here on requests go to `next`, those that were held back too. */
  replace(next: ServedEnclave): void {
    this.#present = next;
    if (this.#heldUntil !== null) clearTimeout(this.#heldUntil);
    this.#heldUntil = null;
    this.#held?.resolve();
    this.#held = null;
  }

  /** Null: requests go to the present enclave. Else it settles when they may go on. */
  get held(): Promise<void> | null {
    return this.#held?.promise ?? null;
  }
}
