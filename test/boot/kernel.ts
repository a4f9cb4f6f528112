// A kernel for the guest: Debian's, with its modules, downloaded as a package and unpacked without
// being installed. It stands in for the kernel of AWS, which an image brings along and which only
// the hypervisor of Nitro boots. What is there from an earlier run is used again.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";

export class BootError extends Error {}

const KERNEL_META_PACKAGE = "linux-image-6.12-cloud-amd64";

/** Programs that the test runs, and the Debian packages that they are in. */
const TOOLS: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  busybox: "busybox-static",
  gcc: "gcc libc6-dev",
  xz: "xz-utils",
  dpkg: "dpkg",
  "apt-get": "apt",
};

/** In the order in which they are loaded; what they need of each other comes first. */
const MODULES: readonly string[] = [
  "net/vmw_vsock/vsock",
  "net/vmw_vsock/vmw_vsock_virtio_transport_common",
  "net/vmw_vsock/vsock_loopback",
  "fs/fuse/cuse",
];

export type Kernel = {
  readonly imagePath: string;
  readonly version: string;
  readonly modules: readonly { readonly name: string; readonly content: Uint8Array }[];
};

/** Installs what is missing, as root on Debian; else says what to install. */
export function requireTools(): void {
  if (process.arch !== "x64") throw new BootError("the boot test runs on x86-64 only");
  const missing = Object.keys(TOOLS).filter((tool) => !isInstalled(tool));
  if (missing.length === 0) return;
  const packages = missing.flatMap((tool) => (TOOLS[tool] ?? "").split(" "));
  if (process.getuid?.() !== 0 || missing.includes("apt-get")) {
    throw new BootError(`install ${packages.join(" ")} (Debian's names)`);
  }
  process.stdout.write(`# installing ${packages.join(" ")}\n`);
  apt(["update"], ".");
  apt(["install", "--yes", "--no-install-recommends", ...packages], ".");
}

function isInstalled(tool: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$0"', tool]).status === 0;
}

function apt(args: readonly string[], folder: string): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const { status, stderr } = spawnSync("apt-get", ["-qq", ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new BootError(`apt-get ${args.join(" ")} failed: ${stderr}`);
}

export function requireKernel(cacheFolder: string): Kernel {
  const folder = join(cacheFolder, "kernel");
  if (!existsSync(folder)) download(cacheFolder, folder);
  const image = readdirSync(join(folder, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw new BootError(`no kernel in ${folder}; remove that folder`);
  const version = image.slice("vmlinuz-".length);
  const modules = MODULES.map((path) => {
    const file = join(folder, "lib/modules", version, "kernel", `${path}.ko.xz`);
    const content = execFileSync("xz", ["--decompress", "--stdout", file]);
    return { name: `${basename(path)}.ko`, content: new Uint8Array(content) };
  });
  return { imagePath: join(folder, "boot", image), version, modules };
}

function download(cacheFolder: string, folder: string): void {
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  // Lists of last month name packages that the mirrors have replaced.
  if (process.getuid?.() === 0) apt(["update"], cacheFolder);
  const name = kernelPackage();
  if (name === null) {
    throw new BootError(`apt knows no ${KERNEL_META_PACKAGE}: run apt-get update on Debian 12`);
  }
  process.stdout.write(`# downloading ${name}\n`);
  apt(["download", name], unfinished);
  const file = readdirSync(unfinished).find((each) => each.endsWith(".deb"));
  if (file === undefined) throw new BootError(`apt-get download ${name} left no package`);
  execFileSync("dpkg", ["-x", join(unfinished, file), unfinished]);
  rmSync(join(unfinished, file));
  renameSync(unfinished, folder);
}

/** The package that the name for "the newest 6.12" stands for at present. */
function kernelPackage(): string | null {
  const { stdout } = spawnSync("apt-cache", ["depends", "--important", KERNEL_META_PACKAGE], {
    encoding: "utf8",
  });
  return /Depends: (linux-image-6\.12\.[\w.+-]+)/.exec(stdout)?.[1] ?? null;
}
