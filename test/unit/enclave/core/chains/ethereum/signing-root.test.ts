// Every type, fork and preset against @lodestar/types: the JSON is what Lodestar writes, and the
// signing root is computed from Lodestar's types here, domain included. Lodestar's preset is fixed
// when it is loaded, so that this file runs itself once more for each of the others.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Type } from "@chainsafe/ssz";
import {
  ACTIVE_PRESET,
  DOMAIN_AGGREGATE_AND_PROOF,
  DOMAIN_APPLICATION_BUILDER,
  DOMAIN_BEACON_ATTESTER,
  DOMAIN_BEACON_BUILDER,
  DOMAIN_BEACON_PROPOSER,
  DOMAIN_BUILDER_REQUEST_AUTH,
  DOMAIN_CONTRIBUTION_AND_PROOF,
  DOMAIN_DEPOSIT,
  DOMAIN_PROPOSER_PREFERENCES,
  DOMAIN_PTC_ATTESTER,
  DOMAIN_RANDAO,
  DOMAIN_SELECTION_PROOF,
  DOMAIN_SYNC_COMMITTEE,
  DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF,
  DOMAIN_VOLUNTARY_EXIT,
  SLOTS_PER_EPOCH,
} from "@lodestar/params";
import { ssz } from "@lodestar/types";
import {
  type EthereumNetwork,
  FORK_NAMES,
  type ForkName,
  networkOf,
} from "../../../../../../enclave/core/chains/ethereum/network.ts";
import { PRESET_NAMES } from "../../../../../../enclave/core/chains/ethereum/preset.ts";
import { parseEthereumRequest } from "../../../../../../enclave/core/chains/ethereum/request.ts";
import { encodePrefixedHex } from "../../../../../../shared/bytes/hex.ts";
import { OPERATION_KINDS } from "../../../../../../shared/operation.ts";
import { compareSignature } from "../../../../../fakes/independent-signature.ts";
import { randomOf, randomValue } from "../../../../../fakes/random-ssz.ts";

const random = randomOf(20_260_731);
const ROUNDS = 3;
const EPOCHS_PER_FORK = 10;

const preset = PRESET_NAMES.find((name) => name === ACTIVE_PRESET.toString());
assert(preset !== undefined);

const network: EthereumNetwork = networkOf({
  name: "everything",
  preset,
  genesisTimeMs: 0,
  slotDurationMs: 12_000,
  genesisValidatorsRoot: random.bytes(32),
  forks: FORK_NAMES.map((name, index) => ({
    name,
    version: Uint8Array.of(index, 7, 7, 1),
    epoch: BigInt(EPOCHS_PER_FORK * index),
  })),
});

type Json = Readonly<Record<string, unknown>>;

/** How one type of request is made out of a Lodestar type. */
type Recipe = {
  readonly type: string;
  readonly forks: readonly ForkName[];
  readonly ssz: (fork: ForkName) => Type<unknown>;
  /** Where the slot or the epoch is that selects the fork. */
  readonly time: { readonly path: readonly string[]; readonly unit: "slot" | "epoch" } | null;
  readonly domain: Uint8Array;
  readonly version: "fork" | "exit" | "genesis";
  readonly body: (json: Json, fork: ForkName) => Json;
  /** Where the object is not the JSON's own root (a slot, an epoch, a block root). */
  readonly root?: (json: Json) => Uint8Array;
};

const ALL = FORK_NAMES;
const FROM_ALTAIR = FORK_NAMES.slice(1);
const FROM_BELLATRIX = FORK_NAMES.slice(2);
const FROM_GLOAS = FORK_NAMES.slice(7);
const AT_SLOT = { path: ["slot"], unit: "slot" } as const;

const AGGREGATE_TYPES: Readonly<Record<ForkName, Type<unknown>>> = {
  phase0: ssz.phase0.AggregateAndProof,
  altair: ssz.phase0.AggregateAndProof,
  bellatrix: ssz.phase0.AggregateAndProof,
  capella: ssz.phase0.AggregateAndProof,
  deneb: ssz.phase0.AggregateAndProof,
  electra: ssz.electra.AggregateAndProof,
  fulu: ssz.electra.AggregateAndProof,
  gloas: ssz.gloas.AggregateAndProof,
  heze: ssz.gloas.AggregateAndProof,
};

