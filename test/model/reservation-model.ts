// Two signers of one key and one store, as a model whose every state can be explored: the real
// guard, rule and transitions of reservations, between them a network that loses and delays, and
// signers that crash, boot again, give back, or stand still for as long as it takes. Whatever may
// happen at some moment is an action; standing still is not taking one.

import {
  NO_FLOOR,
  type SignedStep,
  type TendermintRecord,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import {
  type TendermintClaim,
  tendermintRule,
} from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import type { TendermintStep } from "../../enclave/core/chains/tendermint/position.ts";
import type { Held } from "../../enclave/core/chains/tendermint/reservation.ts";
import * as reservation from "../../enclave/core/chains/tendermint/reservation.ts";
import { adopt, type ChainedRecord, confirm, GuardEntry, raise } from "../../enclave/core/guard.ts";
import type { Model, Step } from "./explore.ts";

export type Transitions = Pick<
  typeof reservation,
  "decideHeld" | "reserveNext" | "giveBack" | "reservedUpTo"
>;

export type Bounds = {
  readonly heights: number;
  readonly steps: readonly TendermintStep[];
  /** Heights that are reserved at once. */
  readonly reserved: number;
  /** Boots of both signers together. */
  readonly boots: number;
  /** Writes whose outcome is never heard of. */
  readonly losses: number;
};

/** What a broken design would do instead; for tests of the model itself. */
export type Flaws = {
  readonly transitions?: Partial<Transitions>;
  /** The store takes any write, whatever it builds on. */
  readonly isUncompared?: boolean;
  /** A boot calls itself as the one before it did. */
  readonly hasOneName?: boolean;
  /** Signs by what it asked the store for, before it heard that it was written. */
  readonly isEager?: boolean;
};

type Stored = { readonly seq: number; readonly record: TendermintRecord };
type Write = Stored & {
  /** Once the store has answered, and the answer is on its way. */
  readonly outcome: "committed" | Stored | null;
};
type Signer = {
  readonly entry: GuardEntry<TendermintRecord>;
  readonly held: Held;
  readonly write: Write | null;
};
type State = {
  readonly stored: Stored;
  /** Null: it is not running. */
  readonly signers: readonly (Signer | null)[];
  /** Sent by signers that have given up on them, or crashed; may arrive at any time, or never. */
  readonly late: readonly Stored[];
  /** By place, the roots that were signed there. */
  readonly signed: ReadonlyMap<string, string>;
  readonly bootCount: number;
  readonly lossCount: number;
};

const ROOTS = { a: new Uint8Array(32).fill(0xa), b: new Uint8Array(32).fill(0xb) } as const;
type RootName = keyof typeof ROOTS;
const HEAD = new Uint8Array(32);

export function reservationModel(bounds: Bounds, flaws: Flaws = {}): Model<State> {
  const machine = new Machine(bounds, flaws);
  return {
    start: {
      stored: { seq: 1, record: tendermintRule.empty },
      signers: [null, null],
      late: [],
      signed: new Map(),
      bootCount: 0,
      lossCount: 0,
    },
    nameOf,
    follow: (state) => machine.follow(state),
    harmOf: ({ signed }) => {
      const double = [...signed].find(([, roots]) => roots.length > 1);
      return double === undefined ? null : `two roots at ${double[0]}`;
    },
  };
}

class Machine {
  readonly #bounds: Bounds;
  readonly #flaws: Flaws;
  readonly #transitions: Transitions;

  constructor(bounds: Bounds, flaws: Flaws) {
    this.#bounds = bounds;
    this.#flaws = flaws;
    this.#transitions = { ...reservation, ...flaws.transitions };
  }

  *follow(state: State): Iterable<Step<State>> {
    for (const at of state.signers.keys()) yield* this.#followSigner(state, at);
    for (const [at, write] of state.late.entries()) {
      const late = state.late.toSpliced(at, 1);
      const { stored } = this.#compareAndSwap(state.stored, write);
      yield { action: "land", state: this.#withStored({ ...state, late }, stored) };
    }
  }

  *#followSigner(state: State, at: number): Iterable<Step<State>> {
    const signer = state.signers[at] ?? null;
    if (signer === null) {
      if (state.bootCount < this.#bounds.boots) yield this.#boot(state, at);
      return;
    }
    yield this.#crash(state, at, signer);
    yield* this.#asked(state, at, signer);
    const { write, entry } = signer;
    if (write === null) {
      if (entry.isStale) yield this.#read(state, at, signer);
      else if (entry.fault === null) yield* this.#writes(state, at, signer);
      return;
    }
    if (write.outcome === null) {
      const { stored, outcome } = this.#compareAndSwap(state.stored, write);
      const answered = { ...signer, write: { ...write, outcome } };
      yield {
        action: `arrive ${at}`,
        state: withSigner(this.#withStored(state, stored), at, answered),
      };
    } else yield this.#hear(state, at, signer, write);
    if (state.lossCount < this.#bounds.losses) yield this.#lose(state, at, signer, write);
  }

  #boot(state: State, at: number): Step<State> {
    const entry = new GuardEntry<TendermintRecord>();
    adopt(tendermintRule, entry, chained(state.stored), "read");
    const holder = new Uint8Array(16).fill(this.#flaws.hasOneName === true ? 1 : state.bootCount);
    const held = { holder, last: null, isClosed: false };
    const signer: Signer = { entry, held, write: null };
    const booted = withSigner(state, at, signer);
    return { action: `boot ${at}`, state: { ...booted, bootCount: state.bootCount + 1 } };
  }

  #crash(state: State, at: number, { write }: Signer): Step<State> {
    const crashed = withSigner(this.#withLate(state, write), at, null);
    return { action: `crash ${at}`, state: crashed };
  }

  /** Every request that it may be asked. Names of roots mean nothing: the first signed is "a". */
  *#asked(state: State, at: number, signer: Signer): Iterable<Step<State>> {
    for (let height = 1; height <= this.#bounds.heights; height += 1) {
      for (const step of this.#bounds.steps) {
        const place = `${height}/${step}`;
        const names: readonly RootName[] = state.signed.has(place) ? ["a", "b"] : ["a"];
        for (const name of names) {
          const after = this.#ask(state, at, signer, { height: BigInt(height), step, name });
          if (after !== null) yield { action: `ask ${at} ${place} ${name}`, state: after };
        }
      }
    }
  }

  #ask(
    state: State,
    at: number,
    signer: Signer,
    { height, step, name }: { height: bigint; step: TendermintStep; name: RootName },
  ): State | null {
    const { entry, held } = signer;
    const { durable, raised, fault } = entry;
    if (durable === null || raised === null || fault !== null) return null;
    const claim: TendermintClaim = { height, round: 0, step, timestamp: { seconds: 1n, nanos: 0 } };
    const known = this.#flaws.isEager === true ? raised : durable;
    const verdict = this.#transitions.decideHeld(
      held,
      known.record,
      raised.record,
      claim,
      ROOTS[name],
      NO_FLOOR,
    );
    switch (verdict.kind) {
      case "refuse":
        return null;
      case "reserved":
        // It reads the record again.
        return withSigner(state, at, { ...signer, entry: copyOf(entry, { isStale: true }) });
      case "reserve":
        return this.#reserve(state, at, signer, height);
      case "sign": {
        const after = { ...signer, held: { ...held, last: verdict.last } };
        return signedAt(withSigner(state, at, after), `${height}/${step}`, name);
      }
    }
  }

  /** With what was signed last, unless the record has it. */
  #reserve(state: State, at: number, signer: Signer, asked: bigint): State | null {
    const { entry, held, write } = signer;
    if (write !== null || entry.isStale) return null;
    const upTo = this.#transitions.reservedUpTo(asked, BigInt(this.#bounds.reserved), null);
    return this.#send(state, at, signer, (record) =>
      this.#transitions.reserveNext(held, record, {
        signed: unwrittenOf(held, record),
        next: { asked, upTo },
      }),
    );
  }

  /** What it writes although nobody waits for it. */
  *#writes(state: State, at: number, signer: Signer): Iterable<Step<State>> {
    const { held } = signer;
    if (held.last !== null && !held.isClosed) {
      const after = this.#reserve(state, at, signer, held.last.height);
      if (after !== null) yield { action: `extend ${at}`, state: after };
    }
    const closed = { ...signer, held: { ...held, isClosed: true } };
    const after = this.#send(state, at, closed, (record) =>
      this.#transitions.giveBack(closed.held, record, unwrittenOf(held, record)),
    );
    if (after !== null) yield { action: `giveback ${at}`, state: after };
  }

  /** As `Ledger.amend`, which writes on top of what it knows to be stored. */
  #send(
    state: State,
    at: number,
    signer: Signer,
    change: (record: TendermintRecord) => TendermintRecord | null,
  ): State | null {
    const { durable, raised } = signer.entry;
    if (durable === null || raised === null) return null;
    const record = change(raised.record);
    if (record === null) return null;
    const sent = { seq: durable.seq + 1, record };
    const entry = copyOf(signer.entry, {});
    raise(entry, chained(sent));
    return withSigner(state, at, { ...signer, entry, write: { ...sent, outcome: null } });
  }

  #hear(state: State, at: number, signer: Signer, write: Write): Step<State> {
    const entry = copyOf(signer.entry, {});
    const { outcome } = write;
    if (outcome === "committed") {
      confirm(entry, chained(write));
      const heard = { ...signer, entry, write: null };
      return { action: `commit ${at}`, state: withSigner(state, at, heard) };
    }
    adopt(tendermintRule, entry, outcome === null ? null : chained(outcome), "conflict");
    const heard = { ...signer, entry, write: null };
    return { action: `conflict ${at}`, state: withSigner(state, at, heard) };
  }

  #lose(state: State, at: number, signer: Signer, write: Write): Step<State> {
    const entry = copyOf(signer.entry, { isStale: true });
    const lost = withSigner(this.#withLate(state, write), at, { ...signer, entry, write: null });
    return { action: `lose ${at}`, state: { ...lost, lossCount: state.lossCount + 1 } };
  }

  #read(state: State, at: number, signer: Signer): Step<State> {
    const entry = copyOf(signer.entry, {});
    adopt(tendermintRule, entry, chained(state.stored), "read");
    return { action: `read ${at}`, state: withSigner(state, at, { ...signer, entry }) };
  }

  /** What the store has not seen yet may still reach it, and be written while nothing else was. */
  #withLate(state: State, write: Write | null): State {
    if (write === null || write.outcome !== null) return state;
    const { seq, record } = write;
    return this.#canLand(state.stored, write)
      ? { ...state, late: [...state.late, { seq, record }] }
      : state;
  }

  /** Drops what can't be written any more. */
  #withStored(state: State, stored: Stored): State {
    return { ...state, stored, late: state.late.filter((write) => this.#canLand(stored, write)) };
  }

  #canLand(stored: Stored, write: Stored): boolean {
    return this.#flaws.isUncompared === true || write.seq > stored.seq;
  }

  #compareAndSwap(stored: Stored, write: Stored): { stored: Stored; outcome: Write["outcome"] } {
    const isNext = this.#flaws.isUncompared === true || write.seq === stored.seq + 1;
    if (!isNext) return { stored, outcome: stored };
    return { stored: { seq: write.seq, record: write.record }, outcome: "committed" };
  }
}

