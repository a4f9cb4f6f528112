// Everything that a program can load, found by following the imports in the text of its files from
// its entries on, through npm packages too. Nothing is executed. What is imported only later, on
// some path, counts: it has to be in the image all the same.

import { existsSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { z } from "zod";
import { findImports } from "./imports.ts";
import { findIncludes } from "./includes.ts";
import { resolveImport } from "./resolve.ts";

export type OwnFile = { readonly path: string; readonly lineCount: number };

export type PackageUse = {
  readonly name: string;
  readonly version: string;
  readonly fileCount: number;
  readonly lineCount: number;
  /** Imports whose specifier is computed: nobody can follow them. */
  readonly computedCount: number;
  /** Names that are not installed: binaries of other platforms, optional extras. */
  readonly missingCount: number;
};

/** A package with machine code, one per platform: named, and not walked. */
export type Native = { readonly name: string; readonly version: string };

/** An addon of ours, and the C file that it is built from. */
export type Addon = { readonly path: string; readonly source: string; readonly lineCount: number };

export type Closure = {
  readonly own: readonly OwnFile[];
  readonly packages: readonly PackageUse[];
  readonly natives: readonly Native[];
  readonly addons: readonly Addon[];
  /** C headers of ours, which are compiled into the addons. */
  readonly headers: readonly OwnFile[];
  readonly builtins: readonly string[];
  /** Every file, own and of packages, relative to the root. */
  readonly files: readonly string[];
  /** What our own files get wrong: imports that lead nowhere or can't be followed. */
  readonly faults: readonly string[];
};

const MANIFEST = z.looseObject({
  name: z.string(),
  version: z.string(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});

type Manifest = z.infer<typeof MANIFEST>;

type Package = {
  readonly manifest: Manifest;
  readonly files: Map<string, number>;
  readonly missing: Set<string>;
  computedCount: number;
};

const CODE_EXTENSIONS = new Set([".ts", ".js", ".mjs", ".cjs", ""]);
const MODULES = `${sep}node_modules${sep}`;

/** Where `npm run build:native` puts addons, and where their sources are. */
const ADDON = /^build\/([a-z]+)\.node$/;
const ADDON_SOURCES = "enclave/platform/native";

class Walk {
  readonly #root: string;
  readonly #pending: string[] = [];
  readonly #seen = new Set<string>();
  readonly #own = new Map<string, number>();
  readonly #packages = new Map<string, Package>();
  readonly #natives = new Map<string, string>();
  readonly #addons = new Map<string, Addon>();
  readonly #headers = new Map<string, number>();
  readonly #builtins = new Set<string>();
  readonly #faults = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  run(entries: readonly string[]): Closure {
    for (const entry of entries) this.#enqueue(join(this.#root, entry));
    for (;;) {
      const path = this.#pending.pop();
      if (path === undefined) break;
      this.#visit(path);
    }
    return {
      own: sortedBy(this.#own, (path, lineCount) => ({ path, lineCount })),
      packages: sortedBy(
        new Map([...this.#packages.values()].map((used) => [packageName(used), used])),
        (_, used) => packageUse(used),
      ),
      natives: sortedBy(this.#natives, (name, version) => ({ name, version })),
      addons: sortedBy(this.#addons, (_, addon) => addon),
      headers: sortedBy(this.#headers, (path, lineCount) => ({ path, lineCount })),
      builtins: [...this.#builtins].sort(),
      files: [...this.#seen].map((path) => this.#nameOf(path)).sort(),
      faults: [...this.#faults].sort(),
    };
  }

  #enqueue(path: string): void {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    this.#pending.push(path);
  }

  #visit(path: string): void {
    const folder = packageFolder(path);
    const name = this.#nameOf(path);
    if (!existsSync(path)) {
      this.#faults.add(`${name}: no such file`);
      return;
    }
    const isCode = CODE_EXTENSIONS.has(extname(path));
    const isText = isCode || extname(path) === ".json";
    const source = isText ? readFileSync(path, "utf8") : "";
    const used = folder === null ? null : this.#packageOf(folder);
    if (used === null) this.#own.set(name, lineCountOf(source));
    else used.files.set(name, lineCountOf(source));
    if (isCode) this.#follow(path, name, source, used);
  }

  #follow(path: string, name: string, source: string, used: Package | null): void {
    for (const { kind, specifier, isType, line } of findImports(source)) {
      if (isType) continue;
      if (specifier === null) {
        if (used === null) this.#faults.add(`${name}:${line}: computed import`);
        else used.computedCount += 1;
        continue;
      }
      const native = used?.manifest.optionalDependencies?.[specifier];
      if (native !== undefined) {
        this.#natives.set(specifier, native);
        continue;
      }
      const target = resolveImport(specifier, kind, path);
      if (target.kind === "file") this.#reach(target.path);
      else if (target.kind === "builtin") this.#builtins.add(target.name);
      else if (used === null) this.#faults.add(`${name}:${line}: ${specifier} leads nowhere`);
      else used.missing.add(specifier);
    }
  }

  /** An addon counts by its source, whether it has been built or not. */
  #reach(path: string): void {
    const name = this.#nameOf(path);
    const addon = ADDON.exec(name)?.[1];
    if (addon === undefined) return this.#enqueue(path);
    const source = `${ADDON_SOURCES}/${addon}.c`;
    const file = join(this.#root, source);
    if (!existsSync(file)) this.#faults.add(`${name}: no ${source} to build it from`);
    else if (!this.#addons.has(name)) {
      const text = readFileSync(file, "utf8");
      this.#addons.set(name, { path: name, source, lineCount: lineCountOf(text) });
      this.#include(source, text);
    }
  }

  #include(source: string, text: string): void {
    for (const header of findIncludes(text)) {
      const path = `${ADDON_SOURCES}/${header ?? ""}`;
      const file = join(this.#root, path);
      if (header === null) this.#faults.add(`${source}: an include that can't be followed`);
      else if (!existsSync(file)) this.#faults.add(`${path}: no such file`);
      else if (!this.#headers.has(path)) {
        const content = readFileSync(file, "utf8");
        this.#headers.set(path, lineCountOf(content));
        this.#include(path, content);
      }
    }
  }

  #nameOf(path: string): string {
    return relative(this.#root, path).split(sep).join("/");
  }

  #packageOf(folder: string): Package {
    const known = this.#packages.get(folder);
    if (known !== undefined) return known;
    const text = readFileSync(join(folder, "package.json"), "utf8");
    const added: Package = {
      manifest: MANIFEST.parse(JSON.parse(text)),
      files: new Map(),
      missing: new Set(),
      computedCount: 0,
    };
    this.#packages.set(folder, added);
    return added;
  }
}

/** The folder of the package that a file belongs to, null for our own files. */
function packageFolder(path: string): string | null {
  const at = path.lastIndexOf(MODULES);
  if (at === -1) return null;
  const start = at + MODULES.length;
  const names = path.slice(start).split(sep);
  const depth = path.startsWith("@", start) ? 2 : 1;
  return path.slice(0, start) + names.slice(0, depth).join(sep);
}

function packageName(used: Package): string {
  return `${used.manifest.name} ${used.manifest.version}`;
}

function packageUse(used: Package): PackageUse {
  let lineCount = 0;
  for (const count of used.files.values()) lineCount += count;
  const { name, version } = used.manifest;
  const { computedCount, files, missing } = used;
  const missingCount = missing.size;
  return { name, version, fileCount: files.size, lineCount, computedCount, missingCount };
}

function lineCountOf(source: string): number {
  const lines = source.split("\n");
  return lines.at(-1) === "" ? lines.length - 1 : lines.length;
}

function sortedBy<V, T>(map: ReadonlyMap<string, V>, make: (key: string, value: V) => T): T[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => make(key, value));
}

export function walkClosure(root: string, entries: readonly string[]): Closure {
  return new Walk(root).run(entries);
}
