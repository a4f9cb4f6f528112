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
  readonly log: Log;
};

export class Upgrades {
  readonly #parts: UpgradeParts;
  #takeover: Takeover | null = null;
  #successor: ServedEnclave | null = null;
  #ended: UpgradeState = { phase: "none", code: null, hasFloor: null };

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  async start(): Promise<Result<null, Refusal>> {
    if (this.#takeover !== null) return err(refusal("UPGRADE_RUNNING"));
    const { active, serve, log } = this.#parts;
    const takeover = new Takeover(active, log, (...outcome) => this.#complete(...outcome));
    this.#takeover = takeover;
    const served = await serve(takeover);
    if (this.#takeover !== takeover) {
      if (served.ok) closeServed(served.value);
      return err(refusal("UPGRADE_ABORTED"));
    }
    if (!served.ok) {
      this.#takeover = null;
      log.error("upgrade.refused", served.error);
      return err(refusal(served.error.code));
    }
    this.#successor = served.value;
    log.warn("upgrade.started");
    takeover.start(served.value);
    return ok(null);
  }

  show(): UpgradeState {
    if (this.#takeover === null) return this.#ended;
    const phase: UpgradePhase = this.#takeover.isCommitted ? "switching" : "preparing";
    const code = this.#successor?.provisioner.notReady()?.code ?? null;
    return { phase, code, hasFloor: null };
  }

  abort(): Result<null, Refusal> {
    if (this.#takeover?.abort() !== true) return err(refusal("UPGRADE_LATE"));
    const { code } = this.show();
    this.#end({ phase: "aborted", code, hasFloor: null });
    this.#parts.log.warn("upgrade.aborted", code === null ? {} : { code });
    return ok(null);
  }

  /** Of an upgrade that has not ended. */
  close(): void {
    this.#takeover?.close();
    this.#takeover = null;
  }

  #complete(status: EnclaveStatus | null, waitedMs: number): void {
    const floor = status?.floor ?? null;
    const hasFloor = floor !== null && floor.target > 0n;
    this.#end({ phase: "completed", code: null, hasFloor });
    this.#parts.log.warn("upgrade.completed", {
      durationMs: Math.round(waitedMs),
      ...(status === null ? {} : { version: status.software }),
      ...(hasFloor ? { epoch: String(floor.target) } : {}),
    });
  }

  #end(state: UpgradeState): void {
    this.#ended = state;
    this.#takeover = null;
    this.#successor = null;
  }
}
