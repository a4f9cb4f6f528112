// Histories of one key with reserved heights, of several boots on one store that loses, delays and
// holds back: drains, imports, and orders of the operators that lower the record beside all of it.
// Only the holder of the heights is given an order: what another one can do is outside of the
// promise (docs/operations.md). It must never count as kept what an order has given up.

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import {
  raiseTendermintRecord,
  recordAt,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import { type ErrorCode, isErrorCode, refusal } from "../../shared/errors.ts";
import { VALIDATOR } from "../fakes/consensus-rig.ts";
import { rootOf } from "../fakes/ledger-rig.ts";
import { honestly, late, lost, MemoryStore, writtenButUnknown } from "../fakes/memory-store.ts";
import { lineCount, ReservationRig } from "../fakes/reservation-rig.ts";
import { Random } from "./random.ts";
import { Slashed } from "./recorder.ts";

const FIRST_HEIGHT = 30;
/** Those whose receipts have the same form. */
const LAST_HEIGHT = 250;
const STEP_COUNT = 60;
const TURN_COUNT_MAX = 2000;
const ROOTS = [rootOf("a"), rootOf("b")];
const FATES = [honestly, lost, writtenButUnknown, late];
const IMPORT = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };

/** A boot signed that had given its heights back. */
class Reopened extends Error {
  override readonly name = "Reopened";
}

export type ReservedOutcome = {
  readonly releaseCount: number;
  readonly orderCount: number;
  readonly drainCount: number;
  readonly refusals: ReadonlySet<ErrorCode>;
};

/** A store that says when an order has been written. */
class OrderedStore extends MemoryStore {
  onOrder: () => void = () => undefined;

  override put(write: Parameters<MemoryStore["put"]>[0]): void {
    super.put(write);
    if (Buffer.from(write.receipt).includes("override")) this.onOrder();
  }
}

