import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrivvalMessage } from "../../../../enclave/core/chains/tendermint/privval-message.ts";
import { hasExtension } from "../../../../enclave/core/chains/tendermint/vote.ts";
import { type Ask, heightSequence } from "../../../../scripts/bench/height-sequence.ts";

const PUBLIC_KEY = new Uint8Array(32).fill(7);

function firstOf(publicKey: Uint8Array, count: number): readonly Ask[] {
  const asks = heightSequence(publicKey);
  return Array.from({ length: count }, () => asks.next().value);
}

/** What a signer reads of the first requests: `height kind`. */
function stepsOf(count: number): readonly string[] {
  return firstOf(PUBLIC_KEY, count).map(({ arm, message, hasExtension: isExtended }) => {
    const parsed = parsePrivvalMessage(message, "signBytes");
    assert(parsed.ok);
    assert.equal(parsed.value.kind, arm);
    if (parsed.value.kind === "proposal") return `${parsed.value.proposal.height} proposal`;
    assert(parsed.value.kind === "vote");
    const { vote } = parsed.value;
    assert.equal(hasExtension(vote), isExtended);
    return `${vote.height} ${vote.step}`;
  });
}

function votes(height: number): readonly string[] {
  return [`${height} prevote`, `${height} precommit`];
}

test("heightSequence asks for both votes of each height, and at every fourth for a proposal", () => {
  assert.deepEqual(stepsOf(11), [
    ...votes(1),
    ...votes(2),
    ...votes(3),
    "4 proposal",
    ...votes(4),
    ...votes(5),
  ]);
});

test("heightSequence asks every signer the same but for its key's address", () => {
  const first = firstOf(PUBLIC_KEY, 9);
  const other = firstOf(new Uint8Array(32), 9);
  assert.deepEqual(
    first.map(({ signBytes }) => signBytes),
    other.map(({ signBytes }) => signBytes),
  );
  assert.deepEqual(
    first.map(({ message }) => message.length),
    other.map(({ message }) => message.length),
  );
});
