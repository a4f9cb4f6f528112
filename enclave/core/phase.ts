// The life of the enclave: its phases, what each answers, and what may follow what. Read the two
// tables before anything else in the enclave. An illegal move is death; only a reboot leaves it.

import { InvariantError } from "../../shared/invariant.ts";
import type { EnclaveMethod } from "../../shared/wire/methods.ts";

export type Phase = "Booting" | "Measured" | "Unsealed" | "Ready" | "Draining" | "Dead";

const ALWAYS: readonly EnclaveMethod[] = ["status"];
const UNSEALING: readonly EnclaveMethod[] = [
  ...ALWAYS,
  "attest",
  "credentials.put",
  "bundle.put",
  "bundle.open",
  "keys.list",
];

/** What may be asked in each phase. Everything else is PHASE_REFUSED. */
export const ALLOWED: Readonly<Record<Phase, ReadonlySet<EnclaveMethod>>> = {
  /** Nothing is known but the image. */
  Booting: new Set([...ALWAYS, "manifest.put"]),
  /** PCR16 holds the manifest and is locked. No key has been asked for. */
  Measured: new Set(UNSEALING),
  /** At least one bundle is open. Nothing is signed, because no state is loaded. */
  Unsealed: new Set([...UNSEALING, "state.challenge", "state.open"]),
  /** The state of every key is loaded, the boot floor is fixed. */
  Ready: new Set([
    ...UNSEALING,
    "bundle.retain",
    "state.init",
    "state.show",
    "state.import",
    "state.retire",
    "state.override",
    "sign",
    "privval",
    "consensus.show",
    "consensus.import",
    "consensus.retire",
    "consensus.override",
    "drain",
  ]),
  /** What is in flight is finished; nothing new is signed, ever. A successor may take the state. */
  Draining: new Set([...ALWAYS, "drain", "state.handover"]),
  Dead: new Set(ALWAYS),
};

/** Which phase may follow which. */
export const NEXT: Readonly<Record<Phase, ReadonlySet<Phase>>> = {
  Booting: new Set(["Measured", "Dead"]),
  Measured: new Set(["Unsealed", "Dead"]),
  Unsealed: new Set(["Ready", "Dead"]),
  Ready: new Set(["Draining", "Dead"]),
  Draining: new Set(["Dead"]),
  Dead: new Set(),
};

/** The present phase. A move that NEXT does not list ends the process. */
export class Life {
  #phase: Phase = "Booting";

  get phase(): Phase {
    return this.#phase;
  }

  isAllowed(method: EnclaveMethod): boolean {
    return ALLOWED[this.#phase].has(method);
  }

  enter(next: Phase): void {
    if (!NEXT[this.#phase].has(next)) {
      const from = this.#phase;
      this.#phase = "Dead";
      throw new InvariantError(`phase ${from} may not become ${next}`);
    }
    this.#phase = next;
  }
}
