import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { SOFTWARE } from "../../../enclave/version.ts";

const ROOT = join(import.meta.dirname, "../../..");

test("the version that statements carry is that of package.json", () => {
  const text = readFileSync(join(ROOT, "package.json"), "utf8");
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(text));
  assert.equal(SOFTWARE, `redoubt/${version}`);
  // What a statement, and the status of the enclave, may hold.
  assert.match(SOFTWARE, /^[\x21-\x7e]{1,64}$/);
});
