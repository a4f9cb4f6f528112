// Reads the records of all keys out as one EIP-3076 file. It must never pass a key without a record
// off as one that never signed, nor a record off as the last word on what was signed before the
// boot: the store may be an old copy, which only the boot floor makes up for. Another signer has
// no such floor, so it goes into the file.

import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";
import { listKeys, showStates } from "./admin-keys.ts";
import { readEthereum } from "./chain-family.ts";
import type { Interchange, KeyMaxima } from "./interchange.ts";

export type ExportedState = {
  readonly interchange: Interchange;
  /** Keys without a record: not in the file, because nothing is known of them. */
  readonly missingCount: number;
  /** The signer may sign more after this file was made. */
  readonly isSigning: boolean;
};

export async function readState(admin: Admin): Promise<Result<ExportedState, Refusal>> {
  const enclave = await readEthereum(admin);
  if (!enclave.ok) return enclave;
  const { scope: genesisValidatorsRoot, status } = enclave.value;
  const keys = await listKeys(admin);
  if (!keys.ok) return keys;
  const states = await showStates(admin, keys.value);
  if (!states.ok) return states;
  const recorded = states.value.filter((state) => state.hasRecord);
  return ok({
    interchange: { genesisValidatorsRoot, keys: recorded.map(maximaOf) },
    missingCount: states.value.length - recorded.length,
    isSigning: status.phase === "Ready",
  });
}

/** The record, and at least all that can have been signed before the key was loaded. */
export function maximaOf(state: EthereumState): KeyMaxima {
  return { key: state.key, ...blockMaxima(state), ...voteMaxima(state) };
}

function blockMaxima({ floor, blockSlot, blockRoot }: EthereumState) {
  if (floor === null || floor.slot === 0n) return { blockSlot, blockRoot };
  if (blockSlot !== null && blockSlot >= floor.slot) return { blockSlot, blockRoot };
  return { blockSlot: floor.slot - 1n, blockRoot: null };
}

/** Earlier sources are at most the floor's, earlier targets below it (docs/safety.md). */
function voteMaxima({ floor, source, target, attestationRoot }: EthereumState) {
  if (floor === null || floor.target === 0n) return { source, target, attestationRoot };
  const raisedSource = source !== null && source > floor.source ? source : floor.source;
  if (target !== null && target >= floor.target) {
    const root = raisedSource === source ? attestationRoot : null;
    return { source: raisedSource, target, attestationRoot: root };
  }
  return { source: raisedSource, target: floor.target - 1n, attestationRoot: null };
}
