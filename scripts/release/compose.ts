// Puts a release record together from an image file and the source that it says it was built from.
// Where the two differ there is no record: it must never describe an image that this source does
// not make.

import { filesDigest, sha384Hex } from "./digest.ts";
import { readImageContent } from "./image-content.ts";
import { readInventory } from "./inventory.ts";
import type { Release } from "./record.ts";
import { encodeSbom } from "./sbom.ts";
import type { SourceTree } from "./source-tree.ts";

export type Composed = {
  readonly release: Release;
  /** Text of the bill of materials, whether its file is asked for or not. */
  readonly sbom: string;
};

export function composeRelease(
  root: string,
  file: Uint8Array,
  source: SourceTree,
  sbomFile: string | null,
): Composed {
  const image = readImageContent(file);
  const inventory = readInventory(root, image);
  const sbom = encodeSbom(inventory, image, source.commit);
  const { arch, measurement, kernel, cmdline, init, nsmDriver, node } = image;
  const release: Release = {
    version: inventory.version,
    commit: source.commit,
    tree: source.isDirty ? "dirty" : "clean",
    arch,
    eif: { sha384: sha384Hex(file), byteCount: file.length },
    pcrs: new Map([
      [0, measurement.pcr0],
      [1, measurement.pcr1],
      [2, measurement.pcr2],
    ]),
    boot: {
      kernel: sha384Hex(kernel),
      cmdline,
      init: sha384Hex(init),
      nsmDriver: sha384Hex(nsmDriver),
    },
    node: {
      version: inventory.node.version,
      package: inventory.node.name,
      integrity: inventory.node.integrity,
      sha384: sha384Hex(node),
    },
    closure: {
      list: inventory.closureList,
      fileCount: inventory.files.length,
      files: filesDigest(inventory.files),
    },
    base: { lock: inventory.baseLock, packages: inventory.basePackages },
    sbom: sbomFile === null ? null : { file: sbomFile, sha384: sha384Hex(sbom) },
  };
  return { release, sbom };
}
