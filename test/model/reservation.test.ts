// Every state of two signers and a store, within bounds that are printed: nothing is signed twice,
// whatever crashes, gets lost, comes late, takes over or stands still. The second part shows that
// the exploration would find it, by designs that are broken in one place each.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Held } from "../../enclave/core/chains/tendermint/reservation.ts";
import * as reservation from "../../enclave/core/chains/tendermint/reservation.ts";
import { describeBounds, describeExplored, LEAST, SMALL, STATE_COUNT_MAX } from "./bounds.ts";
import { explore } from "./explore.ts";
import { type Flaws, reservationModel } from "./reservation-model.ts";

/** Everything that the model can do, and therefore has to have done. */
const ACTIONS = [
  "arrive",
  "ask",
  "boot",
  "commit",
  "conflict",
  "crash",
  "extend",
  "giveback",
  "land",
  "lose",
  "read",
];

for (const bounds of SMALL) {
  test(`two signers with reservations sign nothing twice: ${describeBounds(bounds)}`, () => {
    const explored = explore(reservationModel(bounds), STATE_COUNT_MAX);
    process.stdout.write(
      `reservations, ${describeBounds(bounds)}: ${describeExplored(explored)}\n`,
    );
    assert.equal(explored.harm, null);
    assert.deepEqual([...explored.actions.keys()].toSorted(), ACTIONS);
  });
}

const opened = (held: Held): Held => ({ ...held, isClosed: false });

const FLAWED: readonly (readonly [string, Flaws])[] = [
  ["a store that does not compare versions", { isUncompared: true }],
  ["a boot that takes itself for the one before", { hasOneName: true }],
  ["signing by what is not known to be stored", { isEager: true }],
  [
    "a take-over that does not say what was reserved before",
    {
      transitions: {
        reserveNext: (held, record, wish) => {
          const next = reservation.reserveNext(held, record, wish);
          return next === null ? null : { ...next, last: record.last };
        },
      },
    },
  ],
  [
    "a take-over below what is reserved",
    {
      transitions: {
        reserveNext: (held, { last, reserved }, wish) =>
          reservation.reserveNext(
            held,
            { last, reserved: reserved === null ? null : { ...reserved, height: 1n } },
            wish,
          ),
      },
    },
  ],
  [
    "a reservation that is another's",
    {
      transitions: {
        decideHeld: (held, durable, ...rest) =>
          reservation.decideHeld(
            durable.reserved === null ? held : { ...held, holder: durable.reserved.holder },
            durable,
            ...rest,
          ),
      },
    },
  ],
  [
    "signing on after giving back",
    {
      transitions: { decideHeld: (held, ...rest) => reservation.decideHeld(opened(held), ...rest) },
    },
  ],
  [
    "giving back without the last step",
    {
      transitions: {
        giveBack: (held, record) => reservation.giveBack({ ...held, last: null }, record, null),
      },
    },
  ],
  [
    "forgetting what was signed from memory",
    {
      transitions: {
        decideHeld: (held, ...rest) => reservation.decideHeld({ ...held, last: null }, ...rest),
      },
    },
  ],
];

for (const [name, flaws] of FLAWED) {
  test(`the exploration finds ${name}`, () => {
    const { harm } = explore(reservationModel(LEAST, flaws), STATE_COUNT_MAX);
    assert(harm !== null);
    // A shortest way has a boot, a reservation and a signature at the least.
    assert(harm.way.length > 4, harm.way.join(", "));
  });
}

test("an exploration that is larger than its bound shows nothing, and says so", () => {
  const { stateCount } = explore(reservationModel({ ...LEAST, boots: 1, losses: 0 }), 100_000);
  assert.throws(() => {
    explore(reservationModel({ ...LEAST, boots: 1, losses: 0 }), stateCount - 1);
  });
});
