// The same sieges with the records in a table, in the stand-in of DynamoDB over TLS and a relay:
// two enclaves at once, booted and killed as the parent likes. All that it has of the table are the
// bytes that it carries; it gets nothing. What is done a seed decides, when it happens the machine.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { StateStore } from "../../enclave/core/ports.ts";
import { HostilePipe } from "../fakes/hostile-pipe.ts";
import type { TestClock } from "../fakes/local-enclave.ts";
import { TableRig } from "../fakes/table-rig.ts";
import type { Random } from "./random.ts";
import { assertReached, isOneSeed, runBatch, TIMEOUT_MS, weightyCount } from "./seeds.ts";
import { runSiege } from "./siege.ts";
import type { SiegeGround } from "./siege-ground.ts";

const SIEGE_COUNT = weightyCount(1000);
const TURN_MS = 4;
const HOSTILITY = 0.08;

class TableGround implements SiegeGround {
  readonly bootFloor = null;
  readonly enclaveCountMax = 2;
  readonly waitingCount = 0;
  readonly reserves: boolean;
  readonly state: SiegeGround["state"];
  readonly #rig: TableRig;
  readonly #random: Random;
  readonly #clock: TestClock;
  /** Of each boot its own, so that the dead are cut off. */
  readonly #pipes = new Map<object, HostilePipe>();
  /** Pieces of all sessions so far. */
  readonly #kept: Buffer[] = [];
  #joinCount = 0;
  #hostility = 0;
  #untoldCount = 0;
  bentCount = 0;

  constructor(rig: TableRig, random: Random, clock: TestClock, reserves: boolean) {
    this.#rig = rig;
    this.#random = random;
    this.#clock = clock;
    this.reserves = reserves;
    const { table, tableId } = rig.state;
    this.state = { kind: "dynamodb", tableArn: table.text, tableId, bootFloor: "off" };
  }

  join(owner: object): StateStore {
    this.#joinCount += 1;
    const path = join(this.#rig.local.folder, `pipe-${this.#joinCount}.sock`);
    const pipe = new HostilePipe(this.#random, this.#kept);
    pipe.hostility = this.#hostility;
    pipe.listen(path, this.#rig.relayPath);
    this.#pipes.set(owner, pipe);
    return this.#rig.enclave(this.#rig.state, path).store;
  }

  forget(owner: object): void {
    const pipe = this.#pipes.get(owner);
    this.bentCount += pipe?.bentCount ?? 0;
    pipe?.close();
    this.#pipes.delete(owner);
  }

  act(): void {
    this.#random.pick([...this.#pipes.values()])?.cutAny();
  }

  calm(isCalm: boolean): void {
    this.#hostility = isCalm ? 0 : HOSTILITY;
    for (const pipe of this.#pipes.values()) pipe.hostility = this.#hostility;
  }

  /** The first write is made, and nobody hears of it; nothing else gets as far as the table. */
  holdAnswers(isHeld: boolean): void {
    const { local } = this.#rig;
    let isWritten = false;
    this.#untoldCount = 0;
    local.onDone = (operation) => {
      if (isHeld && operation === "PutItem") this.#untoldCount += 1;
    };
    local.fault = (operation) => {
      if (!isHeld) return undefined;
      if (operation !== "PutItem" || isWritten) return { kind: "drop-request" };
      isWritten = true;
      return { kind: "drop-answer" };
    };
  }

  writeUntold(): number {
    return this.#untoldCount;
  }

  settle(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }

  passTime(ms: number): void {
    this.#clock.advance(ms);
  }
}

async function besiege(t: TestContext, seed: number, reserves: boolean) {
  const rig = await TableRig.start(t, { backend: null, givesItem: false, hasRecovery: false });
  let ground: TableGround | null = null;
  const outcome = await runSiege({
    seed,
    isServedAfter: true,
    ground: (random: Random, clock: TestClock) => {
      ground = new TableGround(rig, random, clock, reserves);
      return ground;
    },
  });
  assert(ground !== null);
  const { bentCount }: TableGround = ground;
  return { ...outcome, bentCount };
}

async function check(t: TestContext, subject: string, reserves: boolean): Promise<void> {
  let gapCount = 0;
  const refusals = await runBatch({
    file: "test/simulation/siege-table.test.ts",
    subject: `siege, ${subject}`,
    count: SIEGE_COUNT,
    run: async (seed) => {
      const outcome = await besiege(t, seed, reserves);
      gapCount += outcome.gapCount;
      assert.deepEqual(outcome.contradictions, []);
      assert.equal(outcome.released.retimedCount, 0);
      return outcome;
    },
    countsOf: ({ released, ...outcome }) => ({
      steps: outcome.stepCount,
      answers: outcome.answerCount,
      releases: released.count,
      "extensions signed": released.extensionCount,
      repeats: released.repeatCount,
      "links closed": outcome.closedCount,
      "pieces bent": outcome.bentCount,
      kills: outcome.killCount,
      "kills between record and answer": outcome.gapCount,
      contradictions: outcome.contradictions.length,
    }),
  });
  assertReached(refusals, ["GUARD_HEIGHT_BELOW", "GUARD_STEP_DOUBLE", "REQUEST_CHAIN"]);
  // Whatever comes over that way is the table's, or nothing.
  for (const code of ["STATE_ROLLED_BACK", "STATE_CORRUPT", "STORE_IDENTITY"] as const) {
    assert(!refusals.has(code), code);
  }
  if (!isOneSeed) assert(gapCount > 0, "enclaves were killed between record and answer");
}

test("whatever a parent does with links, the way to the table and the lives of two enclaves, nothing contradictory leaves, and no vote has two times", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  await check(t, "dynamodb", false);
});

test("the same where one chain's heights are reserved ahead", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  await check(t, "dynamodb, reserved", true);
});
