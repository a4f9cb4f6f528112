// Builds Dockerfile.enclave for real, with Debian's buildah: without a daemon, without a container
// runtime, and from a base image that is put together here, of Debian packages, because no registry
// is asked for one. Its storage is a folder of ours, which goes away with the test.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Apt } from "../../scripts/image/apt.ts";
import type { ImageArch } from "../../scripts/image/arch.ts";
import { unpackDebs } from "../../scripts/image/base.ts";

/** A shell, tar, gzip, grep, dpkg-deb, chroot and unshare, and the libraries that they load. */
const BASE_PACKAGES: readonly string[] =
  `coreutils dash dpkg grep gzip libacl1 libattr1 libbz2-1.0 libc6 libgcc-s1 libgmp10 liblzma5 libmd0
  libpcre2-8-0 libselinux1 libstdc++6 libzstd1 tar util-linux zlib1g`.split(/\s+/);

const BASE_NAME = "localhost/redoubt-test-base";
const DEADLINE_MS = 300_000;

export type BuiltImage = {
  /** Where its file system is mounted. */
  readonly folder: string;
  readonly config: ImageConfig;
};

/** As a container's runtime sees it. */
export type ImageConfig = {
  readonly command: unknown;
  readonly entrypoint: unknown;
  readonly environment: unknown;
  readonly user: unknown;
};

/** Why it can't be used here, null when it can. Installs it, as root on Debian. */
export function requireBuildah(): string | null {
  if (process.getuid?.() !== 0) return "run as root, on Debian, with buildah installed";
  if (isInstalled("buildah")) return null;
  if (!isInstalled("apt-get")) return "install buildah";
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", "buildah"]]) {
    spawnSync("apt-get", ["-qq", ...args], { env, stdio: "ignore" });
  }
  return isInstalled("buildah") ? null : "apt-get could not install buildah";
}

function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$0"', program]).status === 0;
}

export class Buildah {
  readonly #storage: readonly string[];
  readonly #folder: string;
  readonly #containers: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    this.#storage = [
      "--storage-driver=vfs",
      `--root=${join(folder, "storage")}`,
      `--runroot=${join(folder, "run")}`,
    ];
  }

  /** An image of Debian packages, newest versions: the build must not depend on them. */
  makeBase(arch: ImageArch, aptFolder: string): void {
    const apt = new Apt(aptFolder, arch);
    const debs = join(this.#folder, "base-debs");
    mkdirSync(debs, { recursive: true });
    apt.download(BASE_PACKAGES, debs);
    const root = join(this.#folder, "base");
    mkdirSync(join(root, "tmp"), { recursive: true });
    unpackDebs(
      readdirSync(debs).map((name) => join(debs, name)),
      root,
    );
    const container = this.#from("scratch");
    this.#run(["copy", container, root, "/"]);
    this.#run(["commit", "--quiet", container, BASE_NAME]);
  }

  /** Builds a context's Dockerfile.enclave without a network, and mounts what came out. */
  build(context: string): BuiltImage {
    const idFile = join(this.#folder, "image-id");
    const dockerfile = join(this.#folder, "Dockerfile");
    // This old buildah does not know the flag; instead, all of it runs without a network.
    const text = readFileSync(join(context, "Dockerfile.enclave"), "utf8");
    writeFileSync(dockerfile, text.replaceAll("RUN --network=none ", "RUN "));
    this.#runIn(
      ["unshare", "--net"],
      [
        "build",
        "--isolation=chroot",
        "--pull-never",
        "--timestamp=0",
        `--build-arg=BASE=${BASE_NAME}`,
        `--file=${dockerfile}`,
        `--iidfile=${idFile}`,
        context,
      ],
    );
    const container = this.#from(readFileSync(idFile, "utf8").trim());
    const inspected: unknown = JSON.parse(this.#run(["inspect", container]));
    const config = member(member(inspected, "OCIv1"), "config");
    return {
      folder: this.#run(["mount", container]).trim(),
      config: {
        command: member(config, "Cmd"),
        entrypoint: member(config, "Entrypoint"),
        environment: member(config, "Env"),
        user: member(config, "User"),
      },
    };
  }

  close(): void {
    for (const container of this.#containers) this.#run(["rm", container]);
  }

  #from(image: string): string {
    const container = this.#run(["from", "--quiet", "--pull-never", image]).trim();
    this.#containers.push(container);
    return container;
  }

  #run(args: readonly string[]): string {
    return this.#runIn([], args);
  }

  #runIn(wrapper: readonly string[], args: readonly string[]): string {
    const [program = "", ...rest] = [...wrapper, "buildah", ...this.#storage, ...args];
    const { status, stdout, stderr } = spawnSync(program, rest, {
      encoding: "utf8",
      timeout: DEADLINE_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) throw new Error(`buildah ${args[0] ?? ""}: ${stdout}${stderr}`.slice(-3000));
    return stdout;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