const RECIPES: readonly Recipe[] = [
  {
    type: "BLOCK",
    forks: ["phase0"],
    ssz: () => ssz.phase0.BeaconBlock,
    time: AT_SLOT,
    domain: DOMAIN_BEACON_PROPOSER,
    version: "fork",
    body: (block) => ({ block }),
  },
  {
    type: "BLOCK_V2",
    forks: ["phase0", "altair"],
    ssz: (fork) => (fork === "phase0" ? ssz.phase0 : ssz.altair).BeaconBlock,
    time: AT_SLOT,
    domain: DOMAIN_BEACON_PROPOSER,
    version: "fork",
    body: (block, fork) => ({ beacon_block: { version: fork.toUpperCase(), block } }),
  },
  {
    type: "BLOCK_V2",
    forks: FROM_BELLATRIX,
    ssz: () => ssz.phase0.BeaconBlockHeader,
    time: AT_SLOT,
    domain: DOMAIN_BEACON_PROPOSER,
    version: "fork",
    body: (json, fork) => ({
      beacon_block: { version: fork.toUpperCase(), block_header: json },
    }),
  },
  {
    type: "ATTESTATION",
    forks: ALL,
    ssz: () => ssz.phase0.AttestationData,
    time: { path: ["target", "epoch"], unit: "epoch" },
    domain: DOMAIN_BEACON_ATTESTER,
    version: "fork",
    body: (attestation) => ({ attestation }),
  },
  {
    type: "AGGREGATION_SLOT",
    forks: ALL,
    ssz: () => ssz.altair.SyncAggregatorSelectionData,
    time: AT_SLOT,
    domain: DOMAIN_SELECTION_PROOF,
    version: "fork",
    body: (json) => ({ aggregation_slot: { slot: json["slot"] } }),
    root: (json) => ssz.UintBn64.hashTreeRoot(BigInt(String(json["slot"]))),
  },
  {
    type: "AGGREGATE_AND_PROOF",
    forks: ALL,
    ssz: (fork) => AGGREGATE_TYPES[fork],
    time: { path: ["aggregate", "data", "slot"], unit: "slot" },
    domain: DOMAIN_AGGREGATE_AND_PROOF,
    version: "fork",
    body: (json) => ({ aggregate_and_proof: json }),
  },
  {
    type: "AGGREGATE_AND_PROOF_V2",
    forks: ALL,
    ssz: (fork) => AGGREGATE_TYPES[fork],
    time: { path: ["aggregate", "data", "slot"], unit: "slot" },
    domain: DOMAIN_AGGREGATE_AND_PROOF,
    version: "fork",
    body: (data, fork) => ({ aggregate_and_proof: { version: fork.toUpperCase(), data } }),
  },
  {
    type: "RANDAO_REVEAL",
    forks: ALL,
    ssz: () => ssz.phase0.VoluntaryExit,
    time: { path: ["epoch"], unit: "epoch" },
    domain: DOMAIN_RANDAO,
    version: "fork",
    body: (json) => ({ randao_reveal: { epoch: json["epoch"] } }),
    root: (json) => ssz.UintBn64.hashTreeRoot(BigInt(String(json["epoch"]))),
  },
  {
    type: "VOLUNTARY_EXIT",
    forks: ALL,
    ssz: () => ssz.phase0.VoluntaryExit,
    time: { path: ["epoch"], unit: "epoch" },
    domain: DOMAIN_VOLUNTARY_EXIT,
    version: "exit",
    body: (json) => ({ voluntary_exit: json }),
  },
  {
    type: "DEPOSIT",
    forks: ["phase0"],
    ssz: () => ssz.phase0.DepositMessage,
    time: null,
    domain: DOMAIN_DEPOSIT,
    version: "genesis",
    body: (json) => ({ deposit: { ...json, genesis_fork_version: "0x00070701" } }),
  },
  {
    type: "SYNC_COMMITTEE_MESSAGE",
    forks: FROM_ALTAIR,
    ssz: () => ssz.altair.SyncCommitteeMessage,
    time: AT_SLOT,
    domain: DOMAIN_SYNC_COMMITTEE,
    version: "fork",
    body: (json) => ({ sync_committee_message: json }),
    root: (json) => ssz.Root.fromJson(json["beacon_block_root"]),
  },
  {
    type: "SYNC_COMMITTEE_SELECTION_PROOF",
    forks: FROM_ALTAIR,
    ssz: () => ssz.altair.SyncAggregatorSelectionData,
    time: AT_SLOT,
    domain: DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF,
    version: "fork",
    body: (json) => ({ sync_aggregator_selection_data: json }),
  },
  {
    type: "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
    forks: FROM_ALTAIR,
    ssz: () => ssz.altair.ContributionAndProof,
    time: { path: ["contribution", "slot"], unit: "slot" },
    domain: DOMAIN_CONTRIBUTION_AND_PROOF,
    version: "fork",
    body: (json) => ({ contribution_and_proof: json }),
  },
  {
    type: "VALIDATOR_REGISTRATION",
    forks: ["phase0"],
    ssz: () => ssz.bellatrix.ValidatorRegistrationV1,
    time: null,
    domain: DOMAIN_APPLICATION_BUILDER,
    version: "genesis",
    body: (json) => ({ validator_registration: json }),
  },
  {
    type: "EXECUTION_PAYLOAD_BID",
    forks: FROM_GLOAS,
    ssz: (fork) => (fork === "heze" ? ssz.heze : ssz.gloas).ExecutionPayloadBid,
    time: AT_SLOT,
    domain: DOMAIN_BEACON_BUILDER,
    version: "fork",
    body: (data, fork) => ({ execution_payload_bid: { version: fork.toUpperCase(), data } }),
  },
  {
    type: "EXECUTION_PAYLOAD_ENVELOPE",
    forks: FROM_GLOAS,
    ssz: () => ssz.gloas.ExecutionPayloadEnvelope,
    time: { path: ["payload", "slot_number"], unit: "slot" },
    domain: DOMAIN_BEACON_BUILDER,
    version: "fork",
    body: (data, fork) => ({ execution_payload_envelope: { version: fork.toUpperCase(), data } }),
  },
  {
    type: "PAYLOAD_ATTESTATION_MESSAGE",
    forks: FROM_GLOAS,
    ssz: () => ssz.gloas.PayloadAttestationData,
    time: AT_SLOT,
    domain: DOMAIN_PTC_ATTESTER,
    version: "fork",
    body: (data, fork) => ({ payload_attestation_message: { version: fork.toUpperCase(), data } }),
  },
  {
    type: "PAYLOAD_ATTESTATION",
    forks: FROM_GLOAS,
    ssz: () => ssz.gloas.PayloadAttestationData,
    time: AT_SLOT,
    domain: DOMAIN_PTC_ATTESTER,
    version: "fork",
    body: (json) => ({ payload_attestation_data: json }),
  },
  {
    type: "PROPOSER_PREFERENCES",
    forks: FROM_GLOAS,
    ssz: () => ssz.gloas.ProposerPreferences,
    time: { path: ["proposal_slot"], unit: "slot" },
    domain: DOMAIN_PROPOSER_PREFERENCES,
    version: "fork",
    body: (data, fork) => ({ proposer_preferences: { version: fork.toUpperCase(), data } }),
  },
  {
    type: "BUILDER_REQUEST_AUTH",
    forks: FROM_GLOAS,
    ssz: () => ssz.gloas.BuilderRequestAuth,
    time: AT_SLOT,
    domain: DOMAIN_BUILDER_REQUEST_AUTH,
    version: "genesis",
    body: (data, fork) => ({ builder_request_auth: { version: fork.toUpperCase(), data } }),
  },
];

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null;
}

