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
  readonly state: SiegeGround["state"];
  readonly #rig: TableRig;
  readonly #pipe: HostilePipe;
  readonly #path: string;
  readonly #clock: TestClock;
  #untoldCount = 0;

  constructor(rig: TableRig, pipe: HostilePipe, path: string, clock: TestClock) {
    this.#rig = rig;
    this.#pipe = pipe;
    this.#path = path;
    this.#clock = clock;
    const { table, tableId } = rig.state;
    this.state = { kind: "dynamodb", tableArn: table.text, tableId, bootFloor: "off" };
  }

  join(): StateStore {
    return this.#rig.enclave(this.#rig.state, this.#path).store;
  }

  forget(): void {}

  act(): void {
    this.#pipe.cutAny();
  }

  calm(isCalm: boolean): void {
    this.#pipe.hostility = isCalm ? 0 : HOSTILITY;
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

async function besiege(t: TestContext, rig: TableRig, seed: number) {
  let pipe: HostilePipe | null = null;
  const path = join(rig.local.folder, `pipe-${seed}.sock`);
  const outcome = await runSiege({
    seed,
    isServedAfter: true,
    ground: async (random: Random, clock: TestClock) => {
      pipe = new HostilePipe(random);
      await pipe.listen(path, rig.relayPath);
      t.after(() => pipe?.close());
      return new TableGround(rig, pipe, path, clock);
    },
  });
  assert(pipe !== null);
  const { bentCount }: HostilePipe = pipe;
  return { ...outcome, bentCount };
}

test("whatever a parent does with links, the way to the table and the lives of two enclaves, nothing contradictory leaves, and no vote has two times", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const options = { backend: null, givesItem: false, hasRecovery: false };
  let gapCount = 0;
  const refusals = await runBatch({
    file: "test/simulation/siege-table.test.ts",
    subject: "siege, dynamodb",
    count: SIEGE_COUNT,
    run: async (seed) => {
      const outcome = await besiege(t, await TableRig.start(t, options), seed);
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
});
