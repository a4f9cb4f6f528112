// The committed form of a closure: one line for each thing, so that growing what is trusted is a
// visible line in a diff.

import type { Closure, PackageUse } from "./walk.ts";

const HEAD = `# Everything that the enclave's program can load: own files with their lines; packages with
# their version, files and lines; native packages, of which one per platform is in an image.
# Written by \`npm run closure -- --write\`, compared by \`npm test\`. Growth needs a reason.
`;

export function encodeClosure(closure: Closure): string {
  const own = closure.own.map(({ path, lineCount }) => `${column(lineCount)} ${path}`);
  const packages = closure.packages.map(
    (used) => `${column(used.lineCount)} ${used.name} ${used.version} (${countsOf(used)})`,
  );
  const natives = closure.natives.map(({ name, version }) => `${column("")} ${name} ${version}`);
  const addons = closure.addons.map(
    ({ path, source, lineCount }) => `${column(lineCount)} ${source} (${path})`,
  );
  const headers = closure.headers.map(({ path, lineCount }) => `${column(lineCount)} ${path}`);
  const builtins = closure.builtins.map((name) => `${column("")} ${name}`);
  return [
    HEAD,
    section(`own files: ${own.length}, lines: ${total(closure.own)}`, own),
    section(`packages: ${packages.length}, lines: ${total(closure.packages)}`, packages),
    section("native packages, one per platform", natives),
    section(`addons of our own, in C: ${addons.length}, lines: ${total(closure.addons)}`, addons),
    section(`C headers in them: ${headers.length}, lines: ${total(closure.headers)}`, headers),
    section("modules of Node", builtins),
  ].join("\n");
}

/** All of it in one line. */
export function describeClosure(closure: Closure): string {
  const { own, packages, addons, headers } = closure;
  const sources = [...addons, ...headers];
  return (
    `closure: ${own.length} own files, ${total(own)} lines; ${packages.length} packages, ` +
    `${total(packages)} lines; ${sources.length} C files, ${total(sources)} lines`
  );
}

function countsOf(used: PackageUse): string {
  const counts = [`files: ${used.fileCount}`];
  if (used.computedCount > 0) counts.push(`computed imports: ${used.computedCount}`);
  if (used.missingCount > 0) counts.push(`not installed: ${used.missingCount}`);
  return counts.join(", ");
}

function section(title: string, lines: readonly string[]): string {
  return `${[title, ...lines].join("\n")}\n`;
}

function column(value: number | string): string {
  return String(value).padStart(7);
}

function total(parts: readonly { readonly lineCount: number }[]): number {
  return parts.reduce((sum, part) => sum + part.lineCount, 0);
}

/** The lines that only one of the two has, `-` for the first and `+` for the second. */
export function diffLines(before: string, after: string): readonly string[] {
  const old = new Set(before.split("\n"));
  const young = new Set(after.split("\n"));
  return [
    ...[...old].filter((line) => !young.has(line)).map((line) => `- ${line}`),
    ...[...young].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}
