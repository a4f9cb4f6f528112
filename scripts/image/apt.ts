// Debian's apt on the mirrors that this machine is set up for, with a state of its own: another
// architecture can be asked for, and nothing of the machine's own package state is read or changed.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ARCH_NAMES, type ImageArch } from "./arch.ts";
import { runForText } from "./command-output.ts";
import { ImageError } from "./image-error.ts";

/** Where Debian keeps its own sources, newest form first; others' sources do not matter here. */
const SOURCES: readonly string[] = [
  "/etc/apt/sources.list.d/debian.sources",
  "/etc/apt/sources.list",
];

/**
 * Kernel headers come from the release and not from its security updates, which replace each other
 * every few weeks: the lock would age, for nothing that the addons use.
 */
const PREFERENCES = `Package: linux-libc-dev
Pin: release l=Debian-Security
Pin-Priority: -1
`;

export class Apt {
  readonly #options: readonly string[];
  readonly #folder: string;

  constructor(folder: string, arch: ImageArch) {
    const sources = SOURCES.find((path) => existsSync(path));
    if (sources === undefined)
      throw new ImageError("no sources of Debian packages on this machine");
    this.#folder = resolve(folder, ARCH_NAMES[arch].debian);
    for (const name of ["state/lists/partial", "cache/archives/partial"]) {
      mkdirSync(join(this.#folder, name), { recursive: true });
    }
    writeFileSync(join(this.#folder, "status"), "");
    writeFileSync(join(this.#folder, "preferences"), PREFERENCES);
    this.#options = [
      `Dir::Etc::sourcelist=${sources}`,
      "Dir::Etc::sourceparts=/dev/null",
      `Dir::Etc::preferences=${join(this.#folder, "preferences")}`,
      "Dir::Etc::preferencesparts=/dev/null",
      `Dir::State=${join(this.#folder, "state")}`,
      `Dir::State::status=${join(this.#folder, "status")}`,
      `Dir::Cache=${join(this.#folder, "cache")}`,
      `APT::Architecture=${ARCH_NAMES[arch].debian}`,
      `APT::Architectures=${ARCH_NAMES[arch].debian}`,
      "Acquire::Languages=none",
      "Acquire::Retries=3",
    ].flatMap((option) => ["-o", option]);
  }

  /** Fetches the lists of packages. */
  update(): void {
    runForText("apt-get", [...this.#options, "-q", "update"]);
  }

  /** What the mirrors have of packages now: the fields of each one's record, by name. */
  show(names: readonly string[]): ReadonlyMap<string, ReadonlyMap<string, string>> {
    const text = runForText("apt-cache", [...this.#options, "--no-all-versions", "show", ...names]);
    const records = text.split(/\n\n+/).map(readRecord);
    return new Map(records.map((record) => [record.get("Package") ?? "", record]));
  }

  /** Leaves the packages' files in a folder; each is a name, or a name and version with `=`. */
  download(packages: readonly string[], folder: string): void {
    runForText("apt-get", [...this.#options, "-q", "download", ...packages], { cwd: folder });
  }
}

function readRecord(text: string): ReadonlyMap<string, string> {
  const fields = text.split("\n").flatMap((line): [string, string][] => {
    const match = /^([A-Za-z0-9-]+): (.*)$/.exec(line);
    return match === null ? [] : [[match[1] ?? "", match[2] ?? ""]];
  });
  return new Map(fields);
}
