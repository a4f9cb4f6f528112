// `npm run release`: writes the release record of a built image, and its bill of materials. The
// record says what the image file holds and measures to, and the commit that it was built from. It
// must never write a record for an image that differs from the source here.

import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { err, ok, type Result } from "../shared/result.ts";
import { writeFilesAtomically } from "./cli/atomic-file.ts";
import { ImageError } from "./image/image-error.ts";
import { openInputs } from "./image/inputs.ts";
import { composeRelease } from "./release/compose.ts";
import { readImageContent } from "./release/image-content.ts";
import { requireRebuilt } from "./release/rebuild.ts";
import { encodeRelease, parseRelease } from "./release/record.ts";
import { readSourceTree } from "./release/source-tree.ts";

const USAGE = `npm run release -- --eif FILE --out release.json [options]

Writes the release record of an image of \`npm run build:image\`: the commit, the image's SHA-384,
PCR0 to PCR2, what is in it. \`redoubt verify --release release.json\` compares a signer with it.
The image is built once more from the source here; every byte of its program must be the same.

  --eif FILE       the image
  --out FILE       the record
  --sbom FILE      the bill of materials too, CycloneDX 1.6
  --debs DIR       take the locked Debian packages from a folder, as build:image does
  --npm DIR        take the locked npm tarballs from a folder
  --allow-dirty    although the source has changes that no commit has; the record says so

Exit codes: 0 written, 1 the image is not of this source or the source is not clean, 2 wrong use.
`;

type Options = {
  readonly eif: string;
  readonly out: string;
  readonly sbom: string | null;
  readonly debs: string | null;
  readonly npm: string | null;
  readonly allowDirty: boolean;
};

const ROOT = resolve(import.meta.dirname, "..");

function parseOptions(args: readonly string[]): Result<Options, string> {
  const options = {
    eif: { type: "string" },
    out: { type: "string" },
    sbom: { type: "string" },
    debs: { type: "string" },
    npm: { type: "string" },
    "allow-dirty": { type: "boolean" },
  } as const;
  try {
    const { values } = parseArgs({ args, options, strict: true });
    const { eif, out, sbom, debs, npm } = values;
    if (eif === undefined || out === undefined) return err("--eif and --out are needed");
    const allowDirty = values["allow-dirty"] ?? false;
    return ok({
      eif: pathOf(eif),
      out: pathOf(out),
      sbom: pathOf(sbom ?? null),
      debs: pathOf(debs ?? null),
      npm: pathOf(npm ?? null),
      allowDirty,
    });
  } catch (error) {
    return err(error instanceof Error ? error.message : "bad options");
  }
}

/** As the caller meant it: npm runs us in the folder of the repository. */
function pathOf(path: string): string;
function pathOf(path: string | null): string | null;
function pathOf(path: string | null): string | null {
  return path === null ? null : resolve(process.env["INIT_CWD"] ?? process.cwd(), path);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = parseOptions(args);
  if (!options.ok) {
    process.stderr.write(`release: ${options.error}\n\n${USAGE}`);
    return 2;
  }
  try {
    return await write(options.value);
  } catch (error) {
    // Ours, and those of files that are not there: both are for the person who called.
    const isTold = error instanceof ImageError || (error instanceof Error && "code" in error);
    if (!isTold) throw error;
    process.stderr.write(`release: ${error.message}\n`);
    return 1;
  }
}

async function write({ eif, out, sbom, debs, npm, allowDirty }: Options): Promise<number> {
  const source = readSourceTree(ROOT, allowDirty);
  const file = readFileSync(eif);
  const { arch: imageArch, programRamdisk } = readImageContent(file);
  requireRebuilt(programRamdisk, openInputs(ROOT, imageArch, { debs, npm }));
  const composed = composeRelease(ROOT, file, source, sbom === null ? null : basename(sbom));
  const text = encodeRelease(composed.release);
  const parsed = parseRelease(Buffer.from(text));
  if (!parsed.ok) throw new ImageError(`the record would be refused at: ${parsed.error}`);
  const files = [{ path: out, bytes: Buffer.from(text) }];
  if (sbom !== null) files.push({ path: sbom, bytes: Buffer.from(composed.sbom) });
  await writeFilesAtomically(files);
  const { version, tree, arch } = composed.release;
  const mark = tree === "dirty" ? " (dirty)" : "";
  process.stdout.write(`release ${version} for ${arch}, commit ${source.commit}${mark}: ${out}\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
