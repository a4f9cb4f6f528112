// Payloads that can be slashed: blocks in all their forms, and attestations.

import { ok } from "../../../../shared/result.ts";
import { type JsonObject, member, readObject, readU64 } from "../../json.ts";
import { readAttestationData } from "./attestation-data.ts";
import { altairBlock, BLOCK_HEADER, PHASE0_BLOCK } from "./block-shape.ts";
import { type EthereumNetwork, epochOf, type ForkName, isFrom } from "./network.ts";
import { timeOf } from "./operation.ts";
import { decideForkName, type PayloadResult, readVersion } from "./payload.ts";
import { rootOf, type Shape } from "./shape.ts";

function blockPayload(
  network: EthereumNetwork,
  shape: Shape,
  value: unknown,
  at: string,
): PayloadResult {
  const slot = readU64(member(readObject(value, at), "slot"), `${at}.slot`);
  return ok({
    objectRoot: rootOf(shape, value, at),
    epoch: epochOf(network, slot),
    claim: { kind: "block", slot },
    time: timeOf({ slot }),
  });
}

/** A block with its body, whose shape differs between the forks: so the fork must be the slot's. */
export function readFullBlock(
  network: EthereumNetwork,
  version: "phase0" | "altair",
  value: unknown,
  at: string,
): PayloadResult {
  const slot = readU64(member(readObject(value, at), "slot"), `${at}.slot`);
  const fork = decideForkName(network, slot, version);
  if (!fork.ok) return fork;
  const shape = version === "phase0" ? PHASE0_BLOCK : altairBlock(network.preset);
  return blockPayload(network, shape, value, at);
}

/** A header has the root of its block, whatever the fork. */
export function readBlockHeader(
  network: EthereumNetwork,
  value: unknown,
  at: string,
): PayloadResult {
  return blockPayload(network, BLOCK_HEADER, value, at);
}

export function readBlock(network: EthereumNetwork, request: JsonObject): PayloadResult {
  return readFullBlock(network, "phase0", member(request, "block"), "block");
}

/** `version` says whether there is a full block or a header; of a header it changes nothing. */
export function readBlockV2(network: EthereumNetwork, request: JsonObject): PayloadResult {
  const object = readObject(member(request, "beacon_block"), "beacon_block");
  const version: ForkName = readVersion(member(object, "version"), "beacon_block.version");
  if (isFrom(version, "bellatrix")) {
    return readBlockHeader(network, member(object, "block_header"), "beacon_block.block_header");
  }
  const fullVersion = version === "phase0" ? "phase0" : "altair";
  return readFullBlock(network, fullVersion, member(object, "block"), "beacon_block.block");
}

export function readAttestation(_network: EthereumNetwork, request: JsonObject): PayloadResult {
  return attestationPayload(member(request, "attestation"), "attestation");
}

/**
 * The domain is that of the target's epoch. The slot is not checked against it: an attestation in
 * which they differ is worthless, but adds nothing that could be slashed.
 */
export function attestationPayload(value: unknown, at: string): PayloadResult {
  const { slot, source, target, root } = readAttestationData(value, at);
  return ok({
    objectRoot: root,
    epoch: target,
    claim: { kind: "attestation", source, target },
    time: { slot, epoch: target, seconds: null, isEarly: false },
  });
}
