// Reads a tmkms.toml. It must never repeat what stands in the file beyond the names of its fields:
// a password of an HSM or an API key may be among the values, and an error goes into a log.

import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import { err, ok, type Result } from "../../shared/result.ts";
import { type TmkmsConfig, tmkmsSchema } from "./config-schema.ts";

/** Every problem found, each as `chain[0].id: what is wrong`. */
export type ConfigProblems = readonly string[];

export const TMKMS_CONFIG_BYTES_MAX = 1024 * 1024;

export function parseTmkmsConfig(bytes: Uint8Array): Result<TmkmsConfig, ConfigProblems> {
  let document: unknown;
  try {
    document = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    // The message of the library quotes the lines around the fault.
    const place = error instanceof TomlError ? `line ${error.line}, column ${error.column}: ` : "";
    return err([`${place}not TOML in UTF-8`]);
  }
  const parsed = tmkmsSchema.safeParse(document);
  return parsed.success ? ok(parsed.data) : err(parsed.error.issues.map(problemOf));
}

function problemOf(issue: z.core.$ZodIssue): string {
  return `${pathOf(issue.path)}: ${faultOf(issue)}`;
}

/** zod's own sentences name what is expected and the type of what is there, never its value. */
function faultOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `unknown field ${issue.keys.join(", ")}`;
  if (issue.code === "invalid_union") return "in none of the forms that it may have";
  return issue.message;
}

function pathOf(parts: readonly PropertyKey[]): string {
  let path = "";
  for (const part of parts) {
    if (typeof part === "number") path += `[${part}]`;
    else path += path === "" ? String(part) : `.${String(part)}`;
  }
  return path === "" ? "the file" : path;
}
