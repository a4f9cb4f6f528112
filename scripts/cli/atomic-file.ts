// Files that are there whole or not at all, also after a power cut: written beside their place,
// synced, renamed, and the folder synced. Several files are all written before the first rename.

import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

export type NewFile = { readonly path: string; readonly bytes: Uint8Array };

export async function writeFilesAtomically(files: readonly NewFile[]): Promise<void> {
  const temporary = files.map((file) => `${file.path}.tmp`);
  try {
    for (const [index, file] of files.entries()) {
      await writeSynced(temporary[index] ?? "", file.bytes);
    }
    for (const [index, file] of files.entries()) await rename(temporary[index] ?? "", file.path);
  } catch (error) {
    for (const path of temporary) await rm(path, { force: true });
    throw error;
  }
  for (const folder of new Set(files.map((file) => dirname(file.path)))) await syncFolder(folder);
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
