// The libraries that programs need, found among the files of the locked Debian packages: whatever
// their ELF headers name, and what that needs in turn. A name that no package has is an error at
// build time, not at boot.

import type { ArchNames } from "./arch.ts";
import { type ElfNeeds, readElfNeeds } from "./elf.ts";
import { ImageError } from "./image-error.ts";
import type { TarEntry } from "./tar.ts";
import type { TreeEntry } from "./tree.ts";

/** A link may lead to a link: `libc.so` to `libc.so.6` to the file. */
const LINK_COUNT_MAX = 8;

type Files = ReadonlyMap<string, TarEntry>;
type Library = { readonly path: string; readonly content: Uint8Array };

/** `programs` by name; the result are the loader and libraries at their Debian paths. */
export function collectLibraries(
  programs: ReadonlyMap<string, Uint8Array>,
  files: Files,
  names: ArchNames,
): readonly TreeEntry[] {
  const tree = new Map<string, TreeEntry>();
  const pending: { readonly name: string; readonly content: Uint8Array }[] = [...programs].map(
    ([name, content]) => ({ name, content }),
  );
  for (;;) {
    const next = pending.pop();
    if (next === undefined) return [...tree.values()];
    for (const path of neededPaths(next.name, next.content, files, names)) {
      if (tree.has(path)) continue;
      const { library, entries } = follow(path, files);
      for (const entry of entries) tree.set(entry.path, entry);
      pending.push({ name: library.path, content: library.content });
    }
  }
}

function neededPaths(
  name: string,
  content: Uint8Array,
  files: Files,
  names: ArchNames,
): readonly string[] {
  const needs: ElfNeeds = readElfNeeds(content);
  if (needs.machine !== names.elfMachine) throw new ImageError(`of another architecture: ${name}`);
  const libraries = needs.libraries.map((library) => {
    const path = ["lib", "usr/lib"]
      .map((folder) => `${folder}/${names.multiarch}/${library}`)
      .find((candidate) => files.has(candidate));
    if (path === undefined) throw new ImageError(`no locked package has ${library} for ${name}`);
    return path;
  });
  return needs.interpreter === null ? libraries : [needs.interpreter.slice(1), ...libraries];
}

/** The file that a path leads to, and the links on the way. */
function follow(
  path: string,
  files: Files,
): { readonly library: Library; readonly entries: readonly TreeEntry[] } {
  const entries: TreeEntry[] = [];
  let at = path;
  for (let count = 0; count < LINK_COUNT_MAX; count += 1) {
    const entry = files.get(at);
    if (entry === undefined) throw new ImageError(`no locked package has /${at}`);
    if (entry.kind === "file") {
      const { content } = entry;
      entries.push({ kind: "file", path: at, mode: entry.isExecutable ? 0o755 : 0o644, content });
      return { library: { path: at, content }, entries };
    }
    entries.push({ kind: "link", path: at, target: entry.target });
    at = entry.target.startsWith("/")
      ? entry.target.slice(1)
      : `${at.slice(0, at.lastIndexOf("/"))}/${entry.target}`;
  }
  throw new ImageError(`links that lead nowhere: /${path}`);
}
