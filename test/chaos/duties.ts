// An honest validator on several signers: one block after the other, one root for each, asked of
// one signer and, when that does not sign, of the next. Whatever breaks, no guard has a reason to
// refuse it: only what is away, or has just booted, may.

import type { HostileLoad } from "../fakes/hostile-load.ts";
import type { Cluster } from "./cluster.ts";
import { pause } from "./faults.ts";

const DUTY_MS = 200;
const TRY_COUNT_MAX = 4;
/** What it may be told instead of a signature. */
const EXCUSES: ReadonlySet<string> = new Set([
  "lost",
  "DEADLINE",
  "ENCLAVE_ABSENT",
  "GUARD_BOOT_FLOOR",
  "LINK_BUSY",
  "LINK_DOWN",
  "LINK_TIMEOUT",
  "NOT_READY",
  "PHASE_REFUSED",
  "STATE_CONFLICT",
  "STATE_UNKNOWN",
  "STORE_FULL",
  "STORE_THROTTLED",
  "STORE_UNAVAILABLE",
]);

export class Duties {
  signedCount = 0;
  /** Signed by the signer that was not asked first. */
  failoverCount = 0;
  missedCount = 0;
  readonly wrongful = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #load: HostileLoad;
  readonly #key: string;
  #loop: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(cluster: Cluster, load: HostileLoad, key: string) {
    this.#cluster = cluster;
    this.#load = load;
    this.#key = key;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    let lastSlot = 0;
    for (let turn = 0; !this.#isOver; turn++) {
      const slot = this.#cluster.freshSlot();
      if (slot > lastSlot) await this.#sign(slot, turn);
      lastSlot = slot;
      await pause(DUTY_MS);
    }
  }

  async #sign(slot: number, turn: number): Promise<void> {
    const { sites } = this.#cluster;
    for (let count = 0; count < TRY_COUNT_MAX; count++) {
      const site = sites[(turn + count) % sites.length];
      if (site === undefined) return;
      const ask = { key: this.#key, height: { kind: "block", slot }, salt: 0 } as const;
      const { outcome } = await this.#load.answer(ask, site);
      if (outcome === "signed") {
        this.signedCount += 1;
        if (count > 0) this.failoverCount += 1;
        return;
      }
      if (!EXCUSES.has(outcome)) {
        this.wrongful.set(outcome, (this.wrongful.get(outcome) ?? 0) + 1);
      }
    }
    this.missedCount += 1;
  }
}
