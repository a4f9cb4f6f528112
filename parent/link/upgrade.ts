// Upgrades of the enclave, one at a time, as the operator starts, watches and aborts them
// (docs/upgrade.md). It must never touch the present enclave before its successor is prepared.

import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { UpgradePhase, UpgradeState } from "../../shared/wire/methods.ts";
import type { EnclaveStatus, Log } from "../ports.ts";
import { type ActiveEnclave, closeServed, type ServedEnclave } from "./active-enclave.ts";
import type { Succession } from "./provision.ts";
import { Takeover } from "./takeover.ts";

/** Why there is nothing to upgrade to: a code and, where it is known, the file. */
export type ServeFailure = { readonly code: ErrorCode; readonly reason?: string };

export type UpgradeParts = {
  readonly active: ActiveEnclave;
  /** The enclave that the configuration file names by now, to be brought to Ready in this way. */
  readonly serve: (succession: Succession) => Promise<Result<ServedEnclave, ServeFailure>>;
  /** How long requests are held back for a successor. */
  readonly holdMsMax: number;
  readonly log: Log;
};

type Ended = Omit<UpgradeState, "number">;

export class Upgrades {
  readonly #parts: UpgradeParts;
  #takeover: Takeover | null = null;
  #successor: ServedEnclave | null = null;
  #number = 0;
  /** How the last one ended; null while one is on its way. */
  #ended: Ended | null = { phase: "none", code: null, floor: null };

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /** Its number. */
  async start(): Promise<Result<number, Refusal>> {
    if (this.#takeover !== null) return err(refusal("UPGRADE_RUNNING"));
    const { active, serve, holdMsMax, log } = this.#parts;
    const before = this.#ended;
    const takeover = new Takeover({
      active,
      holdMsMax,
      log,
      onCompleted: (status, waitedMs) => this.#complete(status, waitedMs),
    });
    this.#takeover = takeover;
    this.#ended = null;
    const served = await serve(takeover);
    if (takeover.isAborted) {
      this.#takeover = null;
      if (served.ok) closeServed(served.value);
      return err(refusal("UPGRADE_ABORTED"));
    }
    if (!served.ok) {
      this.#takeover = null;
      this.#ended = before;
      log.error("upgrade.refused", served.error);
      return err(refusal(served.error.code));
    }
    this.#number += 1;
    this.#successor = served.value;
    log.warn("upgrade.started");
    takeover.start(served.value);
    return ok(this.#number);
  }

  show(): UpgradeState {
    const number = this.#number;
    if (this.#ended !== null) return { number, ...this.#ended };
    const phase: UpgradePhase = this.#takeover?.isCommitted === true ? "switching" : "preparing";
    const code = this.#successor?.provisioner.notReady()?.code ?? null;
    return { number, phase, code, floor: null };
  }

  /** `number`: that one and no other; null: whichever runs. */
  abort(number: number | null): Result<null, Refusal> {
    const isMeant = number === null || number === this.#number;
    if (!isMeant || this.#takeover?.abort() !== true) return err(refusal("UPGRADE_LATE"));
    const { code } = this.show();
    // While its configuration is still read, nothing else may start: there are two seats.
    if (this.#successor !== null) this.#takeover = null;
    this.#end({ phase: "aborted", code, floor: null });
    this.#parts.log.warn("upgrade.aborted", code === null ? {} : { code });
    return ok(null);
  }

  /** Of an upgrade that has not ended. */
  close(): void {
    this.#takeover?.close();
    this.#takeover = null;
  }

  #complete(status: EnclaveStatus | null, waitedMs: number): void {
    this.#takeover = null;
    const floor = status?.floor ?? null;
    const isFree = floor === null || (floor.slot === 0n && floor.target === 0n);
    this.#end({ phase: "completed", code: null, floor: isFree ? null : floor });
    this.#parts.log.warn("upgrade.completed", {
      durationMs: Math.round(waitedMs),
      ...(status === null ? {} : { version: status.software }),
      ...(isFree ? {} : { slot: String(floor.slot), epoch: String(floor.target) }),
    });
  }

  #end(ended: Ended): void {
    this.#ended = ended;
    this.#successor = null;
  }
}
