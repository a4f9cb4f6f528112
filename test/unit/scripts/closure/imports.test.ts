import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findImports } from "../../../../scripts/closure/imports.ts";

type Row = readonly [source: string, expected: readonly string[]];

function found(source: string): readonly string[] {
  return findImports(source).map(
    ({ kind, specifier, isType }) => `${isType ? "type " : ""}${kind} ${specifier ?? "?"}`,
  );
}

function check(rows: readonly Row[]): void {
  for (const [source, expected] of rows) assert.deepEqual(found(source), expected, source);
}

describe("findImports", () => {
  it("finds every form of import", () => {
    check([
      [`import "a";`, ["static a"]],
      [`import a from "a";`, ["static a"]],
      [`import * as a from 'a';`, ["static a"]],
      [`import { a, type B as C } from "a";`, ["static a"]],
      [`import a, { b } from "a"`, ["static a"]],
      [`import{a}from"a";import b from"b"`, ["static a", "static b"]],
      [`import {\n  a,\n} from\n "a";`, ["static a"]],
      [`import a from "a.json" with { type: "json" };`, ["static a.json"]],
      [`import { "odd name" as a } from "a";`, ["static a"]],
      [`import type from "a";`, ["static a"]],
      [`import type, { b } from "a";`, ["static a"]],
      [`export { a } from "a";`, ["static a"]],
      [`export * from "a"; export * as b from "b";`, ["static a", "static b"]],
      [`await import("a");`, ["dynamic a"]],
      [`import("a", { with: {} });`, ["dynamic a"]],
      ["import(`a`);", ["dynamic a"]],
      [`const x = isA ? import("a") : import("b");`, ["dynamic a", "dynamic b"]],
      [`const a = require("a");`, ["require a"]],
      [`require.resolve("a");`, ["require a"]],
      [`import.meta.resolve("a");`, ["dynamic a"]],
      [`new Worker(new URL("./a.ts", import.meta.url));`, ["url ./a.ts"]],
    ]);
  });

  it("marks what is gone when types are stripped", () => {
    check([
      [`import type { A } from "a";`, ["type static a"]],
      [`import type A from "a";`, ["type static a"]],
      [`import type * as a from "a";`, ["type static a"]],
      [`export type { A } from "a";`, ["type static a"]],
    ]);
  });

  it("reports what is computed", () => {
    check([
      ["import(name);", ["dynamic ?"]],
      [`import("a" + b);`, ["dynamic ?"]],
      ["import(`./${name}.js`);", ["dynamic ?"]],
      ["require(name)", ["require ?"]],
      ["x ? import(name) : y", ["dynamic ?"]],
    ]);
  });

  it("takes no text, comment or other name for an import", () => {
    check([
      [`// import "a"`, []],
      [`/* import "a"\n * require("b") */`, []],
      [`const s = "import 'a'"; const t = 'require("b")';`, []],
      ["const s = `import 'a' ${b} require('c')`;", []],
      [`const s = "\\"; import 'a'";`, []],
      [`x.require("a"); x.import("b");`, []],
      [`function require(name) {}`, []],
      [`class A { async import(floors: Floor[]): Promise<void> {} }`, []],
      [`class A { import(floors) {} }`, []],
      [`export const from = "a";`, []],
      [`export { a }; const b = "c";`, []],
      [`const u = new URL("./a.ts", base);`, []],
      [`const r = /import "a"/; const q = /[/"]/;`, []],
      [`#!/usr/bin/env node\nvoid 0;`, []],
    ]);
  });

  it("goes on after comments, templates, regular expressions and divisions", () => {
    check([
      [`/* " */ import "a";`, ["static a"]],
      ["const s = `${{ a: `'${b}` }}'`; import 'a';", ["static a"]],
      [`const r = x.match(/["'\`]/g); import "a";`, ["static a"]],
      [`return /"/.test(s); import("a");`, ["dynamic a"]],
      [`const d = a / b; const e = "c" / f; import("a");`, ["dynamic a"]],
      ["const s = `${import('a')}`;", ["dynamic a"]],
    ]);
  });

  it("tells the line", () => {
    const lines = findImports("/*\n*/\n`\n`\nimport 'a';\nimport\n'b';").map(({ line }) => line);
    assert.deepEqual(lines, [5, 6]);
  });
});
