// The release record, `release.json`: what a release says its image is, for whoever compares a
// running signer or a rebuilt image with it. Parsing is strict: what an older `redoubt verify` does
// not know may be what mattered. The record proves nothing by itself; it must never be believed
// further than who handed it over, or than the image that was built anew.

import {
  JsonMismatch,
  type JsonObject,
  parseJson,
  readArray,
  readChoice,
  readExactObject,
  readInteger,
  readText,
} from "../../enclave/core/json.ts";
import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { encodeHex, parseHex } from "../../shared/bytes/hex.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import { err, type Result } from "../../shared/result.ts";
import { IMAGE_ARCHES, type ImageArch } from "../image/arch.ts";
import { EIF_BYTES_MAX } from "../image/eif.ts";

export const RELEASE_FORMAT = "redoubt-release-1";

/** The image registers. PCR16 is not here: the manifest is the operator's, not the release's. */
const RELEASE_PCRS = [0, 1, 2] as const;
export type ReleasePcr = (typeof RELEASE_PCRS)[number];

export type BasePackage = {
  readonly name: string;
  readonly version: string;
  /** Of the package file, hex. */
  readonly sha256: string;
};

export type Release = {
  readonly version: string;
  /** Of git, 40 hex digits. */
  readonly commit: string;
  /** `dirty`: the tree had changes that no commit has, so that nobody can rebuild it. */
  readonly tree: "clean" | "dirty";
  readonly arch: ImageArch;
  readonly eif: { readonly sha384: string; readonly byteCount: number };
  readonly pcrs: ReadonlyMap<ReleasePcr, Uint8Array>;
  /** What AWS's blobs put into the image, SHA-384 of each; PCR0 and PCR1 depend on them. */
  readonly boot: {
    readonly kernel: string;
    readonly cmdline: string;
    readonly init: string;
    readonly nsmDriver: string;
  };
  readonly node: {
    readonly version: string;
    readonly package: string;
    /** Of the npm package, as the lock file has it. */
    readonly integrity: string;
    /** Of the binary. */
    readonly sha384: string;
  };
  readonly closure: {
    /** SHA-384 of `enclave/closure.txt`. */
    readonly list: string;
    readonly fileCount: number;
    /** Over the contents of all files, see `filesDigest`. */
    readonly files: string;
  };
  /** SHA-384 of the lock file, and the Debian packages that the image takes libraries from. */
  readonly base: { readonly lock: string; readonly packages: readonly BasePackage[] };
  /** Null: none was written. */
  readonly sbom: { readonly file: string; readonly sha384: string } | null;
};

const BYTES_MAX = 1024 * 1024;
const DEPTH_MAX = 4;
const PACKAGE_COUNT_MAX = 256;
const SHA384_HEX = /^[0-9a-f]{96}$/;
const SHA256_HEX = /^[0-9a-f]{64}$/;
const CMDLINE = /^[\x20-\x7e]*$/;
const COMMIT = /^[0-9a-f]{40}$/;
const VERSION = /^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?$/;
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/;
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]*$/;
const PACKAGE_VERSION = /^[0-9A-Za-z.+:~-]+$/;

const NAMES = [
  "format",
  "version",
  "commit",
  "tree",
  "arch",
  "eif",
  "pcrs",
  "boot",
  "node",
  "closure",
  "base",
  "sbom",
] as const;

/** audit A21. The error is the path of the first field that does not fit, empty for the file. */
export function parseRelease(bytes: Uint8Array): Result<Release, string> {
  return bytes.length > BYTES_MAX ? err("") : parseJson(bytes, DEPTH_MAX, readRelease);
}

function readRelease(value: unknown): Release {
  const fields = readExactObject(value, "", NAMES);
  readChoice(fields["format"], "format", [RELEASE_FORMAT]);
  return {
    version: readForm(fields, "", "version", VERSION, 64),
    commit: readForm(fields, "", "commit", COMMIT, 40),
    tree: readChoice(fields["tree"], "tree", ["clean", "dirty"]),
    arch: readChoice(fields["arch"], "arch", IMAGE_ARCHES),
    eif: readEif(fields["eif"]),
    pcrs: readPcrs(fields["pcrs"]),
    boot: readBoot(fields["boot"]),
    node: readNode(fields["node"]),
    closure: readClosure(fields["closure"]),
    base: readBase(fields["base"]),
    sbom: fields["sbom"] === null ? null : readSbom(fields["sbom"]),
  };
}

