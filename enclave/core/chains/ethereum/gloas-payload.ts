// Payloads that Gloas adds. Web3Signer and Lodestar wrap them as `{version, data}` with the fork at
// the message's slot; Lighthouse sends some bare, and payload attestations under a name of its own
// (sigp/lighthouse#9252). Before Gloas they do not exist and are refused.

import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { type JsonObject, member, readHex, readObject, readU64 } from "../../json.ts";
import { ADDRESS_BYTES } from "./duty-payload.ts";
import {
  BUILDER_REQUEST_AUTH,
  executionPayloadBid,
  executionPayloadEnvelope,
  PAYLOAD_ATTESTATION_DATA,
  PROPOSER_PREFERENCES,
} from "./gloas-shape.ts";
import { type EthereumNetwork, epochOf, type ForkName, genesisFork, isFrom } from "./network.ts";
import { timeOf } from "./operation.ts";
import { decideForkName, type PayloadResult, unwrap } from "./payload.ts";
import { rootOf, type Shape } from "./shape.ts";

function decideGloasFork(
  network: EthereumNetwork,
  slot: bigint,
  version: ForkName | null,
): Result<ForkName, Refusal<"FORK_MISMATCH">> {
  const fork = decideForkName(network, slot, version);
  if (!fork.ok || isFrom(fork.value, "gloas")) return fork;
  return err(refusal("FORK_MISMATCH", fork.value.toUpperCase(), "GLOAS"));
}

export function readBid(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const { version, data, at } = unwrap(
    member(request, "execution_payload_bid"),
    "execution_payload_bid",
  );
  const slot = readU64(member(data, "slot"), `${at}.slot`);
  const fork = decideGloasFork(network, slot, version);
  if (!fork.ok) return fork;
  return ok({
    objectRoot: rootOf(executionPayloadBid(fork.value), data, at),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot }),
  });
}

export function readEnvelope(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const { version, data, at } = unwrap(
    member(request, "execution_payload_envelope"),
    "execution_payload_envelope",
  );
  const payload = readObject(member(data, "payload"), `${at}.payload`);
  const slot = readU64(member(payload, "slot_number"), `${at}.payload.slot_number`);
  return gloasPayload(network, executionPayloadEnvelope(network.preset), {
    version,
    data,
    at,
    slot,
  });
}

export function readPayloadAttestation(
  network: EthereumNetwork,
  request: JsonObject,
): PayloadResult {
  return payloadAttestation(network, request, "payload_attestation_message");
}

/** The same under Lighthouse's name. */
export function readLighthousePayloadAttestation(
  network: EthereumNetwork,
  request: JsonObject,
): PayloadResult {
  return payloadAttestation(network, request, "payload_attestation_data");
}

function payloadAttestation(
  network: EthereumNetwork,
  request: JsonObject,
  name: string,
): PayloadResult {
  const { version, data, at } = unwrap(member(request, name), name);
  const slot = readU64(member(data, "slot"), `${at}.slot`);
  return gloasPayload(network, PAYLOAD_ATTESTATION_DATA, { version, data, at, slot });
}

function gloasPayload(
  network: EthereumNetwork,
  shape: Shape,
  message: {
    readonly version: ForkName | null;
    readonly data: JsonObject;
    readonly at: string;
    readonly slot: bigint;
  },
): PayloadResult {
  const { version, data, at, slot } = message;
  const fork = decideGloasFork(network, slot, version);
  if (!fork.ok) return fork;
  return ok({
    objectRoot: rootOf(shape, data, at),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot }),
  });
}

export function readPreferences(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const { version, data, at } = unwrap(
    member(request, "proposer_preferences"),
    "proposer_preferences",
  );
  const slot = readU64(member(data, "proposal_slot"), `${at}.proposal_slot`);
  const fork = decideGloasFork(network, slot, version);
  if (!fork.ok) return fork;
  return ok({
    objectRoot: rootOf(PROPOSER_PREFERENCES, data, at),
    epoch: epochOf(network, slot),
    claim: null,
    time: timeOf({ slot, isEarly: true }),
    feeRecipient: readHex(member(data, "fee_recipient"), `${at}.fee_recipient`, ADDRESS_BYTES),
  });
}

/** The builder API's own domain, bound to no fork: the version is only read. */
export function readRequestAuth(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const { data, at } = unwrap(member(request, "builder_request_auth"), "builder_request_auth");
  return ok({
    objectRoot: rootOf(BUILDER_REQUEST_AUTH, data, at),
    epoch: genesisFork(network).epoch,
    claim: null,
    time: timeOf({ slot: readU64(member(data, "slot"), `${at}.slot`), isEarly: true }),
  });
}
