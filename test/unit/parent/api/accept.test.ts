import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptsJson, prefers } from "../../../../parent/api/accept.ts";

const JSON_TYPE = "application/json";

const NEGOTIATIONS: readonly (readonly [accept: string | undefined, isJson: boolean])[] = [
  [undefined, false],
  ["", false],
  ["text/plain", false],
  ["application/json", true],
  ["*/*", true],
  ["APPLICATION/JSON", true],
  ["application/json; charset=utf-8", true],
  ["application/json;q=0.1, text/plain", true],
  ["text/plain, */*;q=0.8", true],
  ["text/plain ,application/json", true],
  ["application/*", false],
  ["text/*", false],
  ["application/jsonx", false],
  ["text/html, application/xml", false],
];

for (const [accept, isJson] of NEGOTIATIONS) {
  test(`acceptsJson answers ${isJson} for ${accept ?? "no Accept"}`, () => {
    assert.equal(acceptsJson(accept), isJson);
  });
}

const PREFERENCES: readonly (readonly [accept: string | undefined, isJson: boolean])[] = [
  [undefined, false],
  ["*/*", false],
  ["text/plain", false],
  ["application/json", true],
  ["application/json, text/plain, */*", true],
  ["application/json;q=0.5, text/plain", false],
  ["application/json;q=0", false],
  ["text/plain;q=0.4, application/json; q=0.9", true],
];

for (const [accept, isJson] of PREFERENCES) {
  test(`prefers answers ${isJson} for JSON over text with ${accept ?? "no Accept"}`, () => {
    assert.equal(prefers(accept, JSON_TYPE, ["text/plain", "*/*"]), isJson);
  });
}