function readEif(value: unknown): Release["eif"] {
  const eif = readExactObject(value, "eif", ["sha384", "byteCount"]);
  return {
    sha384: readForm(eif, "eif.", "sha384", SHA384_HEX, 96),
    byteCount: readInteger(eif["byteCount"], "eif.byteCount", 1, EIF_BYTES_MAX),
  };
}

function readPcrs(value: unknown): Release["pcrs"] {
  const pcrs = readExactObject(value, "pcrs", RELEASE_PCRS.map(String));
  return new Map(
    RELEASE_PCRS.map((index) => {
      const at = `pcrs.${index}`;
      const parsed = parseHex(readForm(pcrs, "pcrs.", String(index), SHA384_HEX, 96), PCR_BYTES);
      // An image never measures to zeros: an enclave in debug mode says so of whatever it runs.
      if (!parsed.ok || isZeroBytes(parsed.value)) throw new JsonMismatch(at);
      return [index, parsed.value];
    }),
  );
}

function readBoot(value: unknown): Release["boot"] {
  const boot = readExactObject(value, "boot", ["kernel", "cmdline", "init", "nsmDriver"]);
  return {
    kernel: readForm(boot, "boot.", "kernel", SHA384_HEX, 96),
    cmdline: readForm(boot, "boot.", "cmdline", CMDLINE, 4096),
    init: readForm(boot, "boot.", "init", SHA384_HEX, 96),
    nsmDriver: readForm(boot, "boot.", "nsmDriver", SHA384_HEX, 96),
  };
}

function readNode(value: unknown): Release["node"] {
  const node = readExactObject(value, "node", ["version", "package", "integrity", "sha384"]);
  return {
    version: readForm(node, "node.", "version", VERSION, 64),
    package: readForm(node, "node.", "package", PACKAGE_NAME, 128),
    integrity: readForm(node, "node.", "integrity", INTEGRITY, 95),
    sha384: readForm(node, "node.", "sha384", SHA384_HEX, 96),
  };
}

function readClosure(value: unknown): Release["closure"] {
  const closure = readExactObject(value, "closure", ["list", "fileCount", "files"]);
  return {
    list: readForm(closure, "closure.", "list", SHA384_HEX, 96),
    fileCount: readInteger(closure["fileCount"], "closure.fileCount", 1, 1_000_000),
    files: readForm(closure, "closure.", "files", SHA384_HEX, 96),
  };
}

function readBase(value: unknown): Release["base"] {
  const base = readExactObject(value, "base", ["lock", "packages"]);
  return {
    lock: readForm(base, "base.", "lock", SHA384_HEX, 96),
    packages: readArray(base["packages"], "base.packages", PACKAGE_COUNT_MAX).map((item, index) => {
      const at = `base.packages[${index}]`;
      const entry = readExactObject(item, at, ["name", "version", "sha256"]);
      return {
        name: readForm(entry, `${at}.`, "name", PACKAGE_NAME, 128),
        version: readForm(entry, `${at}.`, "version", PACKAGE_VERSION, 128),
        sha256: readForm(entry, `${at}.`, "sha256", SHA256_HEX, 64),
      };
    }),
  };
}

function readSbom(value: unknown): Release["sbom"] {
  const sbom = readExactObject(value, "sbom", ["file", "sha384"]);
  return {
    file: readForm(sbom, "sbom.", "file", FILE_NAME, 128),
    sha384: readForm(sbom, "sbom.", "sha384", SHA384_HEX, 96),
  };
}

function readForm(
  fields: JsonObject,
  at: string,
  name: string,
  form: RegExp,
  lengthMax: number,
): string {
  const text = readText(fields[name], `${at}${name}`, lengthMax);
  if (!form.test(text)) throw new JsonMismatch(`${at}${name}`);
  return text;
}

/** The file's text; the same record always gives the same bytes. */
export function encodeRelease(release: Release): string {
  const { version, commit, tree, arch, eif, pcrs, boot, node, closure, base, sbom } = release;
  const hex = Object.fromEntries([...pcrs].map(([index, value]) => [index, encodeHex(value)]));
  const record: Record<(typeof NAMES)[number], unknown> = {
    format: RELEASE_FORMAT,
    version,
    commit,
    tree,
    arch,
    eif: { sha384: eif.sha384, byteCount: eif.byteCount },
    pcrs: hex,
    boot,
    node,
    closure,
    base,
    sbom,
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}
