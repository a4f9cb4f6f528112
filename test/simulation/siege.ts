// One siege: enclaves whose parent has their link, their store and the power to kill them, and uses
// all of it; a recorder outside. A seed decides what is done. The whole service is real: parser,
// guard, ledger, keys, both protocols.

import assert from "node:assert/strict";
import type { StateStore } from "../../enclave/core/ports.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { TestClock } from "../fakes/local-enclave.ts";
import { Random } from "./random.ts";
import { type Contradiction, ReleasedVotes, type Validator } from "./released-votes.ts";
import { type Heard, SiegeEnclave } from "./siege-enclave.ts";
import { type Move, SiegeFrames } from "./siege-frames.ts";
import type { SiegeGround } from "./siege-ground.ts";
import { type Asked, RESERVED_CHAIN, SiegeNode, VALIDATORS } from "./siege-node.ts";

export type SiegeWish = {
  readonly seed: number;
  readonly ground: (
    random: Random,
    clock: TestClock,
    releaseCount: () => number,
  ) => SiegeGround | Promise<SiegeGround>;
  /** For a test of the tests. */
  readonly breakStore?: (store: StateStore) => StateStore;
  /** Whether everything is signed again once the parent is honest. */
  readonly isServedAfter: boolean;
  readonly stepCount?: number;
};

export type SiegeOutcome = {
  readonly released: ReleasedVotes;
  readonly contradictions: readonly Contradiction[];
  readonly stepCount: number;
  readonly killCount: number;
  readonly closedCount: number;
  readonly answerCount: number;
  /** Killed between record and answer, then asked for the other vote and for the same one. */
  readonly gapCount: number;
  readonly moves: Readonly<Record<Move, number>>;
  readonly refusals: ReadonlySet<ErrorCode>;
};

const START_MS = 1_767_225_600_000;
/** Beyond every deadline of the link to the store. */
const SILENCE_MS = 5000;
const STEP_COUNT = 250;
const WAIT_COUNT_MAX = 5000;
const BOOT_COUNT_MAX = 50;
const IDLE_TURN_COUNT = 100;

type World = {
  readonly random: Random;
  readonly clock: TestClock;
  readonly released: ReleasedVotes;
  readonly ground: SiegeGround;
};

export async function runSiege(wish: SiegeWish): Promise<SiegeOutcome> {
  const random = new Random(wish.seed);
  const clock = new TestClock(START_MS);
  const released = new ReleasedVotes(VALIDATORS);
  const ground = await wish.ground(random, clock, () => released.count);
  return new Siege(wish, { random, clock, released, ground }).run();
}

class Siege {
  readonly #wish: SiegeWish;
  readonly #random: Random;
  readonly #clock: TestClock;
  readonly #ground: SiegeGround;
  readonly #node: SiegeNode;
  readonly #frames: SiegeFrames;
  readonly #released: ReleasedVotes;
  readonly #refusals = new Set<ErrorCode>();
  readonly #answers = new Map<number, Heard["answer"]>();
  #enclaves: SiegeEnclave[] = [];
  #stepCount = 0;
  #killCount = 0;
  #closedCount = 0;
  #answerCount = 0;
  #gapCount = 0;

  constructor(wish: SiegeWish, { random, clock, released, ground }: World) {
    this.#wish = wish;
    this.#random = random;
    this.#clock = clock;
    this.#released = released;
    this.#ground = ground;
    this.#node = new SiegeNode(random);
    this.#frames = new SiegeFrames(random, this.#node);
  }

  async run(): Promise<SiegeOutcome> {
    this.#ground.calm(true);
    await this.#boot();
    await this.#answered(this.#any().init());
    this.#ground.calm(false);
    const lastStep = this.#wish.stepCount ?? STEP_COUNT;
    while (this.#stepCount < lastStep) {
      this.#stepCount += 1;
      await this.#act();
      await this.#ground.settle();
    }
    if (this.#wish.isServedAfter) await this.#recover();
    for (const enclave of this.#enclaves) this.#kill(enclave);
    return {
      released: this.#released,
      contradictions: this.#released.contradictions,
      stepCount: this.#stepCount,
      killCount: this.#killCount,
      closedCount: this.#closedCount,
      answerCount: this.#answerCount,
      gapCount: this.#gapCount,
      moves: this.#frames.counts,
      refusals: this.#refusals,
    };
  }

  async #act(): Promise<void> {
    const { waitingCount, enclaveCountMax } = this.#ground;
    const action = this.#random.weighted({
      ask: 40,
      store: waitingCount > 0 ? 50 : 4,
      kill: 1,
      boot: this.#enclaves.length < enclaveCountMax ? 30 : 0,
      gap: this.#wish.isServedAfter ? 0.7 : 0,
      silence: 1.5,
      init: 1,
      hangUp: 1,
    });
    switch (action) {
      case "ask":
        for (const piece of this.#frames.next()) this.#any().write(piece);
        return;
      case "store":
        return this.#ground.act();
      case "kill":
        this.#kill(this.#any());
        // Enclaves that nobody boots could not be asked.
        return this.#enclaves.length === 0 ? this.#boot() : undefined;
      case "boot":
        return this.#boot();
      case "gap":
        return this.#killInGap();
      case "silence":
        return this.#ground.passTime(SILENCE_MS);
      case "init":
        void this.#any().init();
        return;
      case "hangUp":
        return this.#any().hangUp();
    }
  }

