// One history: two enclaves, two keys that move between them (never in both at once), a validator
// that asks for anything, and a parent of some temper. A seed decides all of it.

import { keyNameOf } from "../../enclave/keys/key-name.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import type { Clock } from "./enclave-life.ts";
import { EthereumChain } from "./ethereum-chain.ts";
import { type Forge, Parent, type Temper } from "./parent.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import type { Life, SimulatedChain } from "./simulated-chain.ts";
import type { Sabotage } from "./simulated-enclave.ts";
import { GENESIS_MS, SLOT_MS, SLOTS_PER_EPOCH, slotOf } from "./validator.ts";

export type Wish = {
  readonly seed: number;
  readonly temper: Temper;
  readonly forge?: Forge;
};

export type Outcome = {
  readonly stepCount: number;
  readonly requestCount: number;
  readonly releaseCount: number;
  readonly crashCount: number;
  readonly moveCount: number;
  readonly storeCallCount: number;
  readonly refusals: ReadonlySet<ErrorCode>;
};

const ENCLAVE_COUNT = 2;
type Action =
  | "request"
  | "answer"
  | "advance"
  | "pass"
  | "land"
  | "tamper"
  | "crash"
  | "drop"
  | "load"
  | "amend";

/** After this the floor of any load has passed. */
const BOOT_MS = 2 * SLOTS_PER_EPOCH * SLOT_MS;

/** Of Ethereum's enclaves. */
export function runHistory(wish: Wish & { readonly sabotage?: Sabotage }): Promise<Outcome> {
  return runHistoryOf(new EthereumChain(wish.sabotage ?? {}), wish);
}

/** Ends when the history is over; throws when it should never have happened. */
export function runHistoryOf<E extends Life, Q, S extends { readonly root: string }>(
  chain: SimulatedChain<E, Q, S>,
  wish: Wish,
): Promise<Outcome> {
  return new History(chain, wish).run();
}

class History<E extends Life, Q, S extends { readonly root: string }> {
  readonly #chain: SimulatedChain<E, Q, S>;
  readonly #wish: Wish;
  readonly #random: Random;
  readonly #parent: Parent;
  readonly #recorder: Recorder<S>;
  readonly #clock: Clock;
  readonly #enclaves: (E | null)[];
  readonly #refusals = new Set<ErrorCode>();
  /** One key, one height, two roots: the shortest way to harm, if there is one. */
  readonly #isDuel: boolean;
  readonly #keys: readonly BundleKey[];
  readonly #asked: { readonly key: BundleKey; readonly request: Q }[] = [];
  /** What a promise that nobody waits for has thrown. */
  #thrown: unknown = null;
  #stepCount = 0;
  #requestCount = 0;
  #crashCount = 0;
  #moveCount = 0;

  constructor(chain: SimulatedChain<E, Q, S>, wish: Wish) {
    this.#chain = chain;
    this.#recorder = new Recorder(chain.pairs);
    this.#wish = wish;
    this.#random = new Random(wish.seed);
    this.#isDuel = this.#random.chance(0.5);
    this.#keys = this.#isDuel ? chain.keys.slice(0, 1) : chain.keys;
    this.#parent = new Parent(this.#random, this.#recorder);
    this.#parent.forge = wish.forge ?? null;
    const startSlot = this.#random.chance(0.2) ? -1 : this.#random.between(0, 60);
    this.#clock = { unixMs: GENESIS_MS + startSlot * SLOT_MS + this.#random.below(SLOT_MS) };
    this.#enclaves = Array.from({ length: ENCLAVE_COUNT }, () => null);
  }

