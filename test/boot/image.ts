// The bytes of the image's second ramdisk, made as `npm run build:image` makes them: that and
// nothing else is what the guest runs in `/rootfs`. AWS's kernel and init are not needed here.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostArch, type ImageArch } from "../../scripts/image/arch.ts";
import { LOCK_FILE, readBaseLock } from "../../scripts/image/base-list.ts";
import { encodeProgramRamdisk } from "../../scripts/image/ramdisk.ts";
import { buildRootfs, imageClosure } from "../../scripts/image/rootfs.ts";
import { BootError } from "./kernel.ts";

export function programRamdisk(root: string): Uint8Array {
  const arch: ImageArch | null = hostArch();
  if (arch === null) throw new BootError("no image for this architecture");
  const source = { cacheFolder: join(root, ".redoubt/image"), handedFolder: null };
  const addons = new Map(
    imageClosure(root).addons.map(({ path }) => [path, readFileSync(join(root, path))]),
  );
  const rootfs = buildRootfs({
    root,
    arch,
    lock: readBaseLock(join(root, LOCK_FILE)),
    debs: { ...source, arch },
    tarballs: source,
    addons,
  });
  return encodeProgramRamdisk(rootfs);
}
