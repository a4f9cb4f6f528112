import assert from "node:assert/strict";
import { test } from "node:test";
import { askSigner, type SignerAsk } from "../../../../parent/privval/signer-ask.ts";
import { refusal } from "../../../../shared/errors.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { PRIVVAL_ANSWER_BYTES_MAX } from "../../../../shared/limits.ts";
import type { PrivvalArm } from "../../../../shared/privval.ts";
import { err, ok } from "../../../../shared/result.ts";
import { fromHex, hexOf, voteRequest, wire } from "../../../fakes/privval-node.ts";
import { type PrivvalAnswer, ScriptedPrivval } from "../../../fakes/scripted-privval.ts";

const BODY = fromHex("0a0100");

/** What becomes of one answer, and what is counted besides. */
async function ask(
  give: () => PrivvalAnswer | Promise<PrivvalAnswer>,
  changes: Partial<SignerAsk> = {},
) {
  const signer = new ScriptedPrivval();
  signer.script.push(give);
  const answer = await askSigner(signer, {
    chainId: "a-1",
    arm: "vote",
    message: voteRequest(),
    deadlineMs: 1000,
    ...changes,
  });
  return [answer.ok ? hexOf(answer.value.body) : answer.error.code, signer.refusals] as const;
}

test("askSigner takes an answer out of the arm of its request, and of no other", async () => {
  const rows: readonly (readonly [PrivvalArm, number])[] = [
    ["pubKey", 2],
    ["vote", 4],
    ["proposal", 6],
    ["bytes", 10],
  ];
  for (const [arm, number] of rows) {
    const right = await ask(() => ok(wire({ [number]: BODY })), { arm });
    assert.deepEqual(right, [hexOf(BODY), []], arm);
    const wrong = await ask(() => ok(wire({ [number === 4 ? 6 : 4]: BODY })), { arm });
    assert.deepEqual(wrong, ["PRIVVAL_ANSWER", ["PRIVVAL_ANSWER"]], arm);
  }
  assert.deepEqual(await ask(() => ok(wire({ 4: new Uint8Array(0) }))), ["", []]);
});

test("askSigner refuses, and has counted, what is no answer", async () => {
  const rows: readonly (() => PrivvalAnswer | Promise<PrivvalAnswer>)[] = [
    () => ok(new Uint8Array(0)),
    () => ok(Uint8Array.of(1, 2, 3)),
    () => ok(wire({ 4: BODY, 6: BODY })),
    () => Promise.reject(new Error("broken")),
    () => {
      throw new Error("broken");
    },
  ];
  for (const row of rows) {
    assert.deepEqual(await ask(row), ["PRIVVAL_ANSWER", ["PRIVVAL_ANSWER"]], String(row));
  }
});

test("askSigner passes a refusal on, which its signer has counted already", async () => {
  assert.deepEqual(await ask(() => err(refusal("GUARD_STEP_DOUBLE", 1n, 0, "vote"))), [
    "GUARD_STEP_DOUBLE",
    [],
  ]);
});

test("askSigner takes an answer up to what the node reads, and no byte more", async () => {
  for (const bytesMax of [100, PRIVVAL_ANSWER_BYTES_MAX]) {
    // A tag of one byte, a length of one or two.
    const head = bytesMax > 127 ? 3 : 2;
    for (const [length, isTaken] of [
      [bytesMax - 1, true],
      [bytesMax, true],
      [bytesMax + 1, false],
    ] as const) {
      const answer = wire({ 4: new Uint8Array(length - head) });
      assert.equal(answer.length, length);
      const [outcome] = await ask(() => ok(answer), { answerBytesMax: bytesMax });
      assert.equal(outcome !== "PRIVVAL_ANSWER", isTaken, String(length));
    }
  }
});

test("askSigner throws a bug of the signer's side where nothing catches it", async (context) => {
  const tasks: (() => void)[] = [];
  const queue = context.mock.method(globalThis, "queueMicrotask", (task: () => void) => {
    tasks.push(task);
  });
  await ask(() => Promise.reject(new InvariantError("a test")));
  queue.mock.restore();
  assert.throws(() => tasks[0]?.(), InvariantError);
});