  async run(): Promise<Outcome> {
    await this.#serveAll();
    this.#parent.temper = this.#wish.temper;
    if (this.#random.chance(0.8)) this.#clock.unixMs += BOOT_MS;
    const lastStep = this.#random.between(40, 90);
    while (this.#stepCount < lastStep) {
      this.#stepCount += 1;
      this.#act(this.#random.weighted(this.#actionWeights()));
      await this.#settle();
    }
    await this.#recover();
    // A hostile parent may keep them to itself.
    if (this.#wish.temper !== "hostile") this.#recorder.checkReceipts();
    return {
      stepCount: this.#stepCount,
      requestCount: this.#requestCount,
      releaseCount: this.#recorder.releaseCount,
      crashCount: this.#crashCount,
      moveCount: this.#moveCount,
      storeCallCount: this.#parent.callCount,
      refusals: this.#refusals,
    };
  }

  /** What there is to do now, so that few steps do nothing. */
  #actionWeights(): Readonly<Record<Action, number>> {
    const holders = this.#keys.map((key) => this.#holderOf(key));
    const isServing = holders.some((holder) => holder?.isReady === true);
    const isBelow = this.#keys.some((key, index) => {
      const holder = holders[index];
      return holder !== undefined && this.#chain.isBelowFloor(holder, key, this.#clock.unixMs);
    });
    const isStuck = this.#keys.some((key, index) => holders[index]?.faultOf(key) === true);
    return {
      request: isServing ? 40 : 0,
      answer: this.#parent.waitingCount > 0 ? 40 : 0,
      advance: 8,
      pass: isBelow ? 8 : 1,
      land: 3,
      tamper: 4,
      crash: isStuck ? 12 : this.#isDuel ? 4 : 2,
      drop: this.#isDuel ? 8 : 4,
      load: holders.every((holder) => holder?.isReady === true) ? 0 : 30,
      amend: 2,
    };
  }

  #act(action: Action): void {
    switch (action) {
      case "request":
        for (let count = this.#random.between(1, 4); count > 0; count--) this.#request();
        return;
      case "answer":
        return this.#parent.answerOne();
      case "advance":
        // Past the floor of the last boot now and then: else there is little to be released.
        this.#clock.unixMs += this.#random.below(SLOT_MS);
        return;
      case "pass":
        this.#clock.unixMs += BOOT_MS;
        return;
      case "land":
        return this.#parent.landOne();
      case "tamper":
        return this.#tamper();
      case "crash":
        return this.#crash(this.#random.below(ENCLAVE_COUNT));
      case "drop":
        return this.#drop();
      case "load":
        return this.#load();
      case "amend":
        return this.#amend();
    }
  }

  #request(): void {
    if (this.#isDuel) {
      const [only] = this.#keys;
      invariant(only !== undefined, "there is a key");
      return void this.#ask(only, this.#chain.duel(this.#random, this.#clock.unixMs));
    }
    const known = this.#random.chance(0.6) ? this.#random.pick(this.#asked.slice(-6)) : undefined;
    const key = known?.key ?? this.#random.pick(this.#keys);
    invariant(key !== undefined, "there are keys");
    const isRepeat = known !== undefined && this.#random.chance(0.4);
    const request = isRepeat
      ? known.request
      : this.#chain.hostile(this.#random, this.#clock.unixMs, known?.request);
    if (!isRepeat) this.#asked.push({ key, request });
    this.#ask(key, request);
  }

  #ask(key: BundleKey, request: Q): Promise<boolean> {
    const enclave = this.#holderOf(key);
    if (enclave === undefined || !enclave.isReady) return Promise.resolve(false);
    this.#requestCount += 1;
    const answered = this.#chain.ask(enclave, key, request).then((answer) => {
      // What a dead enclave says nobody hears.
      if (!enclave.isAlive) return false;
      if (!answer.ok) {
        this.#refusals.add(answer.error.code);
        return false;
      }
      this.#recorder.release(encodeHex(key.publicKey), answer.value);
      return true;
    });
    return answered.catch((thrown: unknown) => {
      this.#thrown ??= thrown;
      return false;
    });
  }

  #tamper(): void {
    if (this.#parent.temper !== "hostile") return;
    const [first, second] = this.#chain.keys.map((key) => keyNameOf(key.publicKey));
    invariant(first !== undefined && second !== undefined, "there are two keys");
    const victim = this.#isDuel || this.#random.chance(0.5) ? first : second;
    if (this.#random.chance(0.85)) this.#parent.rollBack(victim);
    else this.#parent.swap(victim, victim === first ? second : first);
  }

  #crash(index: number): void {
    const enclave = this.#enclaves[index];
    if (enclave === null || enclave === undefined) return;
    this.#crashCount += 1;
    enclave.isAlive = false;
    this.#enclaves[index] = null;
    this.#parent.forget(enclave);
  }

  #drop(): void {
    const key = this.#random.pick(this.#keys);
    const holder = key === undefined ? undefined : this.#holderOf(key);
    if (key === undefined || holder === undefined || !holder.isReady || holder.isBusy) return;
    void holder.drop(key).catch((thrown: unknown) => this.#keep(thrown));
  }

  /** A key that nobody has goes to some enclave, which boots if it is not there. */
  #load(): void {
    const key = this.#random.pick(this.#keys);
    const index = this.#random.below(ENCLAVE_COUNT);
    const enclave = this.#enclaves[index] ?? this.#boot(index);
    if (enclave.isBusy || key === undefined) return;
    const isFree = !this.#enclaves.some(
      (other) => other !== null && (other.isBusy || other.holds(key)),
    );
    if (isFree) {
      this.#moveCount += 1;
      void enclave.load(key).catch((thrown: unknown) => this.#keep(thrown));
    } else if (!enclave.isReady && enclave.keyCount > 0) {
      const store = this.#parent.storeOf(enclave);
      void enclave.openState(store).catch((thrown: unknown) => this.#keep(thrown));
    }
  }

  #boot(index: number): E {
    const enclave = this.#chain.boot(this.#clock, this.#random);
    this.#enclaves[index] = enclave;
    return enclave;
  }

  /** A first record, or an import: a parent may ask for either at any time. */
  #amend(): void {
    const key = this.#random.pick(this.#keys);
    const holder = key === undefined ? undefined : this.#holderOf(key);
    if (key === undefined || holder === undefined || !holder.isReady) return;
    const act = this.#chain.amend(holder, key, this.#random, this.#clock.unixMs);
    void act.then(
      (done) => (done.ok ? undefined : this.#refusals.add(done.error.code)),
      (thrown: unknown) => this.#keep(thrown),
    );
  }

  #holderOf(key: BundleKey): E | undefined {
    return this.#enclaves.find((enclave) => enclave?.holds(key) === true) ?? undefined;
  }

  #keep(thrown: unknown): void {
    this.#thrown ??= thrown;
  }

  /** Everything that can go on without the parent has gone on. */
  async #settle(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    if (this.#thrown !== null) throw this.#thrown; // oxlint-disable-line typescript/only-throw-error -- passed on as it came
  }

  /** The faults cease: from here on every sober request is to be signed. */
  async #recover(): Promise<void> {
    // A parent that lied has to start anew; one that was only unreliable must not have to.
    if (this.#wish.temper === "hostile") this.#enclaves.forEach((_, index) => this.#crash(index));
    this.#parent.reform(this.#keys.map((key) => keyNameOf(key.publicKey)));
    await this.#serveAll();
    const slots = 3 * SLOTS_PER_EPOCH + Math.max(0, -slotOf(this.#clock.unixMs));
    this.#clock.unixMs += slots * SLOT_MS;
    for (const key of this.#keys) {
      for (const { requests, contradiction } of this.#chain.sober(this.#clock.unixMs)) {
        const asked = requests.map((request) => this.#ask(key, request));
        await this.#answerAll();
        const answers = await Promise.all(asked);
        invariant(
          answers.every((isSigned) => isSigned),
          `a sober request is signed once the faults have ceased (${[...this.#refusals].join()})`,
        );
        if (contradiction === null) continue;
        const opposed = this.#ask(key, contradiction);
        await this.#answerAll();
        invariant(!(await opposed), "what contradicts it is refused");
      }
    }
  }

  /** Every key is loaded in some enclave that is ready, and has a record. */
  async #serveAll(): Promise<void> {
    await this.#answerAll();
    for (const key of this.#keys) {
      const index = this.#random.below(ENCLAVE_COUNT);
      const enclave = this.#holderOf(key) ?? this.#enclaves[index] ?? this.#boot(index);
      if (!enclave.holds(key)) {
        const loaded = enclave.load(key);
        await this.#answerAll();
        invariant(await loaded, "an honest store lets a key be loaded");
      }
      if (!enclave.isReady) {
        const opened = enclave.openState(this.#parent.storeOf(enclave));
        await this.#answerAll();
        invariant(await opened, "an honest store lets the state be opened");
      }
      const created = enclave.init(key);
      await this.#answerAll();
      invariant((await created).ok, "an honest store takes a first record");
    }
  }

  async #answerAll(): Promise<void> {
    await this.#settle();
    while (this.#parent.waitingCount > 0) {
      this.#parent.answerOne();
      await this.#settle();
    }
  }
}

/**
 * What an unreliable parent must never bring about: it has not lied. (STATE_CONFLICT is no alarm:
 * it is told to a request that was decided again too often, and the next one is served.)
 */
export const FALSE_ALARMS: readonly ErrorCode[] = [
  "STATE_ROLLED_BACK",
  "STATE_CORRUPT",
  "STATE_MISSING",
];
