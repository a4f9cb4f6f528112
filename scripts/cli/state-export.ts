// Reads the records of all keys out as one EIP-3076 file. It must never pass a
// key without a record off as one that never signed.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { listKeys, showStates } from "./admin-keys.ts";
import type { Interchange } from "./interchange.ts";

export type ExportedState = {
  readonly interchange: Interchange;
  /** Keys without a record: not in the file, because nothing is known of them. */
  readonly missingCount: number;
  /** The signer may sign more after this file was made. */
  readonly isSigning: boolean;
};

export async function readState(admin: Admin): Promise<Result<ExportedState, Refusal>> {
  const status = await admin.call("status", {});
  if (!status.ok) return status;
  const { genesisValidatorsRoot, phase } = status.value;
  if (genesisValidatorsRoot === null) return err(refusal("PHASE_REFUSED", phase));
  const keys = await listKeys(admin);
  if (!keys.ok) return keys;
  const states = await showStates(admin, keys.value);
  if (!states.ok) return states;
  const recorded = states.value.filter((state) => state.hasRecord);
  return ok({
    interchange: { genesisValidatorsRoot, keys: recorded },
    missingCount: states.value.length - recorded.length,
    isSigning: phase === "Ready",
  });
}
