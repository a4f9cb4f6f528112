import assert from "node:assert/strict";
import { test } from "node:test";
import { readCustomNetwork } from "../../../../../../enclave/core/chains/ethereum/custom-network.ts";
import { FAR_FUTURE_EPOCH } from "../../../../../../enclave/core/chains/ethereum/network.ts";
import { JsonMismatch } from "../../../../../../enclave/core/json.ts";

const PHASE0 = { name: "phase0", version: "0x10000001", epoch: "0" };
const ALTAIR = { name: "altair", version: "0x20000001", epoch: "0" };
const BELLATRIX = { name: "bellatrix", version: "0x30000001", epoch: "18446744073709551615" };
const DEVNET = {
  name: "devnet-7",
  preset: "minimal",
  genesisTime: "1700000000",
  slotDurationMs: 6000,
  genesisValidatorsRoot: `0x${"ab".repeat(32)}`,
  forks: [PHASE0, ALTAIR, BELLATRIX],
};

test("readCustomNetwork reads a network", () => {
  const network = readCustomNetwork(DEVNET, "network");
  const { forks, ...rest } = network;
  assert.deepEqual(rest, {
    name: "devnet-7",
    preset: "minimal",
    genesisTimeMs: 1_700_000_000_000,
    slotDurationMs: 6000,
    slotsPerEpoch: 8n,
    genesisValidatorsRoot: new Uint8Array(32).fill(0xab),
  });
  assert.deepEqual(forks[2], {
    name: "bellatrix",
    version: Uint8Array.of(0x30, 0, 0, 1),
    epoch: FAR_FUTURE_EPOCH,
  });
  const number = readCustomNetwork({ ...DEVNET, genesisTime: 1_700_000_000 }, "network");
  assert.deepEqual(number, network);
});

function assertMismatch(value: unknown, field: string): void {
  const isOfField = (thrown: unknown) => thrown instanceof JsonMismatch && thrown.field === field;
  assert.throws(() => readCustomNetwork(value, "n"), isOfField, field);
}

test("readCustomNetwork names the field that is wrong", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["n", null],
    ["n", [DEVNET]],
    ["n.extra", { ...DEVNET, extra: 1 }],
    ["n.name", { ...DEVNET, name: "" }],
    ["n.name", { ...DEVNET, name: "Devnet" }],
    ["n.name", { ...DEVNET, name: "a".repeat(33) }],
    ["n.preset", { ...DEVNET, preset: "MINIMAL" }],
    ["n.genesisTime", { ...DEVNET, genesisTime: "-1" }],
    ["n.genesisTime", { ...DEVNET, genesisTime: 1.5 }],
    ["n.genesisTime", { ...DEVNET, genesisTime: "1099511627777" }],
    ["n.genesisTime", { ...DEVNET, genesisTime: null }],
    ["n.slotDurationMs", { ...DEVNET, slotDurationMs: 0 }],
    ["n.slotDurationMs", { ...DEVNET, slotDurationMs: 3_600_001 }],
    ["n.slotDurationMs", { ...DEVNET, slotDurationMs: "6000" }],
    ["n.genesisValidatorsRoot", { ...DEVNET, genesisValidatorsRoot: `0x${"ab".repeat(31)}` }],
    ["n.forks", { ...DEVNET, forks: [] }],
    ["n.forks", { ...DEVNET, forks: {} }],
    ["n.forks", { ...DEVNET, forks: [ALTAIR] }],
    ["n.forks", { ...DEVNET, forks: [ALTAIR, PHASE0] }],
    ["n.forks", { ...DEVNET, forks: [PHASE0, BELLATRIX] }],
    ["n.forks", { ...DEVNET, forks: [PHASE0, PHASE0] }],
    [
      "n.forks",
      {
        ...DEVNET,
        forks: [
          { ...PHASE0, epoch: "1" },
          { ...ALTAIR, epoch: "1" },
        ],
      },
    ],
    [
      "n.forks",
      { ...DEVNET, forks: [PHASE0, { ...ALTAIR, epoch: "5" }, { ...BELLATRIX, epoch: "4" }] },
    ],
    ["n.forks", { ...DEVNET, forks: [PHASE0, { ...ALTAIR, version: PHASE0.version }] }],
    ["n.forks", { ...DEVNET, forks: Array.from({ length: 10 }, () => PHASE0) }],
    ["n.forks[1].name", { ...DEVNET, forks: [PHASE0, { ...ALTAIR, name: "osaka" }] }],
    ["n.forks[1].version", { ...DEVNET, forks: [PHASE0, { ...ALTAIR, version: "0x2000001" }] }],
    ["n.forks[1].epoch", { ...DEVNET, forks: [PHASE0, { ...ALTAIR, epoch: 0 }] }],
    ["n.forks[0].x", { ...DEVNET, forks: [{ ...PHASE0, x: 1 }] }],
  ];
  for (const [field, value] of rows) assertMismatch(value, field);
});

test("readCustomNetwork misses every field that is not there", () => {
  for (const name of Object.keys(DEVNET)) {
    const partial = Object.fromEntries(Object.entries(DEVNET).filter(([field]) => field !== name));
    assertMismatch(partial, `n.${name}`);
  }
});
