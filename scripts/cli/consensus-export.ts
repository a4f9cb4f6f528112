// `redoubt state export` for Tendermint chains: what another signer needs to go on with one key. It
// must never write a file for a key of which nothing is known: the other signer would take it for
// one that never signed. Nor one that stops short of what is reserved: what was signed there may
// have no record yet.

import { comparePositions, type Position } from "../../enclave/core/chains/tendermint/position.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import type { Ending } from "./chain-family.ts";
import { type KeyPosition, onlyKeyOfChain, reachOf } from "./consensus-keys.ts";
import { consensusView, positionJson } from "./consensus-text.ts";
import { encodeSignerState, STATE_FORMATS } from "./signer-state.ts";
import { noteIsSigning, writeExport } from "./state-file.ts";
import type { StateOptions } from "./state-options.ts";
import { note, print, printJson } from "./state-text.ts";

export async function exportSignerState(
  admin: Admin,
  chainIds: readonly string[],
  options: StateOptions,
): Promise<Ending> {
  const { format, file } = options;
  if (format === null) {
    note(`say --format: one of ${STATE_FORMATS.join(", ")}; see \`redoubt state --help\``);
    return ok(2);
  }
  const chosen = await onlyKeyOfChain(admin, chainIds, options);
  if (!chosen.ok) return chosen.error;
  const { key, chainId, hasRecord, isRetired } = chosen.value;
  const last = reachOf(chosen.value);
  if (!hasRecord) return err(refusal("STATE_MISSING"));
  if (!(await writeExport(file, encodeSignerState({ format, position: last })))) return ok(1);
  noteReserved(chosen.value, last);
  if (!isRetired) noteIsSigning();
  if (file === "-") return ok(0);
  const name = encodePrefixedHex(key);
  if (options.isJson) {
    printJson({ key: name, chainId, format, ...positionJson(last), isSigning: !isRetired });
  } else print(`exported ${name} ${consensusView.text(chosen.value)} to ${file ?? ""}`);
  return ok(0);
}

/** Why the file says more than the last step, and how to avoid it. */
function noteReserved({ reserved, last, isRetired }: KeyPosition, said: Position | null): void {
  if (said === null || (last !== null && comparePositions(said, last) === 0)) return;
  note(
    `heights up to ${reserved} are reserved, and what was signed there may have no record yet: ` +
      `the file says that all of ${reserved} was signed`,
  );
  if (isRetired) return;
  note(
    "to have it exact, stop the nodes, and let an upgrade give back what is left, or retire the " +
      "key (`redoubt state retire`)",
  );
}
