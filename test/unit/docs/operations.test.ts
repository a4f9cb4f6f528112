import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS, isErrorCode } from "../../../shared/errors.ts";
import { partOf, readPage } from "./page.ts";

const PAGES = ["operations.md", "api.md", "kms.md", "protocol.md", "manifest.md"] as const;
const PREFIXES = new Set(Object.keys(ERRORS).map((code) => code.split("_")[0] ?? ""));

for (const page of PAGES) {
  test(`docs/${page} names only metrics that exist`, () => {
    const listed = new Set(partOf("operations.md", "metrics").match(/\bredoubt_\w+/g));
    const named = readPage(page).match(/\bredoubt_\w+/g) ?? [];
    assert.deepEqual(
      named.filter((name) => !listed.has(name)),
      [],
    );
  });

  test(`docs/${page} names only error codes that exist`, () => {
    // A name between backquotes, in capitals, that begins as one of the codes does; limits don't.
    const names = [...readPage(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(
      ([, name = ""]) => name,
    );
    const wrong = names.filter(
      (name) =>
        PREFIXES.has(name.split("_")[0] ?? "") &&
        !isErrorCode(name) &&
        !/_(MAX|MS|BYTES|COUNT)$/.test(name),
    );
    assert.deepEqual(
      wrong.filter((name) => !readPage("api.md").includes(`\`${name}\``)),
      [],
    );
  });
}
