// The image from its inputs: the addons are built, the tree is put together, and with AWS's files
// it becomes an EIF. The result depends on nothing but the inputs; the fixed build time says so.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SOFTWARE } from "../../enclave/version.ts";
import { CLOSURE_LIST, diffCommitted, enclaveClosure } from "../closure/enclave.ts";
import { ARCH_NAMES, type ImageArch } from "./arch.ts";
import { encodeEif } from "./eif.ts";
import { ImageError } from "./image-error.ts";
import type { ImageInputs } from "./inputs.ts";
import { type Measurement, measureEif } from "./measurement.ts";
import { encodeInitRamdisk } from "./ramdisk.ts";
import { buildRootfs, imageClosure } from "./rootfs.ts";
import { buildAddons } from "./toolchain.ts";
import type { TreeEntry } from "./tree.ts";

/** What nitro-cli ships in its `blobs` folder. */
export type Blobs = {
  readonly kernel: Uint8Array;
  readonly cmdline: string;
  readonly init: Uint8Array;
  readonly nsmDriver: Uint8Array;
};

const [NAME = "", VERSION = ""] = SOFTWARE.split("/");
const BUILD_TIME = "1970-01-01T00:00:00+00:00";
const BLOB_BYTES_MAX = 256 * 1024 * 1024;

/**
 * The root file system of the image, addons included. What is in it is what the committed list
 * says: a package that is not wholly installed would leave files out, and nobody would see it.
 */
export function buildImageTree(inputs: ImageInputs): readonly TreeEntry[] {
  const { root } = inputs;
  const lines = diffCommitted(root, enclaveClosure(root));
  if (lines.length > 0) {
    throw new ImageError(
      `${CLOSURE_LIST} is not what the enclave loads (- committed, + now):\n${lines.join("\n")}\n` +
        "If this is meant: npm run closure -- --write",
    );
  }
  const addons = buildAddons(imageClosure(root), inputs);
  return buildRootfs({ ...inputs, addons });
}

export function readBlobs(folder: string, arch: ImageArch): Blobs {
  const read = (name: string): Uint8Array => {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(join(folder, name));
    } catch {
      throw new ImageError(`the blobs folder has no ${name}, as nitro-cli's for ${arch} has`);
    }
    if (bytes.length === 0 || bytes.length > BLOB_BYTES_MAX) throw new ImageError(`not a ${name}`);
    return bytes;
  };
  return {
    kernel: read(ARCH_NAMES[arch].kernelFile),
    // Without the line's end, as nitro-cli does.
    cmdline: Buffer.from(read("cmdline")).toString("utf8").trim(),
    init: read("init"),
    nsmDriver: read("nsm.ko"),
  };
}

/** The file and its measurements. `programRamdisk` is the second ramdisk. */
export function buildEif(
  arch: ImageArch,
  blobs: Blobs,
  programRamdisk: Uint8Array,
): { readonly file: Uint8Array; readonly measurement: Measurement } {
  const parts = {
    arch,
    kernel: blobs.kernel,
    cmdline: blobs.cmdline,
    ramdisks: [encodeInitRamdisk(blobs.init, blobs.nsmDriver), programRamdisk],
  };
  const metadata = {
    imageName: NAME,
    imageVersion: VERSION,
    buildTime: BUILD_TIME,
    buildTool: NAME,
    buildToolVersion: VERSION,
    operatingSystem: "Linux",
    kernelVersion: "Unknown",
    dockerInfo: null,
    customMetadata: null,
  };
  return { file: encodeEif({ ...parts, metadata }), measurement: measureEif(parts) };
}
