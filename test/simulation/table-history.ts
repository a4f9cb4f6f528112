// One history over a shared table: up to three enclaves that all have the same keys, validators
// that ask any of them for anything, machines that crash, stop and resume, and a network of some
// temper. A seed decides all of it. What must never happen ends it by throwing.

import type { StateStore } from "../../enclave/core/ports.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { EthereumChain, WITHOUT_FLOOR } from "./ethereum-chain.ts";
import { FALSE_ALARMS } from "./history.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import type { Life, SimulatedChain } from "./simulated-chain.ts";
import { type Boot, TableFleet } from "./table-fleet.ts";
import { type TableBreaks, TableModel } from "./table-model.ts";
import { anyWeights, type Fate, TableNetwork } from "./table-network.ts";
import { GENESIS_MS, SLOT_MS, SLOTS_PER_EPOCH } from "./validator.ts";
import { VirtualTime } from "./virtual-time.ts";

export type Wish = {
  readonly seed: number;
  /** Kills this enclave before this step. */
  readonly crash?: { readonly step: number; readonly index: number };
  /** What a test of the tests breaks. */
  readonly table?: TableBreaks;
  /** Every enclave has a table of its own. */
  readonly isSplit?: boolean;
  readonly breakStore?: (store: StateStore) => StateStore;
  /** Of operators' acts, and of tombstones, among all that may happen. */
  readonly amendWeight?: number;
  readonly retireWeight?: number;
};

export type Outcome = {
  readonly stepCount: number;
  readonly requestCount: number;
  readonly releaseCount: number;
  readonly crashCount: number;
  readonly stopCount: number;
  readonly callCount: number;
  readonly conflictCount: number;
  readonly retiredCount: number;
  readonly refusals: ReadonlySet<ErrorCode>;
  readonly fates: ReadonlySet<Fate>;
  /** What was under way for the enclave that `crash` killed; null: it was not there. */
  readonly situation: string | null;
};

type Action =
  | "request"
  | "pass"
  | "advance"
  | "crash"
  | "boot"
  | "stop"
  | "resume"
  | "jump"
  | "weather"
  | "amend"
  | "retire"
  | "exchange";

const NOTHING = Symbol("nothing was thrown");
/** Longer than enclaves take between two looks at the table. */
const ABSENCE_MS = 65_000;

/** Of Ethereum's enclaves. */
export function runTableHistory(wish: Wish): Promise<Outcome> {
  return runTableHistoryOf(new EthereumChain(WITHOUT_FLOOR), wish);
}

export function runTableHistoryOf<E extends Life, Q, S extends { readonly root: string }>(
  chain: SimulatedChain<E, Q, S>,
  wish: Wish,
): Promise<Outcome> {
  return new TableHistory(chain, wish).run();
}

class TableHistory<E extends Life, Q, S extends { readonly root: string }> {
  readonly #chain: SimulatedChain<E, Q, S>;
  readonly #wish: Wish;
  readonly #random: Random;
  readonly #time = new VirtualTime();
  readonly #table: TableModel;
  readonly #network: TableNetwork;
  readonly #recorder: Recorder<S>;
  readonly #fleet: TableFleet<E>;
  readonly #keys: readonly BundleKey[];
  readonly #isDuel: boolean;
  readonly #clock: { readonly unixMs: number };
  readonly #refusals = new Set<ErrorCode>();
  readonly #asked: { readonly key: BundleKey; readonly request: Q }[] = [];
  /** Keys that somebody tried to retire. */
  readonly #retired = new Set<BundleKey>();
  #thrown: unknown = NOTHING;
  #stepCount = 0;
  #requestCount = 0;
  #retiredCount = 0;
  #isExchanged = false;
  #situation: string | null = null;

