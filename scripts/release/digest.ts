// The digests of a release record. Everything is SHA-384, in lower-case hex.

import { createHash } from "node:crypto";

export type NamedFile = { readonly path: string; readonly content: Uint8Array };

export function sha384Hex(content: Uint8Array | string): string {
  return createHash("sha384").update(content).digest("hex");
}

/**
 * Over what `sha384sum` prints of the files, in the order of the paths' bytes: a line for each, its
 * digest, two spaces, its path. So that anybody can compute it without us.
 */
export function filesDigest(files: readonly NamedFile[]): string {
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const lines = sorted.map(({ path, content }) => `${sha384Hex(content)}  ${path}\n`);
  return sha384Hex(lines.join(""));
}
