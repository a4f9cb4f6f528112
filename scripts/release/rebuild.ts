// The proof that an image is of this source: it is built once more, and the two must be the same to
// the last byte. A list of what may be in an image could be too long; this can't be.

import { hostArch } from "../image/arch.ts";
import { parseCpio } from "../image/cpio.ts";
import { buildImageTree } from "../image/image.ts";
import { ImageError } from "../image/image-error.ts";
import type { ImageInputs } from "../image/inputs.ts";
import { encodeProgramRamdisk } from "../image/ramdisk.ts";
import type { TreeEntry } from "../image/tree.ts";

/** Throws when the program's ramdisk of an image is not what the inputs build to. */
export function requireRebuilt(programRamdisk: Uint8Array, inputs: ImageInputs): void {
  if (inputs.arch !== hostArch()) {
    throw new ImageError(`an image for ${inputs.arch} is built, and released, on such a machine`);
  }
  const built = encodeProgramRamdisk(buildImageTree(inputs));
  if (Buffer.from(built).equals(programRamdisk)) return;
  throw new ImageError(
    `this source builds to another image: ${firstDifference(built, programRamdisk)}`,
  );
}

/** Of the first entry that differs, for people. */
export function firstDifference(built: Uint8Array, found: Uint8Array): string {
  const expected = entriesOf(built);
  const actual = entriesOf(found);
  for (const [path, text] of expected) {
    if (!actual.has(path)) return `the image has no /${path}`;
    if (actual.get(path) !== text) return `the image has another /${path}`;
  }
  const extra = [...actual.keys()].find((path) => !expected.has(path));
  return extra === undefined ? "in its order or its padding" : `the image has /${extra} as well`;
}

function entriesOf(ramdisk: Uint8Array): ReadonlyMap<string, string> {
  const tree = parseCpio(ramdisk);
  if (!tree.ok) throw new ImageError(`a ramdisk is not in the form of ours: ${tree.error}`);
  return new Map(tree.value.map((entry) => [entry.path, textOf(entry)]));
}

function textOf(entry: TreeEntry): string {
  switch (entry.kind) {
    case "file":
      return `file ${entry.mode} ${Buffer.from(entry.content).toString("latin1")}`;
    case "link":
      return `link ${entry.target}`;
    case "folder":
      return "folder";
  }
}
