// Attacks that take too many lies in a row for chance to find them soon, step by step: each against
// the real rule, and against one in which just that is broken which stops it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
} from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import { block, LedgerRig, ledgerRig, NO_FLOOR, vote } from "../fakes/ledger-rig.ts";
import { denied, MemoryStore, writtenButDenied } from "../fakes/memory-store.ts";
import { isSlashablePair, type Signed } from "../fakes/slashable-pair.ts";

/** Asks, and keeps what was released. */
class Attack {
  readonly #released: Signed[] = [];

  async ask(rig: LedgerRig, claim: Signed["claim"], root: string): Promise<string> {
    const answer = await rig.ask(claim, root);
    if (answer === "ok") this.#released.push({ claim, root });
    return answer;
  }

  get hasSlashed(): boolean {
    return this.#released.some((first, index) =>
      this.#released.slice(index + 1).some((second) => isSlashablePair(first, second)),
    );
  }
}

/** Makes the enclave write `claim`, and give up; answers the record that it wrote. */
async function hide(rig: LedgerRig, claim: Signed["claim"], root: string) {
  const key = rig.account.publicKey;
  const before = rig.store.stored(key);
  rig.store.script(...Array.from({ length: 5 }, () => writtenButDenied(before)));
  assert.equal(await rig.ask(claim, root), "STATE_CONFLICT");
  const hidden = rig.store.stored(key);
  rig.store.rollBack(key, before);
  return hidden;
}

/** Another boot, on whatever the parent makes of the store. */
async function reboot(
  rig: LedgerRig,
  stored: ReturnType<MemoryStore["stored"]>,
  floor: EthereumFloor,
): Promise<LedgerRig> {
  rig.store.rollBack(rig.account.publicKey, stored);
  const next = new LedgerRig(rig.store, floor);
  await next.load();
  return next;
}

function withoutRoots({ block, vote }: EthereumRecord): EthereumRecord {
  return {
    block: block === null ? null : { ...block, root: null },
    vote: vote === null ? null : { ...vote, root: null },
  };
}

type Row = {
  readonly name: string;
  readonly broken: Partial<typeof ethereumRule>;
  readonly attack: (attack: Attack) => Promise<void>;
};

const sound = { ...ethereumRule };
const FLOOR: EthereumFloor = { slot: 10n, source: 4n, target: 6n };

const ROWS: readonly Row[] = [
  {
    name: "a record that was hidden takes the place of one with another root",
    broken: {
      isSuccessor: (earlier, later) =>
        sound.isSuccessor(withoutRoots(earlier), withoutRoots(later)),
    },
    attack: async (attack) => {
      const rig = await ledgerRig();
      const hidden = await hide(rig, block(7), "a");
      assert.equal(await attack.ask(rig, block(7), "b"), "ok");
      rig.store.script(denied(hidden));
      await attack.ask(rig, vote(1, 2), "vote");
      await attack.ask(rig, block(7), "a");
    },
  },
  {
    name: "a record that was hidden takes the place of one that holds more",
    broken: { isSuccessor: () => true },
    attack: async (attack) => {
      const rig = await ledgerRig();
      const hidden = await hide(rig, vote(1, 2), "vote");
      assert.equal(await attack.ask(rig, block(7), "a"), "ok");
      rig.store.script(denied(hidden));
      await attack.ask(rig, vote(2, 3), "next");
      await attack.ask(rig, block(7), "b");
    },
  },
  {
    name: "a record that was hidden is repeated in the next boot",
    broken: {
      decide: (record, claim, root, floor) => {
        const verdict = sound.decide(record, claim, root, NO_FLOOR);
        return verdict.kind === "repeat" ? verdict : sound.decide(record, claim, root, floor);
      },
    },
    attack: async (attack) => {
      const rig = await ledgerRig();
      const hidden = await hide(rig, block(7), "a");
      assert.equal(await attack.ask(rig, block(7), "b"), "ok");
      await attack.ask(await reboot(rig, hidden, FLOOR), block(7), "a");
    },
  },
  {
    name: "a vote after a boot surrounds the last one before it",
    broken: {
      decide: (record, claim, root, floor) =>
        sound.decide(record, claim, root, { ...floor, source: floor.source - 1n }),
    },
    attack: async (attack) => {
      const rig = await ledgerRig();
      const first = rig.store.stored(rig.account.publicKey);
      // The highest that may be signed before the boot that gives FLOOR: target 5, source 4.
      assert.equal(await attack.ask(rig, vote(4, 5), "a"), "ok");
      await attack.ask(await reboot(rig, first, FLOOR), vote(3, 6), "b");
    },
  },
];

for (const { name, broken, attack } of ROWS) {
  test(`an attack fails in which ${name}`, async (t) => {
    const against = new Attack();
    await attack(against);
    assert.equal(against.hasSlashed, false);
    for (const [method, replacement] of Object.entries(broken)) {
      // The names and types of Partial<typeof ethereumRule>.
      t.mock.method(ethereumRule, method as "decide", replacement as typeof sound.decide); // oxlint-disable-line typescript/no-unsafe-type-assertion -- see above
    }
    const succeeding = new Attack();
    await attack(succeeding);
    assert.equal(succeeding.hasSlashed, true, "the attack has no teeth");
  });
}

test("OUTSIDE THE PROMISE: two enclaves at once on two copies of the store sign two blocks for one slot", async () => {
  const first = await ledgerRig();
  const second = await ledgerRig();
  const attack = new Attack();
  assert.equal(await attack.ask(first, block(7), "a"), "ok");
  assert.equal(await attack.ask(second, block(7), "b"), "ok");
  assert.equal(attack.hasSlashed, true);
});

test("two enclaves at once on one honest store sign one block for one slot, and repeat it for each other", async () => {
  const first = await ledgerRig();
  const second = new LedgerRig(first.store);
  await second.load();
  const attack = new Attack();
  const answers = await Promise.all([
    attack.ask(first, block(7), "a"),
    attack.ask(second, block(7), "b"),
    attack.ask(first, vote(1, 2), "c"),
    attack.ask(second, vote(0, 3), "d"),
  ]);
  assert.equal(attack.hasSlashed, false);
  assert.equal(answers.slice(0, 2).filter((answer) => answer === "ok").length, 1);
  const root = answers[0] === "ok" ? "a" : "b";
  assert.equal(await attack.ask(first, block(7), root), "ok");
  assert.equal(await attack.ask(second, block(7), root), "ok");
});
