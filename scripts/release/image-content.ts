// What is inside an image file of `scripts/build-image.ts`, taken apart again: a release record
// describes the image itself, and never the folder that it was probably built from.

import { APP_FOLDER } from "../../enclave/platform/node-flags.ts";
import type { ImageArch } from "../image/arch.ts";
import { NODE_PATH } from "../image/command.ts";
import { parseCpio } from "../image/cpio.ts";
import { type Eif, parseEif } from "../image/eif.ts";
import { ImageError } from "../image/image-error.ts";
import { type Measurement, measureEif } from "../image/measurement.ts";
import { encodeInitRamdisk, ROOTFS_FOLDER } from "../image/ramdisk.ts";

export type ImageContent = {
  readonly arch: ImageArch;
  readonly measurement: Measurement;
  readonly kernel: Uint8Array;
  readonly cmdline: string;
  readonly init: Uint8Array;
  readonly nsmDriver: Uint8Array;
  readonly node: Uint8Array;
  /** The second ramdisk, which holds the root file system. */
  readonly programRamdisk: Uint8Array;
  /** Files of our folder in the image, by their path in the repository. */
  readonly app: ReadonlyMap<string, Uint8Array>;
};

const APP = `${ROOTFS_FOLDER}${APP_FOLDER}/`;

export function readImageContent(file: Uint8Array): ImageContent {
  const eif = parseEif(file);
  if (!eif.ok) throw new ImageError(`not an enclave image: ${eif.error}`);
  const [bootRamdisk, programRamdisk, ...more] = eif.value.ramdisks;
  if (bootRamdisk === undefined || programRamdisk === undefined || more.length > 0) {
    throw new ImageError("an image of ours has two ramdisks");
  }
  const boot = filesOf(bootRamdisk);
  const init = fileOf(boot, "init");
  const nsmDriver = fileOf(boot, "nsm.ko");
  // Nothing else may be in it: the kernel runs whatever its first ramdisk says.
  if (!Buffer.from(encodeInitRamdisk(init, nsmDriver)).equals(bootRamdisk)) {
    throw new ImageError("the first ramdisk holds more than init and the NSM driver");
  }
  const program = filesOf(programRamdisk);
  const app = [...program].filter(([path]) => path.startsWith(APP));
  return {
    ...partsOf(eif.value),
    init,
    nsmDriver,
    node: fileOf(program, `${ROOTFS_FOLDER}${NODE_PATH}`),
    programRamdisk,
    app: new Map(app.map(([path, content]) => [path.slice(APP.length), content])),
  };
}

function partsOf(eif: Eif): Pick<ImageContent, "arch" | "measurement" | "kernel" | "cmdline"> {
  const { arch, kernel, cmdline } = eif;
  return { arch, kernel, cmdline, measurement: measureEif(eif) };
}

function filesOf(ramdisk: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const tree = parseCpio(ramdisk);
  if (!tree.ok) throw new ImageError(`a ramdisk is not in the form of ours: ${tree.error}`);
  const files = new Map<string, Uint8Array>();
  for (const entry of tree.value) {
    if (entry.kind === "file") files.set(entry.path, entry.content);
  }
  return files;
}

function fileOf(files: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const content = files.get(path);
  if (content === undefined) throw new ImageError(`the image has no /${path}`);
  return content;
}
