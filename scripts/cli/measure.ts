// `redoubt measure`: the measurements of an enclave image file, for those who want to know which
// PCRs an image gives before it runs, or compare one that they built with one that was published.
// It must never print measurements of a file that could be read in two ways.

import { open } from "node:fs/promises";
import { err, ok, type Result } from "../../shared/result.ts";
import { EIF_BYTES_MAX, type EifRefusal, parseEifSections } from "../image/eif.ts";
import { describeEif } from "../image/eif-description.ts";
import { listMeasurement, measureEif } from "../image/measurement.ts";
import { parseArguments } from "./arguments.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";

const USAGE = `redoubt measure: the measurements (PCRs) of an enclave image file

  redoubt measure FILE.eif [--pcrs | --json]

Prints the JSON that \`nitro-cli describe-eif\` prints: Measurements with PCR0 (the whole image),
PCR1 (kernel, command line, first ramdisk), PCR2 (the other ramdisks) and, for a signed file, PCR8
(the signing certificate); whether checksum and signature hold; and the metadata, which nothing
measures. A file that two readers of this format could read differently is refused.

Options
  --pcrs   lines of name and value instead: \`PCR0 hex\`
  --json   the JSON on one line

Exit codes: 0 measured, 1 no image file, or its checksum or signature is wrong, 2 wrong use.

Example
  redoubt measure redoubt.eif --pcrs
`;

export const command: Command = {
  name: "measure",
  summary: "print the measurements (PCRs) of an enclave image file",
  usage: USAGE,
  run: async (args) => printOutcome(await runMeasure(args)),
};

/** Why there is nothing to measure, for people. */
const REASONS: Readonly<Record<EifRefusal, string>> = {
  EIF_TRUNCATED: "it ends before its last section does",
  EIF_OVERSIZE: "it is larger than 2 GiB",
  EIF_MAGIC: "it is no enclave image file",
  EIF_VERSION: "it has another version than 4",
  EIF_FLAGS: "it has flags that are not known",
  EIF_RESERVED: "a reserved field of its header is not zero",
  EIF_SECTION_COUNT: "it has more than 32 sections",
  EIF_SECTION_TABLE: "the table in its header is not that of its sections",
  EIF_SECTION_FLAGS: "a section has flags",
  EIF_SECTION_TYPE: "it has a section of an unknown type",
  EIF_SECTION_ORDER: "it is not kernel, command line, metadata, ramdisks, signature, in this order",
  EIF_TRAILING: "something follows its last section",
  EIF_CMDLINE: "its command line is not UTF-8 or has a NUL",
  EIF_METADATA: "its metadata are not those of an image",
  EIF_SIGNATURE: "its signature section is malformed",
  EIF_CRC: "its checksum is wrong",
};

const OPTIONS = { pcrs: { type: "boolean" }, json: { type: "boolean" } } as const;

type Options = { readonly path: string; readonly form: "pretty" | "line" | "pcrs" };

export async function runMeasure(args: readonly string[]): Promise<Outcome> {
  const options = parseOptions(args);
  if (!options.ok) return failed(2, `${options.error} (see \`redoubt measure --help\`)`);
  const { path, form } = options.value;
  const file = await readImage(path);
  if (!file.ok) return failed(file.error.exitCode, file.error.reason);
  const eif = parseEifSections(file.value);
  if (!eif.ok) return failed(1, refused(path, eif.error));
  const measurement = measureEif(eif.value);
  const description = describeEif(file.value, eif.value, measurement);
  const lines = listMeasurement(measurement).map(([name, value]) => `${name} ${value}`);
  const stdout =
    form === "pcrs" ? lines.join("\n") : JSON.stringify(description, null, form === "line" ? 0 : 2);
  const problem = problemOf(path, description.CheckCRC, description.SignatureCheck ?? true);
  // The JSON says what failed. Bare lines can't: those of a file that fails are not printed.
  if (problem !== undefined && form === "pcrs") return failed(1, problem);
  if (problem !== undefined) return { ...failed(1, problem), stdout: `${stdout}\n` };
  return { exitCode: 0, stdout: `${stdout}\n`, stderr: "" };
}

function problemOf(path: string, isIntact: boolean, isSigned: boolean): string | undefined {
  if (!isIntact) return refused(path, "EIF_CRC");
  return isSigned
    ? undefined
    : `${path}: its signature is not one of this image (EIF_SIGNATURE_WRONG)`;
}

function refused(path: string, code: EifRefusal): string {
  return `${path}: ${REASONS[code]} (${code})`;
}

function failed(exitCode: 1 | 2, reason: string): Outcome {
  return { exitCode, stdout: "", stderr: `redoubt measure: ${reason}\n` };
}

function parseOptions(args: readonly string[]): Result<Options, string> {
  const parsed = parseArguments(args, OPTIONS);
  if (!parsed.ok) return parsed;
  const { values, positionals } = parsed.value;
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) return err("give one FILE");
  const isLine = values.json ?? false;
  if (values.pcrs !== true) return ok({ path, form: isLine ? "line" : "pretty" });
  return isLine ? err("--pcrs and --json do not go together") : ok({ path, form: "pcrs" });
}

type Unread = { readonly exitCode: 1 | 2; readonly reason: string };

/** The whole file, when it is a regular one of a size that we take. */
async function readImage(path: string): Promise<Result<Uint8Array, Unread>> {
  try {
    await using handle = await open(path, "r");
    const status = await handle.stat();
    if (!status.isFile()) return err({ exitCode: 2, reason: `${path} is not a file` });
    if (status.size > EIF_BYTES_MAX) {
      return err({ exitCode: 1, reason: refused(path, "EIF_OVERSIZE") });
    }
    return ok(await handle.readFile());
  } catch {
    return err({ exitCode: 2, reason: `${path} can't be read` });
  }
}