  async #boot(): Promise<void> {
    for (let count = 0; count < BOOT_COUNT_MAX; count++) {
      const { breakStore } = this.#wish;
      const enclave = new SiegeEnclave(
        this.#ground,
        this.#clock,
        breakStore ?? ((store) => store),
        (heard) => this.#hear(heard),
      );
      const opened = await enclave.open((promise) => this.#answered(promise));
      if (opened === "ok") {
        this.#enclaves.push(enclave);
        return this.#learn(enclave);
      }
      // A parent that gives it no records has an enclave that signs nothing.
      this.#refusals.add(opened);
      this.#kill(enclave);
    }
    throw new Error("no enclave gets as far as to sign");
  }

  /** Where each key is; a flipped bit may have led it far ahead. */
  async #learn(enclave: SiegeEnclave): Promise<void> {
    for (const validator of VALIDATORS) {
      const last = await enclave.lastHeight(validator.publicKey);
      if (last !== null) this.#node.learn(validator, last + 1n);
    }
  }

  #kill(enclave: SiegeEnclave): void {
    this.#killCount += 1;
    this.#closedCount += enclave.closedCount;
    enclave.kill();
    this.#enclaves = this.#enclaves.filter((one) => one !== enclave);
  }

  #any(): SiegeEnclave {
    const enclave = this.#random.pick(this.#enclaves);
    assert(enclave !== undefined, "an enclave runs");
    return enclave;
  }

  #hear({ id, answer }: Heard): void {
    this.#answerCount += 1;
    this.#answers.set(id, answer);
    if (typeof answer === "string") this.#refusals.add(answer);
    else this.#released.take(answer);
  }

  /**
   * The record is written, the enclave is killed before it hears of that, and the next one is asked
   * for what contradicts it, and then for the same.
   */
  async #killInGap(): Promise<void> {
    this.#ground.calm(true);
    await this.#restart();
    // Reserved heights are signed by nobody after a crash: there is no answer to be repeated.
    const { reserves } = this.#ground;
    const candidates = VALIDATORS.filter(({ chainId }) => !reserves || chainId !== RESERVED_CHAIN);
    const validator = this.#random.pick(candidates);
    assert(validator !== undefined, "there are validators");
    const first = this.#node.soberAsk(validator, "a");
    const other = this.#node.soberAsk(validator, "nil");
    const { id, frame } = this.#frames.frameOf(first);
    this.#answers.delete(id);
    this.#ground.holdAnswers(true);
    this.#any().write(frame);
    let writtenCount = 0;
    for (let turn = 0; writtenCount === 0; turn++) {
      assert(turn < IDLE_TURN_COUNT && !this.#answers.has(id), "a record is on its way");
      await this.#ground.settle();
      writtenCount = this.#ground.writeUntold();
    }
    for (const enclave of this.#enclaves) this.#kill(enclave);
    this.#ground.holdAnswers(false);
    await this.#boot();
    assert.equal(
      await this.#ask(other),
      "GUARD_STEP_DOUBLE",
      "the record that was written forbids it",
    );
    const again = await this.#ask(first);
    assert(typeof again !== "string", "and the vote that it states is signed for whoever asks");
    this.#gapCount += 1;
    this.#ground.calm(false);
  }

  async #restart(): Promise<void> {
    for (const enclave of this.#enclaves) this.#kill(enclave);
    await this.#boot();
  }

  async #ask(asked: Asked): Promise<Heard["answer"]> {
    const { id, frame } = this.#frames.frameOf(asked);
    this.#answers.delete(id);
    const enclave = this.#any();
    // A frame that somebody has cut short would take this one for its end.
    enclave.hangUp();
    enclave.write(frame);
    for (let count = 0; count < WAIT_COUNT_MAX; count++) {
      const answer = this.#answers.get(id);
      if (answer !== undefined) return answer;
      if (this.#ground.waitingCount > 0) this.#ground.act();
      await this.#ground.settle();
    }
    throw new Error("a request has no answer");
  }

  async #answered<T>(promise: Promise<T>): Promise<T> {
    const state = { isOver: false };
    const over = promise.finally(() => {
      state.isOver = true;
    });
    let idleCount = 0;
    for (let count = 0; !state.isOver && count < WAIT_COUNT_MAX; count++) {
      const isWaiting = this.#ground.waitingCount > 0;
      if (isWaiting) this.#ground.act();
      idleCount = isWaiting ? 0 : idleCount + 1;
      // Its call was lost.
      if (idleCount % IDLE_TURN_COUNT === IDLE_TURN_COUNT - 1) this.#ground.passTime(SILENCE_MS);
      await this.#ground.settle();
    }
    return over;
  }

  /** The parent is honest again: whatever is above all that was asked for is signed. */
  async #recover(): Promise<void> {
    this.#ground.calm(true);
    await this.#restart();
    await this.#answered(this.#any().init());
    for (const validator of VALIDATORS) {
      const signed = await this.#serve(validator);
      assert(typeof signed !== "string", `an honest parent is served (${String(signed)})`);
      const other = await this.#ask(this.#node.soberAsk(validator, "nil"));
      assert.equal(other, "GUARD_STEP_DOUBLE");
    }
  }

  /** What a dead enclave had sent may have led a key on since its record was read. */
  async #serve(validator: Validator): Promise<Heard["answer"]> {
    const answer = await this.#ask(this.#node.soberAsk(validator, "a"));
    if (answer !== "GUARD_HEIGHT_BELOW" && answer !== "GUARD_RESERVED") return answer;
    await this.#learn(this.#any());
    return this.#ask(this.#node.soberAsk(validator, "a"));
  }
}
