// The files that `redoubt state` imports and exports. It must never leave half an export behind,
// nor keep silent about a signer that goes on signing after it.

import { writeFilesAtomically } from "./atomic-file.ts";
import { note } from "./state-text.ts";

/** To stdout for `-`. False, and said, when it can't be written. */
export async function writeExport(file: string | null, text: string): Promise<boolean> {
  if (file === "-") {
    process.stdout.write(text);
    return true;
  }
  try {
    await writeFilesAtomically([{ path: file ?? "", bytes: new TextEncoder().encode(text) }]);
    return true;
  } catch {
    note(`can't write ${file ?? ""}`);
    return false;
  }
}

export function noteIsSigning(): void {
  note("the signer is running: what it signs from now on is not in the file");
}
