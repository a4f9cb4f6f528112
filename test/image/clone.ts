// A second home for the repository: what a build needs of it, copied to another place, with modules
// unpacked from the tarballs. The build in it runs under a umask, a time zone, a language and file
// times of its own, beside files that nobody asked for.

import { spawnSync } from "node:child_process";
import { cpSync, lutimesSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeBaseLock, LOCK_FILE } from "../../scripts/image/base-list.ts";
import { INPUTS_FOLDER } from "../../scripts/image/fetch-inputs.ts";
import type { ImageInputs } from "../../scripts/image/inputs.ts";
import { installModules } from "../../scripts/image/install-modules.ts";
import { listPaths } from "../../scripts/image/tree.ts";

export type Surroundings = {
  readonly folder: string;
  readonly umask: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Of every file of the clone. */
  readonly unixSeconds: number;
  /** Files that are none of the image's business, by path. */
  readonly strays: readonly string[];
};

const SOURCES: readonly string[] = [
  ".dockerignore",
  "Dockerfile.enclave",
  "enclave",
  "package-lock.json",
  "package.json",
  "scripts",
  "shared",
];
const BUILD_DEADLINE_MS = 300_000;

/** `inputsFolder` is what `fetchInputs` wrote. */
export function makeClone(
  inputs: ImageInputs,
  inputsFolder: string,
  surroundings: Surroundings,
): void {
  const { folder } = surroundings;
  mkdirSync(folder, { recursive: true });
  for (const name of SOURCES)
    cpSync(join(inputs.root, name), join(folder, name), { recursive: true });
  writeFileSync(join(folder, LOCK_FILE), encodeBaseLock(inputs.lock));
  cpSync(inputsFolder, join(folder, INPUTS_FOLDER), { recursive: true });
  installModules(folder, join(inputsFolder, "npm"));
  for (const path of surroundings.strays) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), "stray\n");
  }
  for (const path of listPaths(folder)) {
    lutimesSync(join(folder, path), surroundings.unixSeconds, surroundings.unixSeconds);
  }
}

/** Runs `build-image.ts` of the clone; throws with its complaint. */
export function buildInClone(surroundings: Surroundings, args: readonly string[]): string {
  const { folder, umask, environment } = surroundings;
  const handed = ["debs", "npm"].flatMap((name) => [
    `--${name}`,
    join(folder, INPUTS_FOLDER, name),
  ]);
  const command = [process.execPath, "--no-warnings", "scripts/build-image.ts", ...handed, ...args];
  const { status, stdout, stderr } = spawnSync(
    "sh",
    ["-c", `umask ${umask}; exec "$@"`, "sh", ...command],
    {
      cwd: folder,
      env: { ...process.env, ...environment },
      encoding: "utf8",
      timeout: BUILD_DEADLINE_MS,
    },
  );
  if (status !== 0) throw new Error(`build-image: ${stderr}`);
  return stdout;
}
