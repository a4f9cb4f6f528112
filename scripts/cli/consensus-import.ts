// `redoubt state import` for Tendermint chains: one key goes on where another signer stopped. It
// must never take the file of one key for another's, nor say that it was done when nothing was.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import type { Ending } from "./chain-family.ts";
import type { ExitCode } from "./command.ts";
import { type KeyPosition, onlyKeyOfChain } from "./consensus-keys.ts";
import { raiseKeys } from "./consensus-raise.ts";
import { consensusView } from "./consensus-text.ts";
import { reportImport } from "./import-report.ts";
import { parseSignerState, SIGNER_STATE_BYTES_MAX } from "./signer-state.ts";
import type { StateOptions } from "./state-options.ts";
import { note } from "./state-text.ts";

export async function importSignerState(
  admin: Admin,
  bytes: Uint8Array,
  chainIds: readonly string[],
  options: StateOptions,
): Promise<Ending> {
  if (isInterchange(bytes)) return refuseOther("the file is EIP-3076, of an Ethereum signer");
  const parsed = parseSignerState(bytes, options.format);
  if (!parsed.ok) {
    note(`${options.file ?? ""}: ${parsed.error}`);
    return ok(1);
  }
  const key = await onlyKeyOfChain(admin, chainIds, options);
  if (!key.ok) return key.error;
  const { format, position } = parsed.value;
  note(`${options.file ?? ""} is read as ${format}'s`);
  if (position !== null) return raiseKeys(admin, [key.value], position, "import", options);
  return ok(reportNothing(key.value, options));
}

/** "Nothing signed" raises nothing, and makes no first record: that is an act of its own. */
function reportNothing(state: KeyPosition, options: StateOptions): ExitCode {
  if (!state.hasRecord) {
    const init = `redoubt state init --key ${encodePrefixedHex(state.key)}`;
    note(`the file says that nothing was signed: \`${init}\` makes the first record`);
    return 1;
  }
  const line = { key: state.key, kind: "unchanged", before: state, after: state } as const;
  return reportImport([line], options, consensusView);
}

/** The file of another family is no damaged one. */
function isInterchange(bytes: Uint8Array): boolean {
  return has(bytes, '"interchange_format_version"');
}

export function isSignerState(bytes: Uint8Array): boolean {
  if (bytes.length > SIGNER_STATE_BYTES_MAX) return false;
  return has(bytes, '"height"') && has(bytes, '"round"') && has(bytes, '"step"');
}

function has(bytes: Uint8Array, name: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(name);
}

export function refuseOther(reason: string): { readonly ok: false; readonly error: Refusal } {
  note(reason);
  return err(refusal("CHAIN_OTHER"));
}
