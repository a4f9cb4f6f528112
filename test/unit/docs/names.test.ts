// Names that the pages quote are names of the code.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { KIND_RULES } from "../../../enclave/core/chains/ethereum/kind-rule.ts";
import { FINDING_CODES } from "../../../scripts/cli/audit-key.ts";
import { FINDINGS } from "../../../scripts/policy/finding.ts";
import { ERRORS } from "../../../shared/errors.ts";
import * as limits from "../../../shared/limits.ts";
import { partOf, ROOT, readPage } from "./page.ts";

const PAGES = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
const METRICS: ReadonlySet<string> = new Set(
  partOf("operations.md", "metrics").match(/\bredoubt_\w+/g),
);
const CAPITALS: ReadonlySet<string> = new Set([
  ...Object.keys(FINDING_CODES),
  ...Object.keys(ERRORS),
  ...Object.keys(limits),
  ...Object.keys(FINDINGS),
  ...Object.entries(KIND_RULES).flatMap(([kind, rule]) => [kind, ...Object.keys(rule.readers)]),
  ...Object.keys(status),
  "ENCLAVE_METHODS",
  "STORE_METHODS",
]);
const NONE: readonly string[] = [];

for (const page of PAGES) {
  test(`docs/${page} names only metrics that exist`, () => {
    const named = readPage(page).match(/\bredoubt_\w+/g) ?? [];
    assert.deepEqual(
      named.filter((name) => !METRICS.has(name)),
      NONE,
    );
  });

  test(`docs/${page} quotes only codes, kinds and limits that exist`, () => {
    const quoted = [...readPage(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)];
    assert.deepEqual(
      quoted.map(([, name = ""]) => name).filter((name) => !CAPITALS.has(name)),
      NONE,
    );
  });
}
