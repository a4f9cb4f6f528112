// The commit that a folder is at, from git, and whether it is that commit and nothing else.

import { runForText } from "../image/command-output.ts";
import { ImageError } from "../image/image-error.ts";

export type SourceTree = { readonly commit: string; readonly isDirty: boolean };

export function readSourceTree(root: string): SourceTree {
  const commit = runForText("git", ["rev-parse", "--verify", "HEAD^{commit}"], {
    cwd: root,
  }).trim();
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new ImageError("git does not tell a commit");
  // Files that git does not know count: the closure would find them like any other.
  const changes = runForText("git", ["status", "--porcelain", "--untracked-files=all"], {
    cwd: root,
  });
  return { commit, isDirty: changes !== "" };
}
