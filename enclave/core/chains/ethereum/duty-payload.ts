// Payloads of the other duties until Fulu. None of them can be slashed; each is still hashed from
// its full typed content, so that it can't be anything else than what its domain says.

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { type JsonObject, member, readHex, readObject, readU64 } from "../../json.ts";
import { VOLUNTARY_EXIT } from "./block-shape.ts";
import {
  aggregateAndProof,
  contributionAndProof,
  DEPOSIT_MESSAGE,
  SYNC_SELECTION_DATA,
  VALIDATOR_REGISTRATION,
} from "./duty-shape.ts";
import { chunkOfU64 } from "./merkle.ts";
import {
  type EthereumNetwork,
  epochOf,
  genesisFork,
  ROOT_BYTES,
  VERSION_BYTES,
} from "./network.ts";
import { timeOf } from "./operation.ts";
import { decideForkName, type PayloadResult, unwrap } from "./payload.ts";
import { rootOf } from "./shape.ts";

export const ADDRESS_BYTES = 20;

/** The object is the slot itself. */
export function readAggregationSlot(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const object = readObject(member(request, "aggregation_slot"), "aggregation_slot");
  const slot = readU64(member(object, "slot"), "aggregation_slot.slot");
  return ok({
    objectRoot: chunkOfU64(slot),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot, isEarly: true }),
  });
}

export function readAggregateAndProof(
  network: EthereumNetwork,
  request: JsonObject,
): PayloadResult {
  const { version, data, at } = unwrap(
    member(request, "aggregate_and_proof"),
    "aggregate_and_proof",
  );
  const aggregate = readObject(member(data, "aggregate"), `${at}.aggregate`);
  const attestation = readObject(member(aggregate, "data"), `${at}.aggregate.data`);
  const slot = readU64(member(attestation, "slot"), `${at}.aggregate.data.slot`);
  const fork = decideForkName(network, slot, version);
  if (!fork.ok) return fork;
  return ok({
    objectRoot: rootOf(aggregateAndProof(network.preset, fork.value), data, at),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot }),
  });
}

export function readRandaoReveal(_network: EthereumNetwork, request: JsonObject): PayloadResult {
  const object = readObject(member(request, "randao_reveal"), "randao_reveal");
  return randaoPayload(member(object, "epoch"), "randao_reveal.epoch");
}

/** The object is the epoch itself. */
export function randaoPayload(value: unknown, at: string): PayloadResult {
  const epoch = readU64(value, at);
  return ok({ objectRoot: chunkOfU64(epoch), epoch, claim: null, time: timeOf({ epoch }) });
}

export function readVoluntaryExit(_network: EthereumNetwork, request: JsonObject): PayloadResult {
  const object = readObject(member(request, "voluntary_exit"), "voluntary_exit");
  const epoch = readU64(member(object, "epoch"), "voluntary_exit.epoch");
  return ok({
    objectRoot: rootOf(VOLUNTARY_EXIT, object, "voluntary_exit"),
    epoch,
    claim: null,
    time: timeOf({ epoch }),
  });
}

export function readDeposit(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const object = readObject(member(request, "deposit"), "deposit");
  const objectRoot = rootOf(DEPOSIT_MESSAGE, object, "deposit");
  const stated = member(object, "genesis_fork_version");
  const version = readHex(stated, "deposit.genesis_fork_version", VERSION_BYTES);
  const genesis = genesisFork(network);
  if (!isEqualBytes(genesis.version, version)) {
    return err(refusal("FORK_MISMATCH", genesis.version, version));
  }
  return ok({ objectRoot, epoch: genesis.epoch, claim: null, time: timeOf({}) });
}

/** The object is the block root itself. */
export function readSyncMessage(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const object = readObject(member(request, "sync_committee_message"), "sync_committee_message");
  const root = member(object, "beacon_block_root");
  const slot = readU64(member(object, "slot"), "sync_committee_message.slot");
  return ok({
    objectRoot: readHex(root, "sync_committee_message.beacon_block_root", ROOT_BYTES),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot }),
  });
}

export function readSyncSelection(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const at = "sync_aggregator_selection_data";
  const object = readObject(member(request, at), at);
  const slot = readU64(member(object, "slot"), `${at}.slot`);
  return ok({
    objectRoot: rootOf(SYNC_SELECTION_DATA, object, at),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot, isEarly: true }),
  });
}

export function readContribution(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const at = "contribution_and_proof";
  const object = readObject(member(request, at), at);
  const contribution = readObject(member(object, "contribution"), `${at}.contribution`);
  const slot = readU64(member(contribution, "slot"), `${at}.contribution.slot`);
  return ok({
    objectRoot: rootOf(contributionAndProof(network.preset), object, at),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot }),
  });
}

export function readRegistration(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const at = "validator_registration";
  const object = readObject(member(request, at), at);
  return ok({
    objectRoot: rootOf(VALIDATOR_REGISTRATION, object, at),
    epoch: genesisFork(network).epoch,
    claim: null,
    time: timeOf({ seconds: readU64(member(object, "timestamp"), `${at}.timestamp`) }),
    feeRecipient: readHex(member(object, "fee_recipient"), `${at}.fee_recipient`, ADDRESS_BYTES),
  });
}