function chained({ seq, record }: Stored): ChainedRecord<TendermintRecord> {
  return { seq, record, isRetired: false, head: HEAD };
}

function unwrittenOf({ last }: Held, record: TendermintRecord): SignedStep | null {
  const isWritten = last === null || nameOfStep(last) === nameOfStep(record.last);
  return isWritten ? null : last;
}

function copyOf(
  entry: GuardEntry<TendermintRecord>,
  change: Partial<GuardEntry<TendermintRecord>>,
): GuardEntry<TendermintRecord> {
  return Object.assign(new GuardEntry<TendermintRecord>(), entry, change);
}

function withSigner(state: State, at: number, signer: Signer | null): State {
  return { ...state, signers: state.signers.with(at, signer) };
}

function signedAt(state: State, place: string, name: RootName): State {
  const roots = state.signed.get(place) ?? "";
  if (roots.includes(name)) return state;
  return { ...state, signed: new Map(state.signed).set(place, roots + name) };
}

/**
 * Two states that differ in nothing but which signer is which, or in the names of boots that have
 * ended, behave alike. Of a version it
 * matters whether it is the stored one, the next, or an older one.
 */
function nameOf(state: State): string {
  const [first, second] = [nameInOrder(state, [0, 1]), nameInOrder(state, [1, 0])];
  return first < second ? first : second;
}

