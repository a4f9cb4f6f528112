// `redoubt state floor`: raises keys to heights that an operator states, as if they had been
// signed. The enclave decides; it must never lower anything.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { showStates } from "./admin-keys.ts";
import type { ExitCode } from "./command.ts";
import { reportImport } from "./import-report.ts";
import { chosenKeys } from "./state-choice.ts";
import { importMaxima } from "./state-import.ts";
import type { StateOptions } from "./state-options.ts";
import { note } from "./state-text.ts";

export function checkFloor({ slot, target }: StateOptions): string | null {
  return slot === null && target === null ? "say --slot, or --source and --target" : null;
}

export async function raiseFloor(
  admin: Admin,
  options: StateOptions,
): Promise<Result<ExitCode, Refusal>> {
  const status = await admin.call("status", {});
  if (!status.ok) return status;
  const { genesisValidatorsRoot, phase } = status.value;
  if (genesisValidatorsRoot === null) return err(refusal("PHASE_REFUSED", phase));
  const chosen = await chosenKeys(admin, options);
  if (!chosen.ok) return chosen;
  const states = await showStates(admin, chosen.value);
  if (!states.ok) return states;
  const retired = states.value.filter((state) => state.isRetired);
  for (const { key } of retired) note(`${encodePrefixedHex(key)} is retired`);
  // All keys are all that can sign; a key that was named and can't is a mistake.
  if (retired.length > 0 && !options.all) return err(refusal("KEY_RETIRED"));
  const { slot, source, target } = options;
  const keys = states.value.flatMap(({ key, isRetired }) =>
    isRetired
      ? []
      : [{ key, blockSlot: slot, blockRoot: null, source, target, attestationRoot: null }],
  );
  const interchange = { genesisValidatorsRoot, keys };
  const lines = await importMaxima(admin, interchange, options.isDryRun, "floor");
  return lines.ok ? ok(reportImport(lines.value, options)) : lines;
}
