// The two ramdisks of a Nitro image (nitro-kms.md §6): AWS's init with the NSM driver, and ours:
// the command, its environment, and the root file system under /rootfs. The second one does not
// depend on AWS's files: `encodeProgramRamdisk` of the tree of `buildImageTree` is all of it, which
// the boot test runs as it is.

import { IMAGE_ENVIRONMENT, imageCommand } from "./command.ts";
import { encodeCpio } from "./cpio.ts";
import { ImageError } from "./image-error.ts";
import { nestTree, type TreeEntry } from "./tree.ts";

export const ROOTFS_FOLDER = "rootfs";

/** What boots: AWS's first program, and the driver that it loads. */
export function encodeInitRamdisk(init: Uint8Array, nsmDriver: Uint8Array): Uint8Array {
  return encodeCpio([
    { kind: "folder", path: "dev" },
    { kind: "file", path: "init", mode: 0o755, content: init },
    { kind: "file", path: "nsm.ko", mode: 0o644, content: nsmDriver },
  ]);
}

/** What is started. */
export function encodeProgramRamdisk(rootfs: readonly TreeEntry[]): Uint8Array {
  return encodeCpio([
    { kind: "file", path: "cmd", mode: 0o644, content: encodeLines(imageCommand()) },
    { kind: "file", path: "env", mode: 0o644, content: encodeLines(IMAGE_ENVIRONMENT) },
    ...nestTree(rootfs, ROOTFS_FOLDER),
  ]);
}

/** One item per line, as AWS's init reads them; an empty line would end nothing and be an item. */
function encodeLines(items: readonly string[]): Uint8Array {
  for (const item of items) {
    if (item === "" || /[\n\0]/.test(item))
      throw new ImageError("a line of the command is no line");
  }
  return Buffer.from(items.map((item) => `${item}\n`).join(""), "utf8");
}