function withText(json: unknown, path: readonly string[], text: string): Json {
  assert(isJson(json));
  const [name, ...rest] = path;
  assert(name !== undefined);
  return { ...json, [name]: rest.length === 0 ? text : withText(json[name], rest, text) };
}

/**
 * The domain as Lodestar's types have it: version and root of the fork, of EIP-7044 or of genesis.
 */
function domainOf(recipe: Recipe, fork: ForkName): Uint8Array {
  const index = FORK_NAMES.indexOf(fork);
  const versionIndex =
    recipe.version === "genesis" ? 0 : recipe.version === "exit" ? Math.min(index, 3) : index;
  const root = ssz.phase0.ForkData.hashTreeRoot({
    currentVersion: Uint8Array.of(versionIndex, 7, 7, 1),
    genesisValidatorsRoot:
      recipe.version === "genesis" ? new Uint8Array(32) : network.genesisValidatorsRoot,
  });
  return Uint8Array.of(...recipe.domain, ...root.subarray(0, 28));
}

function forkInfo(fork: ForkName): Json {
  const index = FORK_NAMES.indexOf(fork);
  return {
    fork: {
      previous_version: encodePrefixedHex(Uint8Array.of(Math.max(index - 1, 0), 7, 7, 1)),
      current_version: encodePrefixedHex(Uint8Array.of(index, 7, 7, 1)),
      epoch: String(EPOCHS_PER_FORK * index),
    },
    genesis_validators_root: encodePrefixedHex(network.genesisValidatorsRoot),
  };
}

