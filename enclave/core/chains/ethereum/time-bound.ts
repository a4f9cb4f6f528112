// Slots, epochs and times against the trusted clock. Time only refuses: it keeps what lies in the
// future from being signed, so that nobody can move a watermark beyond the present and lock a
// validator out, and so that the boot floor knows how far an earlier enclave can have signed.

import { type Refusal, refusal } from "../../../../shared/errors.ts";
import {
  LOOKAHEAD_SLOTS,
  PREPARATION_EPOCHS,
  TIME_SKEW_MS_MAX,
} from "../../../../shared/limits.ts";
import { type EthereumNetwork, epochOf } from "./network.ts";
import type { EthereumClaim, EthereumOperation } from "./operation.ts";
import type { EthereumFloor, ImportedFloor } from "./slashing-rule.ts";

/** Of the manifest: slots and epochs at or above are refused. For planned migrations. */
export type HighWatermark = { readonly slot: bigint; readonly epoch: bigint };

/** The last slot and epoch that may be signed now, for one kind of operation. */
type Horizon = { readonly slot: bigint; readonly epoch: bigint };

/** Null when the operation does not reach beyond the clock. */
export function decideTime(
  network: EthereumNetwork,
  nowMs: number,
  operation: EthereumOperation,
): Refusal | null {
  const { slot, epoch, seconds, isEarly } = operation.time;
  const horizon = horizonAt(network, nowMs, isEarly);
  if (slot !== null && slot > horizon.slot) return refusal("FUTURE", slot, horizon.slot);
  if (epoch !== null && epoch > horizon.epoch) return refusal("FUTURE", epoch, horizon.epoch);
  if (seconds !== null) {
    const lastSeconds = BigInt(Math.floor((nowMs + network.slotDurationMs) / 1000));
    if (seconds > lastSeconds) return refusal("FUTURE", seconds, lastSeconds);
  }
  return null;
}

/**
 * Null when an import states nothing beyond the clock: a file that does is broken or hostile, and
 * taking it over would lock the validator out.
 */
export function decideImportTime(
  network: EthereumNetwork,
  nowMs: number,
  floor: ImportedFloor,
): Refusal | null {
  const horizon = horizonAt(network, nowMs, false);
  const { blockSlot, source, target } = floor;
  if (blockSlot !== null && blockSlot > horizon.slot) {
    return refusal("FUTURE", blockSlot, horizon.slot);
  }
  for (const epoch of [source, target]) {
    if (epoch !== null && epoch > horizon.epoch) return refusal("FUTURE", epoch, horizon.epoch);
  }
  return null;
}

function horizonAt(network: EthereumNetwork, nowMs: number, isEarly: boolean): Horizon {
  // -1 before genesis, where only what may be prepared can be asked for.
  const lastSlot = slotAt(network, nowMs) + LOOKAHEAD_SLOTS;
  const lastEpoch = lastSlot < 0n ? -1n : epochOf(network, lastSlot);
  if (!isEarly) return { slot: lastSlot, epoch: lastEpoch };
  const epoch = lastEpoch + PREPARATION_EPOCHS;
  return { slot: (epoch + 1n) * network.slotsPerEpoch - 1n, epoch };
}

/** The slot of a moment; negative before genesis. */
export function slotAt(network: EthereumNetwork, unixMs: number): bigint {
  return BigInt(Math.floor((unixMs - network.genesisTimeMs) / network.slotDurationMs));
}

/** What may be signed at all since a boot at `bootMs` (docs/safety.md, "The boot floor"). */
export function bootFloorAt(network: EthereumNetwork, bootMs: number): EthereumFloor {
  const lastSlot = slotAt(network, bootMs + TIME_SKEW_MS_MAX) + LOOKAHEAD_SLOTS;
  if (lastSlot < 0n) return { slot: 0n, source: 0n, target: 0n };
  const lastEpoch = epochOf(network, lastSlot);
  const source = lastEpoch === 0n ? 0n : lastEpoch - 1n;
  return { slot: lastSlot + 1n, source, target: lastEpoch + 1n };
}

/**
 * What may be signed at all since the state of an enclave that signed nothing any more from
 * `drainedMs` on was opened at `bootMs`. Between the two another enclave may have had the keys: it
 * can have signed from its own boot floor on, which is no lower than that of `drainedMs`. Where
 * both floors are the same it had not reached what it might sign, and there is none.
 */
export function handoverFloorAt(
  network: EthereumNetwork,
  drainedMs: number,
  bootMs: number,
): EthereumFloor {
  // Its clock may have run ahead of the time that the other enclave was told.
  const earlier = bootFloorAt(network, drainedMs - TIME_SKEW_MS_MAX);
  const floor = bootFloorAt(network, bootMs);
  const isSameSlot = earlier.slot === floor.slot;
  const isSameEpoch = earlier.target === floor.target;
  return {
    slot: isSameSlot ? 0n : floor.slot,
    source: isSameEpoch ? 0n : floor.source,
    target: isSameEpoch ? 0n : floor.target,
  };
}

/** Null when the claim is below the operator's high watermark, or there is none. */
export function decideHighWatermark(
  mark: HighWatermark | null,
  claim: EthereumClaim,
): Refusal | null {
  if (mark === null) return null;
  if (claim.kind === "block") {
    return claim.slot >= mark.slot ? refusal("HIGH_WATERMARK", claim.slot, mark.slot) : null;
  }
  const isAtMark = claim.target >= mark.epoch || claim.source >= mark.epoch;
  return isAtMark ? refusal("HIGH_WATERMARK", claim.target, mark.epoch) : null;
}
