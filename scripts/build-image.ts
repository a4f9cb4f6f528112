// `npm run build:image`: builds the enclave image without Docker, reproducibly, and prints what the
// hypervisor will measure (docs/image.md). With `--rootfs-only` it stops at the root file system,
// which Dockerfile.enclave takes over. It must never leave half of an image behind.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeClosure } from "./closure/list.ts";
import { hostArch, IMAGE_ARCHES, type ImageArch } from "./image/arch.ts";
import { parseCpio } from "./image/cpio.ts";
import { buildEif, buildImageTree, readBlobs } from "./image/image.ts";
import { ImageError } from "./image/image-error.ts";
import { openInputs } from "./image/inputs.ts";
import { listMeasurement } from "./image/measurement.ts";
import { encodeProgramRamdisk } from "./image/ramdisk.ts";
import { imageClosure } from "./image/rootfs.ts";
import { writeTree } from "./image/tree.ts";

const USAGE = `usage: npm run build:image -- --blobs DIR --out FILE.eif [OPTION...]
       npm run build:image -- --rootfs-only DIR [OPTION...]

  --blobs DIR         nitro-cli's blobs: the kernel (bzImage or Image), cmdline, init, nsm.ko
  --out FILE.eif      where the image goes
  --rootfs-only DIR   write the root file system into a new or empty folder, and nothing else
  --arch ARCH         x86_64 or aarch64 (default: this machine's)
  --rootfs FILE.cpio  take the program's ramdisk, which holds the root file system, from a file
  --rootfs-out FILE   also write the program's ramdisk (cpio)
  --debs DIR          take the locked Debian packages from a folder; none is fetched
  --npm DIR           take the locked npm tarballs from a folder; none is fetched
  --json              print the result as one line of JSON
`;

const ROOT = resolve(import.meta.dirname, "..");

type Options = {
  readonly arch: ImageArch;
  readonly blobs: string | null;
  readonly out: string | null;
  readonly rootfsOnly: string | null;
  readonly rootfs: string | null;
  readonly rootfsOut: string | null;
  readonly debs: string | null;
  readonly npm: string | null;
  readonly isJson: boolean;
};

/** Null: used wrongly. */
function readOptions(args: readonly string[]): Options | null {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      options: {
        arch: text,
        blobs: text,
        out: text,
        "rootfs-only": text,
        rootfs: text,
        "rootfs-out": text,
        debs: text,
        npm: text,
        json: { type: "boolean" },
      },
    });
    const arch = IMAGE_ARCHES.find((name) => name === (values.arch ?? hostArch()));
    if (arch === undefined) return null;
    const options = {
      arch,
      blobs: values.blobs ?? null,
      out: values.out ?? null,
      rootfsOnly: values["rootfs-only"] ?? null,
      rootfs: values.rootfs ?? null,
      rootfsOut: values["rootfs-out"] ?? null,
      debs: values.debs ?? null,
      npm: values.npm ?? null,
      isJson: values.json ?? false,
    };
    return isWhole(options) ? options : null;
  } catch {
    return null;
  }
}

function isWhole({ blobs, out, rootfsOnly, rootfs, rootfsOut }: Options): boolean {
  if (rootfsOnly === null) return blobs !== null && out !== null;
  return [blobs, out, rootfs, rootfsOut].every((value) => value === null);
}

/** Asked before the work is done, not after it. */
function requirePlaces({ out, rootfsOut, rootfs, rootfsOnly }: Options): void {
  for (const path of [out, rootfsOut]) {
    if (path !== null && !existsSync(dirname(resolve(path)))) {
      throw new ImageError(`no folder for ${path}`);
    }
  }
  if (rootfs !== null && !existsSync(rootfs)) throw new ImageError(`no such file: ${rootfs}`);
  if (rootfsOnly !== null && existsSync(rootfsOnly) && readdirSync(rootfsOnly).length > 0) {
    throw new ImageError(`not empty: ${rootfsOnly}`);
  }
}

/** Only an archive in the form that we write has measurements that we answer for. */
function readRamdisk(path: string): Uint8Array {
  const bytes = readFileSync(path);
  const parsed = parseCpio(bytes);
  if (!parsed.ok) throw new ImageError(`${path} is no ramdisk of ours (${parsed.error})`);
  return bytes;
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const partial = `${path}.partial`;
  try {
    writeFileSync(partial, bytes);
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
}

function build(options: Options): void {
  const { arch, rootfsOnly, blobs, out } = options;
  requirePlaces(options);
  const makeTree = () => {
    const tree = buildImageTree(openInputs(ROOT, arch, options));
    process.stderr.write(`${describeClosure(imageClosure(ROOT))}\n`);
    return tree;
  };
  if (rootfsOnly !== null) {
    const tree = makeTree();
    writeTree(rootfsOnly, tree);
    process.stdout.write(`root file system: ${tree.length} entries in ${rootfsOnly}\n`);
    return;
  }
  if (blobs === null || out === null) throw new ImageError("no blobs or no place for the image");
  const parts = readBlobs(blobs, arch);
  const { rootfs } = options;
  const ramdisk = rootfs === null ? encodeProgramRamdisk(makeTree()) : readRamdisk(rootfs);
  const { file, measurement } = buildEif(arch, parts, ramdisk);
  if (options.rootfsOut !== null) writeWhole(options.rootfsOut, ramdisk);
  writeWhole(out, file);
  const lines = [
    ...listMeasurement(measurement),
    ["EIF_SHA384", createHash("sha384").update(file).digest("hex")] as const,
  ];
  process.stdout.write(
    options.isJson
      ? `${JSON.stringify({ arch, byteCount: file.length, ...Object.fromEntries(lines) })}\n`
      : lines.map(([name, value]) => `${name} ${value}\n`).join(""),
  );
}

function main(args: readonly string[]): number {
  if (args.includes("--help")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = readOptions(args);
  if (options === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  try {
    build(options);
    return 0;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    process.stderr.write(`build-image: ${error.message}\n`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
