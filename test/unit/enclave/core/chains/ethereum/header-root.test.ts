// Why a header stands for its block: both have one root. Checked against @lodestar/types.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Type } from "@chainsafe/ssz";
import { ssz } from "@lodestar/types";
import { randomOf, randomValue } from "../../../../../fakes/random-ssz.ts";

const random = randomOf(20_260_801);

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

test("a header has the root of its block in every fork from Bellatrix on", () => {
  const { bellatrix, capella, deneb, electra, fulu, gloas, heze } = ssz;
  const forks = [bellatrix, capella, deneb, electra, fulu, gloas, heze] as const;
  for (const { BeaconBlock, BeaconBlockBody } of forks) {
    const type: Type<unknown> = BeaconBlock;
    const bodyType: Type<unknown> = BeaconBlockBody;
    const block = randomValue(type, random);
    assert(isRecord(block));
    const header = {
      slot: Number(block["slot"]),
      proposerIndex: Number(block["proposerIndex"]),
      parentRoot: asBytes(block["parentRoot"]),
      stateRoot: asBytes(block["stateRoot"]),
      bodyRoot: bodyType.hashTreeRoot(block["body"]),
    };
    assert.deepEqual(ssz.phase0.BeaconBlockHeader.hashTreeRoot(header), type.hashTreeRoot(block));
  }
});

function asBytes(value: unknown): Uint8Array {
  assert(value instanceof Uint8Array);
  return value;
}
