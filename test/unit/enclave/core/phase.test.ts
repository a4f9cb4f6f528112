import assert from "node:assert/strict";
import { test } from "node:test";
import { ALLOWED, Life, NEXT, type Phase } from "../../../../enclave/core/phase.ts";
import { ENCLAVE_METHODS, type EnclaveMethod } from "../../../../shared/wire/methods.ts";

const PHASES: readonly Phase[] = ["Booting", "Measured", "Unsealed", "Ready", "Draining", "Dead"];
const METHODS = Object.keys(ENCLAVE_METHODS) as EnclaveMethod[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the keys of ENCLAVE_METHODS

/** The way to each phase, written here again and not read from the table under test. */
const WAY: Readonly<Record<Phase, readonly Phase[]>> = {
  Booting: [],
  Measured: ["Measured"],
  Unsealed: ["Measured", "Unsealed"],
  Ready: ["Measured", "Unsealed", "Ready"],
  Draining: ["Measured", "Unsealed", "Ready", "Draining"],
  Dead: ["Dead"],
};

/** `.` is refused; one column for each phase in the order of PHASES. */
const ANSWERS: Readonly<Record<EnclaveMethod, string>> = {
  status: "++++++",
  "manifest.put": "+.....",
  "credentials.put": ".+++..",
  "bundle.put": ".+++..",
  "bundle.open": ".+++..",
  "bundle.retain": "...+..",
  "state.challenge": "..+...",
  "state.open": "..+...",
  "state.init": "...+..",
  "state.show": "...+..",
  "state.import": "...+..",
  "state.retire": "...+..",
  "state.override": "...+..",
  "keys.list": ".+++..",
  attest: ".+++..",
  sign: "...+..",
  privval: "...+..",
  "consensus.show": "...+..",
  "consensus.import": "...+..",
  "consensus.retire": "...+..",
  "consensus.override": "...+..",
  drain: "...++.",
  "state.handover": "....+.",
};

function lifeIn(phase: Phase): Life {
  const life = new Life();
  for (const next of WAY[phase]) life.enter(next);
  return life;
}

test("every phase answers exactly the methods that are listed for it", () => {
  assert.deepEqual(Object.keys(ALLOWED), PHASES);
  assert.deepEqual(Object.keys(ANSWERS).sort(), [...METHODS].sort());
  for (const [column, phase] of PHASES.entries()) {
    const life = lifeIn(phase);
    assert.equal(life.phase, phase);
    for (const method of METHODS) {
      assert.equal(life.isAllowed(method), ANSWERS[method][column] === "+", `${phase} ${method}`);
    }
  }
});

test("nothing is signed, and no state touched, in any phase but Ready", () => {
  for (const method of [
    "sign",
    "state.init",
    "state.import",
    "state.retire",
    "state.override",
  ] as const) {
    assert.deepEqual(
      PHASES.filter((phase) => ALLOWED[phase].has(method)),
      ["Ready"],
    );
  }
});

test("every move between phases is either the next step or death", () => {
  const moves = PHASES.flatMap((from) => PHASES.map((to) => ({ from, to })));
  assert.equal(moves.length, 36);
  for (const { from, to } of moves) {
    const step = PHASES.indexOf(to) - PHASES.indexOf(from);
    const isStep = step === 1 && from !== "Dead";
    const isLegal = isStep || (to === "Dead" && from !== "Dead");
    assert.equal(NEXT[from].has(to), isLegal, `${from} to ${to}`);
    const life = lifeIn(from);
    if (isLegal) {
      life.enter(to);
      assert.equal(life.phase, to);
    } else {
      assert.throws(() => life.enter(to), { name: "InvariantError" }, `${from} to ${to}`);
      // Caught or not: an illegal move is death.
      assert.equal(life.phase, "Dead");
    }
  }
});