function nameInOrder(state: State, order: readonly number[]): string {
  const { stored, signers, late, signed, bootCount, lossCount } = state;
  const ordered = order.map((at) => signers[at] ?? null);
  const namer = new Namer(stored.seq, ordered);
  return [
    namer.stored(stored),
    ...ordered.map((signer) => namer.signer(signer)),
    late.map((write) => namer.stored(write)).toSorted(),
    [...signed].map(([place, roots]) => `${place}${roots}`).toSorted(),
    bootCount,
    lossCount,
  ].join("|");
}

class Namer {
  readonly #from: number;
  readonly #holders: readonly (number | undefined)[];

  constructor(from: number, signers: readonly (Signer | null)[]) {
    this.#from = from;
    this.#holders = signers.map((signer) => signer?.held.holder[0]);
  }

  signer(signer: Signer | null): string {
    if (signer === null) return "off";
    const { entry, held, write } = signer;
    const { durable, raised, isStale, fault } = entry;
    const known = durable === null ? "" : this.stored(durable);
    const ahead = raised === null || raised === durable ? "" : this.stored(raised);
    const sent = write === null ? "" : this.#write(write);
    return [held.isClosed, nameOfStep(held.last), known, ahead, isStale, fault, sent].join();
  }

  #write(write: Write): string {
    const { outcome } = write;
    const told = outcome === null || outcome === "committed" ? outcome : this.stored(outcome);
    return `${this.stored(write)}~${told}`;
  }

  stored({ seq, record }: Stored): string {
    const { last, reserved } = record;
    const holder = reserved === null ? -1 : this.#holders.indexOf(reserved.holder[0]);
    const held = reserved === null ? "" : `${reserved.height}by${holder}`;
    return `${Math.max(-1, seq - this.#from)}:${nameOfStep(last)}:${held}`;
  }
}

function nameOfStep(step: SignedStep | null): string {
  if (step === null) return "-";
  const { height, round, root } = step;
  return `${height}.${round}.${step.step}.${root?.[0] ?? "?"}`;
}