  constructor(chain: SimulatedChain<E, Q, S>, wish: Wish) {
    this.#chain = chain;
    this.#recorder = new Recorder(chain.pairs);
    this.#wish = wish;
    this.#random = new Random(wish.seed);
    const startMs = GENESIS_MS + this.#random.between(2 * SLOTS_PER_EPOCH, 60) * SLOT_MS;
    const time = this.#time;
    this.#clock = {
      get unixMs() {
        return Math.floor(startMs + time.nowMs);
      },
    };
    this.#table = new TableModel(this.#recorder, this.#random.chance(0.5), wish.table);
    this.#table.batchCountMax = this.#random.chance(0.7) ? 100 : 1;
    this.#network = new TableNetwork(this.#random, time, this.#table);
    this.#isDuel = this.#random.chance(0.5);
    this.#keys = this.#isDuel ? chain.keys.slice(0, 1) : chain.keys;
    this.#fleet = new TableFleet({
      random: this.#random,
      time,
      bootEnclave: () => chain.boot(this.#clock, this.#random),
      keys: this.#keys,
      count: this.#random.between(2, 3),
      network: () =>
        wish.isSplit === true
          ? new TableNetwork(this.#random, time, new TableModel(this.#recorder, true))
          : this.#network,
      breakStore: wish.breakStore ?? ((store) => store),
    });
  }

  async run(): Promise<Outcome> {
    await this.#serveAll();
    // The first makes the records, the others find them there.
    for (const { enclave } of this.#fleet.ready()) {
      for (const key of this.#keys) {
        const created = await this.#await(enclave.init(key));
        invariant(created.ok, "an honest table takes a first record");
      }
    }
    this.#weather();
    const lastStep = this.#random.between(60, 140);
    while (this.#stepCount < lastStep) {
      this.#stepCount += 1;
      this.#crashAsWished();
      await this.#act(this.#random.weighted(this.#actionWeights()));
      await this.#settle();
    }
    await this.#recover();
    this.#recorder.checkReceipts();
    return {
      stepCount: this.#stepCount,
      requestCount: this.#requestCount,
      releaseCount: this.#recorder.releaseCount,
      crashCount: this.#fleet.crashCount,
      stopCount: this.#fleet.stopCount,
      callCount: this.#network.callCount,
      conflictCount: this.#table.conflictCount,
      retiredCount: this.#retiredCount,
      refusals: this.#refusals,
      fates: this.#network.fates,
      situation: this.#situation,
    };
  }

  #actionWeights(): Readonly<Record<Action, number>> {
    const isServing = this.#fleet.ready().length > 0;
    const { isStopped, isDown } = this.#fleet;
    return {
      request: isServing ? 40 : 0,
      pass: 45,
      advance: 6,
      crash: 3,
      boot: isDown ? 25 : 0,
      stop: this.#isExchanged ? 0 : 2,
      resume: isStopped ? 8 : 0,
      jump: 1,
      weather: 2,
      amend: this.#wish.amendWeight ?? 2,
      retire: this.#wish.retireWeight ?? 0.3,
      exchange: this.#isExchanged ? 0 : 0.1,
    };
  }

  async #act(action: Action): Promise<void> {
    switch (action) {
      case "request":
        for (let count = this.#random.between(1, 4); count > 0; count--) this.#request();
        return;
      case "pass":
        this.#time.step(this.#time.nowMs + 2000);
        return;
      case "advance":
        return this.#pass(this.#random.below(SLOT_MS));
      case "crash":
        return this.#fleet.crash(this.#random.below(this.#fleet.boots.length));
      case "boot":
        return this.#boot();
      case "stop":
        return this.#fleet.stopAny();
      case "resume":
        return this.#fleet.resumeAll();
      case "jump":
        return this.#fleet.jumpAny(4 * SLOT_MS);
      case "weather":
        return this.#weather();
      case "amend":
        return this.#amend();
      case "retire":
        return this.#retire();
      case "exchange":
        return this.#exchange();
    }
  }

  #request(): void {
    const known = this.#random.chance(0.6) ? this.#random.pick(this.#asked.slice(-6)) : undefined;
    const key = known?.key ?? this.#random.pick(this.#keys);
    const boot = this.#fleet.anyReady();
    if (key === undefined || boot === undefined) return;
    const isRepeat = known !== undefined && this.#random.chance(0.5);
    const { unixMs } = this.#clock;
    let request: Q;
    if (isRepeat) request = known.request;
    else if (this.#isDuel) request = this.#chain.duel(this.#random, unixMs);
    else request = this.#chain.hostile(this.#random, unixMs, known?.request);
    if (!isRepeat) this.#asked.push({ key, request });
    void this.#ask(boot, key, request);
  }

  /** "ok", or the code of the refusal; "dead": nobody heard. */
  async #ask({ machine, enclave }: Boot<E>, key: BundleKey, request: Q): Promise<string> {
    this.#requestCount += 1;
    try {
      const answer = await this.#chain.ask(enclave, key, request);
      if (!machine.isAlive) return "dead";
      if (!answer.ok) {
        this.#note(answer.error.code);
        return answer.error.code;
      }
      this.#recorder.release(encodeHex(key.publicKey), answer.value);
      return "ok";
    } catch (thrown) {
      this.#keep(thrown);
      return "thrown";
    }
  }

  #note(code: ErrorCode): void {
    this.#refusals.add(code);
    // The table does not lie: whoever takes it for rolled back has miscounted.
    const isAlarm = FALSE_ALARMS.includes(code) && !this.#isExchanged;
    invariant(!isAlarm, `a table that never lies is taken for one that does: ${code}`);
  }

  #crashAsWished(): void {
    const { crash } = this.#wish;
    if (crash?.step !== this.#stepCount) return;
    const boot = this.#fleet.boots[crash.index] ?? null;
    if (boot === null) return;
    this.#situation = this.#network.situationOf(boot.machine);
    this.#fleet.crash(crash.index);
  }

  #boot(): void {
    const boot = this.#fleet.anyDown();
    if (boot === undefined) return;
    void this.#fleet.open(boot).catch((thrown: unknown) => this.#keep(thrown));
  }

  #weather(): void {
    if (this.#random.chance(0.2)) return this.#network.calm();
    this.#network.weights = anyWeights(this.#random);
    this.#network.isSlow = this.#random.chance(0.5);
  }

  #amend(): void {
    const key = this.#random.pick(this.#keys);
    const boot = this.#fleet.anyReady();
    if (key === undefined || boot === undefined) return;
    const act = this.#chain.amend(boot.enclave, key, this.#random, this.#clock.unixMs);
    void act
      .then(
        (done) => (done.ok ? undefined : this.#note(done.error.code)),
        (thrown: unknown) => this.#keep(thrown),
      )
      .catch((thrown: unknown) => this.#keep(thrown));
  }

  /** With the proof another signer takes over, above what the last record states. */
  #retire(): void {
    const key = this.#random.pick(this.#keys);
    const boot = this.#fleet.anyReady();
    if (key === undefined || boot === undefined) return;
    this.#retired.add(key);
    const { machine, enclave } = boot;
    const takeOver = async (): Promise<void> => {
      const signed = await this.#chain.retire(enclave, key);
      if (!machine.isAlive || signed === null) return;
      this.#retiredCount += 1;
      for (const each of signed) this.#recorder.keep(encodeHex(key.publicKey), each);
    };
    void takeOver().catch((thrown: unknown) => this.#keep(thrown));
  }

  /**
   * The table is deleted and restored from a backup, under the same name. Whoever runs has the time
   * to see that it is gone; nobody is stopped meanwhile, and the way to it is free.
   */
  async #exchange(): Promise<void> {
    this.#fleet.resumeAll();
    this.#isExchanged = true;
    this.#network.calm();
    this.#table.keepBackup();
    // What is signed from now on the backup does not have.
    for (let count = 0; count < 6; count++) this.#request();
    await this.#pass(3000);
    this.#table.isGone = true;
    await this.#pass(ABSENCE_MS);
    this.#table.restore();
  }

  #keep(thrown: unknown): void {
    if (this.#thrown === NOTHING) this.#thrown = thrown;
  }

  async #settle(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    if (this.#thrown !== NOTHING) throw this.#thrown; // oxlint-disable-line typescript/only-throw-error -- passed on as it came
  }

  #pass(durationMs: number): Promise<void> {
    return this.#time.pass(durationMs, () => this.#settle());
  }

  #await<T>(promise: Promise<T>): Promise<T> {
    return this.#time.until(promise, () => this.#settle());
  }

  async #serveAll(): Promise<void> {
    for (let index = 0; index < this.#fleet.boots.length; index++) {
      const boot = this.#fleet.bootAt(index);
      await this.#await(this.#fleet.open(boot));
      invariant(boot.enclave.isReady, "an enclave gets ready on a table that is there");
    }
  }

  /** The faults cease: what is sober is signed, by every enclave, and by all the same. */
  async #recover(): Promise<void> {
    this.#network.calm();
    this.#fleet.resumeAll();
    for (const boot of this.#fleet.boots) if (boot !== null) boot.enclave.aheadMs = 0;
    await this.#pass(30_000);
    if (this.#isExchanged) return this.#refuseAll();
    await this.#serveAll();
    await this.#pass(3 * SLOTS_PER_EPOCH * SLOT_MS);
    const phases = this.#chain.sober(this.#clock.unixMs);
    const boots = this.#fleet.ready();
    for (const key of this.#keys) {
      for (const { requests, contradiction } of phases) {
        for (const boot of [...boots, ...boots]) {
          for (const request of requests) await this.#serve(boot, key, request);
          if (contradiction === null) continue;
          const answer = await this.#await(this.#ask(boot, key, contradiction));
          invariant(answer !== "ok", "what contradicts it is refused");
        }
      }
    }
  }

  async #serve(boot: Boot<E>, key: BundleKey, request: Q): Promise<void> {
    const answer = await this.#await(this.#ask(boot, key, request));
    const isServed = answer === "ok" || (this.#retired.has(key) && answer === "KEY_RETIRED");
    invariant(isServed, `a sober request is signed once the faults have ceased (${answer})`);
  }

  /** On a table that was exchanged nobody signs anything new, and nobody gets ready. */
  async #refuseAll(): Promise<void> {
    await this.#pass(3 * SLOTS_PER_EPOCH * SLOT_MS);
    const sober = this.#chain.sober(this.#clock.unixMs)[0]?.requests[0];
    invariant(sober !== undefined, "there is something to ask for");
    for (const [index, running] of this.#fleet.boots.entries()) {
      const isOld = running?.enclave.isReady === true;
      const boot = this.#fleet.bootAt(index);
      if (!isOld) {
        await this.#await(this.#fleet.open(boot));
        invariant(!boot.enclave.isReady, "no enclave gets ready on another table");
        continue;
      }
      for (const key of this.#keys) {
        const answer = await this.#await(this.#ask(boot, key, sober));
        invariant(answer !== "ok", "nothing new is signed on another table");
      }
    }
  }
}
