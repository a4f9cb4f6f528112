// The two architectures of the image, and what everybody else calls them.

import { ELF_MACHINE_AARCH64, ELF_MACHINE_X86_64 } from "./elf.ts";

export const IMAGE_ARCHES = ["x86_64", "aarch64"] as const;
/** As the kernel and EIF headers name them. */
export type ImageArch = (typeof IMAGE_ARCHES)[number];

export type ArchNames = {
  readonly debian: "amd64" | "arm64";
  /** In package-lock.json, and of Node's own package. */
  readonly node: "x64" | "arm64";
  /** Of the folders of libraries, and of the compiler's programs. */
  readonly multiarch: string;
  readonly elfMachine: number;
  /** The kernel's file among AWS's blobs. */
  readonly kernelFile: string;
};

export const ARCH_NAMES: Readonly<Record<ImageArch, ArchNames>> = {
  x86_64: {
    debian: "amd64",
    node: "x64",
    multiarch: "x86_64-linux-gnu",
    elfMachine: ELF_MACHINE_X86_64,
    kernelFile: "bzImage",
  },
  aarch64: {
    debian: "arm64",
    node: "arm64",
    multiarch: "aarch64-linux-gnu",
    elfMachine: ELF_MACHINE_AARCH64,
    kernelFile: "Image",
  },
};

/** What this machine is; null when the image has no such architecture. */
export function hostArch(): ImageArch | null {
  return IMAGE_ARCHES.find((arch) => ARCH_NAMES[arch].node === process.arch) ?? null;
}
