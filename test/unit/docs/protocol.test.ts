import assert from "node:assert/strict";
import { test } from "node:test";
import { ENCLAVE_METHODS, PARENT_METHODS, STORE_METHODS } from "../../../shared/wire/methods.ts";
import { rowsOf } from "./page.ts";

function isMethod(name: string): boolean {
  return /^[a-z]+(\.[a-z]+)?$/.test(name);
}

test("docs/protocol.md lists every method, and no other", () => {
  const methods = [
    ...Object.keys(ENCLAVE_METHODS),
    ...Object.keys(STORE_METHODS),
    ...Object.keys(PARENT_METHODS),
  ];
  const listed = rowsOf("protocol.md").map(([name = ""]) => name);
  assert.deepEqual(listed.filter(isMethod), methods);
});
