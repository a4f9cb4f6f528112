// The bytes of the image's second ramdisk, from the same inputs as those of `npm run build:image`:
// that and nothing else is what the guest runs in `/rootfs`. The addons alone are this machine's
// build, whose bytes are the image's where the compiler is Debian 12's. AWS's kernel and init are
// not needed here.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostArch } from "../../scripts/image/arch.ts";
import { openInputs } from "../../scripts/image/inputs.ts";
import { encodeProgramRamdisk } from "../../scripts/image/ramdisk.ts";
import { buildRootfs, imageClosure } from "../../scripts/image/rootfs.ts";
import { BootError } from "./kernel.ts";

export function programRamdisk(root: string): Uint8Array {
  const arch = hostArch();
  if (arch === null) throw new BootError("no image for this architecture");
  const addons = new Map(
    imageClosure(root).addons.map(({ path }) => [path, readFileSync(join(root, path))]),
  );
  return encodeProgramRamdisk(buildRootfs({ ...openInputs(root, arch), addons }));
}