export class ReservedHistory {
  readonly #random: Random;
  readonly #store = new OrderedStore();
  readonly #heights: number;
  readonly #boots: ReservationRig[] = [];
  /** By height what was released and still binds. */
  readonly #released = new Map<number, Uint8Array>();
  readonly #signers = new Map<number, ReservationRig>();
  readonly #asked = new Set<ReservationRig>();
  readonly #drained = new Set<ReservationRig>();
  #found: Error | null = null;
  readonly #refusals = new Set<ErrorCode>();
  #height = FIRST_HEIGHT;
  #underWay = 0;
  #open: (() => void) | null = null;
  #bootCount = 1;
  #releaseCount = 0;
  #orderCount = 0;
  #drainCount = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#heights = this.#random.between(4, 15);
    this.#store.onOrder = () => this.#forget();
  }

  async run(): Promise<ReservedOutcome> {
    const wish = { boot: 1, heights: this.#heights };
    this.#boots.push(await ReservationRig.serve(this.#store, wish));
    const trouble = this.#random.next() / 2;
    for (let step = 0; step < STEP_COUNT; step += 1) {
      if (this.#random.chance(trouble)) this.#store.script(this.#random.pick(FATES) ?? honestly);
      this.#step();
      if (this.#found !== null) throw this.#found;
      for (let turns = this.#random.below(3); turns > 0; turns -= 1) await turn();
    }
    await this.#end();
    return {
      releaseCount: this.#releaseCount,
      orderCount: this.#orderCount,
      drainCount: this.#drainCount,
      refusals: this.#refusals,
    };
  }

  #step(): void {
    const boot = this.#random.pick(this.#boots);
    assert(boot !== undefined);
    const acts = { ask: 60, boot: 4, hold: 6, land: 6, deafen: 3, drain: 3, order: 10, import: 3 };
    switch (this.#random.weighted(acts)) {
      case "ask":
        return this.#ask(boot);
      case "boot":
        return this.#boot();
      case "hold":
        return this.#holdOrOpen();
      case "land":
        this.#store.landLate();
        return;
      case "deafen":
        return this.#store.refuseRead(refusal("STORE_UNAVAILABLE"));
      case "drain":
        return this.#drain(boot);
      case "order":
        return this.#order(boot);
      case "import":
        return this.#import(boot);
    }
  }

  #ask(boot: ReservationRig): void {
    if (this.#random.chance(0.5)) {
      this.#height += this.#random.chance(0.1) ? this.#random.below(15) : 1;
    }
    const back = this.#random.chance(0.2) ? this.#random.below(4) : 0;
    const height = Math.min(LAST_HEIGHT, Math.max(FIRST_HEIGHT, this.#height - back));
    const root = this.#random.pick(ROOTS) ?? rootOf("a");
    const wasDrained = this.#drained.has(boot);
    this.#asked.add(boot);
    const asked = boot.ask(height, root).then((answer) => {
      if (isErrorCode(answer)) {
        this.#refusals.add(answer);
        return;
      }
      const before = this.#released.get(height);
      if (before !== undefined && before !== root) this.#found ??= new Slashed(`height ${height}`);
      if (wasDrained) this.#found ??= new Reopened(`height ${height}`);
      this.#released.set(height, root);
      this.#signers.set(height, boot);
      this.#releaseCount += 1;
    });
    this.#start(asked);
  }

  /** One that can't read the store does not come up. */
  #boot(): void {
    this.#bootCount += 1;
    const wish = { boot: this.#bootCount, heights: this.#heights };
    const booted = ReservationRig.boot(this.#store, wish);
    this.#start(booted.then((rig) => this.#boots.push(rig)).catch(() => null));
  }

  #holdOrOpen(): void {
    const open = this.#open;
    this.#open = open === null ? this.#store.hold() : null;
    open?.();
  }

  #drain(boot: ReservationRig): void {
    const { recorder, account } = boot;
    this.#start(this.#random.chance(0.5) ? recorder.giveBack() : recorder.close(account));
    // One that was never asked has nothing to give back, and may be asked for the first time later.
    if (this.#asked.has(boot)) this.#drained.add(boot);
    this.#drainCount += 1;
  }

  #order(boot: ReservationRig): void {
    if (!this.#isHolder(boot)) return;
    const { account } = boot;
    const at = Number(account.entry.durable?.record.last?.height ?? FIRST_HEIGHT);
    const lowest = Math.max(FIRST_HEIGHT, at - 3);
    const height = BigInt(this.#random.between(lowest, Math.max(lowest, this.#height)));
    const record = recordAt({ height, round: 5, step: "precommit" });
    if (this.#random.chance(0.5)) this.#store.script(this.#random.pick(FATES) ?? honestly);
    this.#start(boot.order(account.entry.durable?.seq ?? 0, record));
    if (this.#random.chance(0.3)) this.#drain(boot);
  }

  /** What was signed above an order's place does not bind any more: that is what it is for. */
  #forget(): void {
    this.#orderCount += 1;
    const place = Number(this.#boots[0]?.stored().last?.height);
    for (const height of this.#released.keys()) {
      if (height > place) this.#released.delete(height);
    }
  }

  #import({ account }: ReservationRig): void {
    const height = BigInt(this.#height + this.#random.below(3));
    const raised = account.ledger.amend(account, IMPORT, (record) =>
      record === null
        ? null
        : {
            record: raiseTendermintRecord(record, { height, round: 0, step: "prevote" }),
            isRetired: false,
          },
    );
    this.#start(raised);
  }

  #start(work: Promise<unknown>): void {
    this.#underWay += 1;
    void work.then(() => {
      this.#underWay -= 1;
    });
  }

  /** The store is honest again: everything ends, is given back, and has its receipts. */
  async #end(): Promise<void> {
    this.#open?.();
    await this.#settle();
    if (this.#found !== null) throw this.#found;
    this.#store.heal();
    while (this.#store.landLate().length > 0) await turn();
    for (const { recorder } of [...this.#boots, ...this.#boots]) await recorder.giveBack();
    const whole = this.#boots.filter(({ account }) => account.entry.fault === null);
    // A write that lands after its boot has given back is unknown to it: whoever takes over goes on
    // above what it reserves.
    const seq = this.#store.stored(VALIDATOR.publicKey)?.seq;
    const held = whole.find(
      (boot) => this.#isHolder(boot) && boot.account.entry.durable?.seq === seq,
    );
    assert(held === undefined, "heights stay reserved by a boot that was drained");
    for (const [height, boot] of this.#signers) {
      const isWhole = whole.includes(boot);
      assert(!isWhole || lineCount(this.#store, height) > 0, `height ${height} has no receipt`);
    }
  }

  #isHolder(boot: ReservationRig): boolean {
    const { reserved } = boot.stored();
    return reserved !== null && reserved.holder[0] === boot.boot;
  }

  async #settle(): Promise<void> {
    for (let turns = 0; this.#underWay > 0; turns += 1) {
      assert(turns < TURN_COUNT_MAX, "something does not end");
      await turn();
    }
  }
}
