// The files that `redoubt state` imports and exports. It must never leave half an export behind,
// nor keep silent about a signer that goes on signing after it.

import { open } from "node:fs/promises";
import { writeFilesAtomically } from "./atomic-file.ts";
import { note } from "./state-text.ts";

/** Null when the file can't be read or is too large. */
export async function readBounded(path: string, bytesMax: number): Promise<Uint8Array | null> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      return size > bytesMax ? null : await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}

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