/** The root that our parser answers, after it was found equal to Lodestar's. */
function compare(recipe: Recipe, fork: ForkName): Uint8Array {
  const type = recipe.ssz(fork);
  const epoch = EPOCHS_PER_FORK * FORK_NAMES.indexOf(fork) + random.below(EPOCHS_PER_FORK);
  const time = recipe.time?.unit === "slot" ? epoch * SLOTS_PER_EPOCH + random.below(4) : epoch;
  const any = type.toJson(randomValue(type, random));
  const json = recipe.time === null ? any : withText(any, recipe.time.path, String(time));
  assert(isJson(json));
  const objectRoot = recipe.root?.(json) ?? type.hashTreeRoot(type.fromJson(json));
  const signingRoot = ssz.phase0.SigningData.hashTreeRoot({
    objectRoot,
    domain: domainOf(recipe, fork),
  });
  const request = {
    type: recipe.type,
    ...(recipe.version === "genesis" ? {} : { fork_info: forkInfo(fork) }),
    signing_root: encodePrefixedHex(signingRoot),
    ...recipe.body(json, fork),
  };
  const body = new TextEncoder().encode(JSON.stringify(request));
  const parsed = parseEthereumRequest(network, "web3signer", body);
  assert(parsed.ok, JSON.stringify({ request, parsed: parsed.ok || parsed.error.code }));
  assert.deepEqual(Buffer.from(parsed.value.signingRoot), Buffer.from(signingRoot));
  return parsed.value.signingRoot;
}

for (const recipe of RECIPES) {
  const forks = `(${preset}, ${recipe.forks.join()})`;
  test(`${recipe.type} has the root of @lodestar/types, the signature of noble ${forks}`, () => {
    for (const fork of recipe.forks) {
      compareSignature(compare(recipe, fork));
      for (let round = 1; round < ROUNDS; round++) compare(recipe, fork);
    }
  });
}

test("every kind of operation is compared", () => {
  const compared = new Set(RECIPES.map(({ type }) => type));
  assert.deepEqual(
    OPERATION_KINDS.filter((kind) => !compared.has(kind)),
    [],
  );
});

// The other presets, unless this is already such a run.
if (process.env["LODESTAR_PRESET"] === undefined) {
  for (const other of PRESET_NAMES.filter((name) => name !== preset)) {
    test(`all of it holds for the ${other} preset`, () => {
      const env: NodeJS.ProcessEnv = { ...process.env, LODESTAR_PRESET: other };
      delete env["NODE_TEST_CONTEXT"];
      const path = fileURLToPath(import.meta.url);
      const child = spawnSync(process.execPath, ["--no-warnings", path], { env, encoding: "utf8" });
      assert.equal(child.status, 0, child.stdout);
      assert(child.stdout.includes(`(${other},`), "the child ran under its preset");
    });
  }
}
