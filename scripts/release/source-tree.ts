// The commit that a folder is at, from git, and whether it is that commit and nothing else.

import { runForText } from "../image/command-output.ts";
import { ImageError } from "../image/image-error.ts";

export type SourceTree = { readonly commit: string; readonly isDirty: boolean };

/** Throws for a tree with changes, unless they are allowed: then the record says so. */
export function readSourceTree(root: string, allowDirty: boolean): SourceTree {
  const commit = runForText("git", ["rev-parse", "--verify", "HEAD^{commit}"], {
    cwd: root,
  }).trim();
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new ImageError("git does not tell a commit");
  // Files that git does not know count: the closure would find them like any other.
  const changes = runForText("git", ["status", "--porcelain", "--untracked-files=all"], {
    cwd: root,
  });
  const isDirty = changes !== "";
  if (isDirty && !allowDirty) {
    throw new ImageError(
      "the source has changes that no commit has (git status lists them): commit or remove them, " +
        "or let the record say so (--allow-dirty)",
    );
  }
  return { commit, isDirty };
}
