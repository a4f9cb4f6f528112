// Where the folder of real data lies that tests read when it is there, and what they say when it is
// not: beside the repository, or where REDOUBT_VECTORS names it.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

export const SHARED_VECTORS = resolve(ROOT, process.env["REDOUBT_VECTORS"] ?? "../shared/vectors");

/** A test's `skip`: false when the part (a folder or file; "" for all of it) is there. */
export function whyNoVectors(part: string): string | false {
  if (existsSync(join(SHARED_VECTORS, part))) return false;
  const path = join("../shared/vectors", part);
  return `real data is not there: neither ${path} nor a folder in REDOUBT_VECTORS`;
}
