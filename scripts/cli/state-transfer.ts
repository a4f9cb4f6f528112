// `redoubt state import` and `export`: records from another signer and to another one, in the file
// of whichever family of chains the enclave signs for. It must never take a file, or an option, of
// the one family for the other's.

import { readBoundedFile } from "../../parent/platform/bounded-reader.ts";
import { INTERCHANGE_BYTES_MAX } from "../../shared/limits.ts";
import { ok } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { type Ending, readEnclave } from "./chain-family.ts";
import { exportSignerState } from "./consensus-export.ts";
import { importSignerState, isSignerState, refuseOther } from "./consensus-import.ts";
import { reportImport } from "./import-report.ts";
import { encodeInterchange, parseInterchange } from "./interchange.ts";
import { readState } from "./state-export.ts";
import { noteIsSigning, writeExport } from "./state-file.ts";
import { importMaxima } from "./state-import.ts";
import type { StateOptions } from "./state-options.ts";
import { ethereumView, note, print, printJson } from "./state-text.ts";

const ONLY_TENDERMINT = "--key, --chain and --format are for Tendermint chains";

/** Either file names one key at most. */
export function checkTransfer({ keys }: StateOptions): string | null {
  return keys.length > 1 ? "say one --key" : null;
}

export async function importFile(admin: Admin, options: StateOptions): Promise<Ending> {
  const read = await readBoundedFile(options.file ?? "", INTERCHANGE_BYTES_MAX);
  if (!read.ok) {
    note(`can't read ${options.file ?? ""}, or it has more than ${INTERCHANGE_BYTES_MAX} bytes`);
    return ok(1);
  }
  const bytes = read.value;
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  if (enclave.value.family === "tendermint") {
    return importSignerState(admin, bytes, enclave.value.chainIds, options);
  }
  if (isOfTendermint(options)) return refuseOther(ONLY_TENDERMINT);
  const interchange = parseInterchange(bytes);
  if (!interchange.ok) {
    return isSignerState(bytes)
      ? refuseOther("the file is the state of a signer of Tendermint chains")
      : interchange;
  }
  const lines = await importMaxima(admin, interchange.value, options.isDryRun);
  if (!lines.ok) return lines;
  return ok(reportImport(lines.value, options, ethereumView));
}

export async function exportFile(admin: Admin, options: StateOptions): Promise<Ending> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  if (enclave.value.family === "tendermint") {
    return exportSignerState(admin, enclave.value.chainIds, options);
  }
  if (isOfTendermint(options)) return refuseOther(ONLY_TENDERMINT);
  const state = await readState(admin);
  if (!state.ok) return state;
  const { interchange, missingCount, isSigning } = state.value;
  if (!(await writeExport(options.file, encodeInterchange(interchange)))) return ok(1);
  if (missingCount > 0) note(`keys without a record, which are not in the file: ${missingCount}`);
  if (isSigning) noteIsSigning();
  const exportedCount = interchange.keys.length;
  if (options.file === "-") return ok(0);
  if (options.isJson) printJson({ exported: exportedCount, missing: missingCount, isSigning });
  else print(`exported ${exportedCount} keys to ${options.file ?? ""}`);
  return ok(0);
}

function isOfTendermint({ keys, chain, format }: StateOptions): boolean {
  return keys.length > 0 || chain !== null || format !== null;
}
