// The inputs of an image for tests: the locked ones, as long as this machine's mirrors have them.
// Debian replaces packages when they get security updates; then the tests go on with a lock of
// today's, made in memory, and say so. The programs themselves never do that.

import { ARCH_NAMES, hostArch, type ImageArch } from "../../scripts/image/arch.ts";
import { fetchDebs } from "../../scripts/image/base.ts";
import { resolveBaseLock } from "../../scripts/image/base-lock.ts";
import { ImageError } from "../../scripts/image/image-error.ts";
import { type ImageInputs, openInputs } from "../../scripts/image/inputs.ts";

/** `note` is told when the lock is not the committed one. */
export function openTestInputs(root: string, note: (line: string) => void): ImageInputs {
  const arch: ImageArch | null = hostArch();
  if (arch === null) throw new ImageError("no image for this architecture");
  const inputs = openInputs(root, arch);
  const { runtime, toolchain } = inputs.lock[ARCH_NAMES[arch].debian];
  try {
    fetchDebs([...runtime, ...toolchain], inputs.debs);
    return inputs;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const reason = error.message.split("\n").at(-1) ?? "";
    note(`# not with the committed lock, but with one of today (${reason})`);
    return { ...inputs, lock: resolveBaseLock(`${inputs.debs.cacheFolder}/apt`) };
  }
}
