// An image file with everything of ours that a release record speaks of, and made-up bytes in the
// place of Node, of AWS's files and of libraries: quick to make, and enough to take apart.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { APP_FOLDER } from "../../enclave/platform/node-flags.ts";
import { encodeCpio, parseCpio } from "../../scripts/image/cpio.ts";
import { encodeEif, parseEif } from "../../scripts/image/eif.ts";
import { encodeInitRamdisk, encodeProgramRamdisk } from "../../scripts/image/ramdisk.ts";
import { imageClosure } from "../../scripts/image/rootfs.ts";
import type { TreeEntry } from "../../scripts/image/tree.ts";
import { invariant } from "../../shared/invariant.ts";
import { METADATA, SOURCE } from "./eif-images.ts";

export const ROOT = resolve(import.meta.dirname, "../..");
export const NODE = new Uint8Array(1000).fill(0x4e);
export const INIT = new Uint8Array(100).fill(0x49);
const NSM_DRIVER = new Uint8Array(100).fill(0x6b);
const BOOT_RAMDISK = encodeInitRamdisk(INIT, NSM_DRIVER);

function fileOf(path: string, content: Uint8Array): TreeEntry {
  return { kind: "file", path, mode: 0o644, content };
}

/** The closure of this repository and the package.json files beside it. */
function appFiles(): ReadonlyMap<string, Uint8Array> {
  const { files, natives } = imageClosure(ROOT);
  const paths = new Set(files);
  for (const path of files) {
    const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
    if (folder !== undefined) paths.add(`${folder}/package.json`);
  }
  const app = new Map([...paths].map((path) => [path, readFileSync(join(ROOT, path))]));
  for (const { name } of natives) {
    app.set(`node_modules/${name}/package.json`, Buffer.from('{"license":"Apache-2.0"}'));
  }
  return app;
}

const APP = appFiles();

/** `changes` by path in the repository: other bytes, or null to leave the file out. */
export function releaseImage(
  changes: ReadonlyMap<string, Uint8Array | null> = new Map(),
): Uint8Array<ArrayBuffer> {
  const app = new Map<string, Uint8Array | null>([...APP, ...changes]);
  const rootfs: TreeEntry[] = [fileOf("bin/node", NODE)];
  for (const [path, content] of app) {
    if (content !== null) rootfs.push(fileOf(`${APP_FOLDER.slice(1)}/${path}`, content));
  }
  const ramdisks = [BOOT_RAMDISK, encodeProgramRamdisk(rootfs)];
  return encodeEif({ ...SOURCE, ramdisks, metadata: METADATA });
}

/** The same image with this in its first ramdisk too, or with a third one. */
export function releaseImageWith(more: TreeEntry, place: "first" | "third"): Uint8Array {
  const image = parseEif(releaseImage());
  const boot = parseCpio(BOOT_RAMDISK);
  invariant(image.ok && boot.ok, "the image can be read");
  const [, program = new Uint8Array()] = image.value.ramdisks;
  const ramdisks =
    place === "first"
      ? [encodeCpio([...boot.value, more]), program]
      : [BOOT_RAMDISK, program, encodeCpio([more])];
  return encodeEif({ ...SOURCE, ramdisks, metadata: METADATA });
}
