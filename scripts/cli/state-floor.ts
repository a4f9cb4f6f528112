// `redoubt state floor`: raises keys to heights that an operator states, as if they had been
// signed. The enclave decides; it must never lower anything.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { showStates } from "./admin-keys.ts";
import { type Ending, readEnclave } from "./chain-family.ts";
import { refuseOther } from "./consensus-import.ts";
import { keysOfChain } from "./consensus-keys.ts";
import { raiseKeys } from "./consensus-raise.ts";
import { reportImport } from "./import-report.ts";
import { chosenKeys } from "./state-choice.ts";
import { importMaxima } from "./state-import.ts";
import type { StateOptions } from "./state-options.ts";
import { ethereumView, note } from "./state-text.ts";

export function checkFloor({ slot, target, position }: StateOptions): string | null {
  const isOfEthereum = slot !== null || target !== null;
  if (isOfEthereum && position !== null) return "a floor has slot and epochs, or a height";
  const isSaid = isOfEthereum || position !== null;
  return isSaid ? null : "say --slot, or --source and --target, or --height";
}

export async function raiseFloor(admin: Admin, options: StateOptions): Promise<Ending> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  const isOfTendermint = enclave.value.family === "tendermint";
  if (isOfTendermint !== (options.position !== null)) {
    return refuseOther(isOfTendermint ? "say --height" : "--height is for Tendermint chains");
  }
  return enclave.value.family === "tendermint"
    ? raisePosition(admin, enclave.value.chainIds, options)
    : raiseHeights(admin, enclave.value.scope, options);
}

/** At some height of a Tendermint chain; each chain has its own. */
async function raisePosition(
  admin: Admin,
  chainIds: readonly string[],
  options: StateOptions,
): Promise<Ending> {
  const { position } = options;
  if (position === null) return err(refusal("CHAIN_OTHER"));
  const chosen = await keysOfChain(admin, chainIds, options);
  if (!chosen.ok) return chosen.error;
  const living = withoutRetired(chosen.value.states, options);
  return living.ok ? raiseKeys(admin, living.value, position, "floor", options) : living;
}

async function raiseHeights(
  admin: Admin,
  genesisValidatorsRoot: Uint8Array,
  options: StateOptions,
): Promise<Ending> {
  if (options.chain !== null) return refuseOther("--chain is for Tendermint chains");
  const chosen = await chosenKeys(admin, options);
  if (!chosen.ok) return chosen;
  const states = await showStates(admin, chosen.value);
  if (!states.ok) return states;
  const living = withoutRetired(states.value, options);
  if (!living.ok) return living;
  const { slot, source, target } = options;
  const keys = living.value.map(({ key }) => {
    return { key, blockSlot: slot, blockRoot: null, source, target, attestationRoot: null };
  });
  const interchange = { genesisValidatorsRoot, keys };
  const lines = await importMaxima(admin, interchange, options.isDryRun, "floor");
  return lines.ok ? ok(reportImport(lines.value, options, ethereumView)) : lines;
}

type Retirable = { readonly key: Uint8Array; readonly isRetired: boolean };

function withoutRetired<State extends Retirable>(
  states: readonly State[],
  { all }: StateOptions,
): Result<readonly State[], Refusal> {
  const retired = states.filter((state) => state.isRetired);
  for (const { key } of retired) note(`${encodePrefixedHex(key)} is retired`);
  // All keys are all that can sign; a key that was named and can't is a mistake.
  if (retired.length > 0 && !all) return err(refusal("KEY_RETIRED"));
  return ok(states.filter((state) => !state.isRetired));
}
