// One history over a shared table: up to three enclaves that all have the same keys, validators
// that ask any of them for anything, machines that crash, stop and resume, and a network of some
// temper. A seed decides all of it. What must never happen ends it by throwing.

import type { StateStore } from "../../enclave/core/ports.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { FALSE_ALARMS } from "./history.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { KEYS } from "./simulated-enclave.ts";
import { type Boot, TableFleet } from "./table-fleet.ts";
import { type TableBreaks, TableModel } from "./table-model.ts";
import { anyWeights, type Fate, TableNetwork } from "./table-network.ts";
import {
  blockRequest,
  duelRequest,
  GENESIS_MS,
  hostileRequest,
  type Request,
  SLOT_MS,
  SLOTS_PER_EPOCH,
  slotOf,
  voteRequest,
} from "./validator.ts";
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

export function runTableHistory(wish: Wish): Promise<Outcome> {
  return new TableHistory(wish).run();
}

class TableHistory {
  readonly #wish: Wish;
  readonly #random: Random;
  readonly #time = new VirtualTime();
  readonly #table: TableModel;
  readonly #network: TableNetwork;
  readonly #recorder = new Recorder();
  readonly #fleet: TableFleet;
  readonly #keys: readonly BundleKey[];
  readonly #isDuel: boolean;
  readonly #clock: { readonly unixMs: number };
  readonly #refusals = new Set<ErrorCode>();
  readonly #asked: { readonly key: BundleKey; readonly request: Request }[] = [];
  /** Keys that somebody tried to retire. */
  readonly #retired = new Set<BundleKey>();
  #thrown: unknown = NOTHING;
  #stepCount = 0;
  #requestCount = 0;
  #retiredCount = 0;
  #isExchanged = false;
  #situation: string | null = null;

  constructor(wish: Wish) {
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
    this.#keys = this.#isDuel ? KEYS.slice(0, 1) : KEYS;
    this.#fleet = new TableFleet({
      random: this.#random,
      time,
      clock: this.#clock,
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
      amend: 2,
      retire: 0.3,
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
    let request: Request;
    if (isRepeat) request = known.request;
    else if (this.#isDuel) request = duelRequest(this.#random, unixMs);
    else request = hostileRequest(this.#random, unixMs, known?.request.claim);
    if (!isRepeat) this.#asked.push({ key, request });
    void this.#ask(boot, key, request);
  }

  /** "ok", or the code of the refusal; "dead": nobody heard. */
  async #ask({ machine, enclave }: Boot, key: BundleKey, request: Request): Promise<string> {
    this.#requestCount += 1;
    try {
      const answer = await enclave.request(key, request);
      if (!machine.isAlive) return "dead";
      if (!answer.ok) {
        this.#note(answer.error.code);
        return answer.error.code;
      }
      const root = encodeHex(answer.value.signature);
      this.#recorder.release(encodeHex(key.publicKey), { claim: request.claim, root });
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
    const slot = slotOf(this.#clock.unixMs) + this.#random.between(-8, 1);
    const target = BigInt(Math.floor(slot / SLOTS_PER_EPOCH));
    const maxima = { blockSlot: BigInt(slot), source: target - 1n, target };
    const { enclave } = boot;
    const act = this.#random.chance(0.5) ? enclave.init(key) : enclave.raise(key, maxima);
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
      const retired = await enclave.retire(key);
      if (!machine.isAlive || !retired.ok) return;
      this.#retiredCount += 1;
      const state = retired.value[0]?.state;
      invariant(state?.isRetired === true, "the proof is of a tombstone");
      this.#recorder.takeOver(encodeHex(key.publicKey), state);
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
    const slot = BigInt(slotOf(this.#clock.unixMs));
    const epoch = BigInt(Math.floor(Number(slot) / SLOTS_PER_EPOCH));
    const boots = this.#fleet.ready();
    for (const key of this.#keys) {
      const wanted = this.#retired.has(key) ? ["ok", "KEY_RETIRED"] : ["ok"];
      for (const [index, boot] of [...boots, ...boots].entries()) {
        const block = await this.#await(this.#ask(boot, key, blockRequest(slot, 0)));
        const vote = await this.#await(this.#ask(boot, key, voteRequest(epoch - 1n, epoch, 0)));
        invariant(
          wanted.includes(block) && wanted.includes(vote),
          `a sober request is signed once the faults have ceased (${index}: ${block}, ${vote})`,
        );
        const double = await this.#await(this.#ask(boot, key, blockRequest(slot, 1)));
        invariant(double !== "ok", "a second block is refused");
      }
    }
  }

  /** On a table that was exchanged nobody signs anything new, and nobody gets ready. */
  async #refuseAll(): Promise<void> {
    await this.#pass(3 * SLOTS_PER_EPOCH * SLOT_MS);
    const slot = BigInt(slotOf(this.#clock.unixMs));
    for (const [index, running] of this.#fleet.boots.entries()) {
      const isOld = running?.enclave.isReady === true;
      const boot = this.#fleet.bootAt(index);
      if (!isOld) {
        await this.#await(this.#fleet.open(boot));
        invariant(!boot.enclave.isReady, "no enclave gets ready on another table");
        continue;
      }
      for (const key of this.#keys) {
        const answer = await this.#await(this.#ask(boot, key, blockRequest(slot, 0)));
        invariant(answer !== "ok", "nothing new is signed on another table");
      }
    }
  }
}
