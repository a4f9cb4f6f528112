import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeEifMetadata,
  METADATA_BYTES_MAX,
  parseEifMetadata,
} from "../../../../scripts/image/eif-metadata.ts";
import type { JsonValue } from "../../../../scripts/image/json-text.ts";
import { METADATA } from "../../../fakes/eif-images.ts";

const REFUSED = { ok: false, error: "EIF_METADATA" };
const TEXT = new TextDecoder().decode(encodeEifMetadata(METADATA));

function parseText(text: string) {
  return parseEifMetadata(new TextEncoder().encode(text));
}

function withCustom(customMetadata: JsonValue) {
  return encodeEifMetadata({ ...METADATA, customMetadata });
}

test("encodeEifMetadata writes the fields of the official library, without spaces", () => {
  assert.equal(
    TEXT,
    '{"ImageName":"redoubt","ImageVersion":"1.2.3","BuildMetadata":{"BuildTime":' +
      '"1970-01-01T00:00:00Z","BuildTool":"redoubt","BuildToolVersion":"0.1.0",' +
      '"OperatingSystem":"Linux","KernelVersion":"6.12.0"},"DockerInfo":null,' +
      '"CustomMetadata":{"commit":"0123"}}',
  );
});

test("encodeEifMetadata writes the user's names in one order, however they were given", () => {
  assert.deepEqual(
    withCustom({ b: 1, a: { d: 2, c: 3 } }),
    withCustom({ a: { c: 3, d: 2 }, b: 1 }),
  );
  const text = new TextDecoder().decode(withCustom({ 9: 0, 10: 0, b: 0, B: 0 }));
  assert.ok(text.endsWith('"CustomMetadata":{"10":0,"9":0,"B":0,"b":0}}'));
});

test("parseEifMetadata reads what encodeEifMetadata writes", () => {
  const odd = {
    ...METADATA,
    imageName: 'a "quoted" \\ name\n\u0001 ü 🦀',
    dockerInfo: [{ Size: 1.5, Ok: true }, null],
    customMetadata: { ["__proto__"]: { x: 1 } },
  };
  assert.deepEqual(parseEifMetadata(encodeEifMetadata(odd)), { ok: true, value: odd });
});

test("parseEifMetadata passes over fields that it does not know, as nitro-cli does", () => {
  const parsed = parseText(TEXT.replace('{"ImageName"', '{"New":[1],"ImageName"'));
  assert.deepEqual(parsed, { ok: true, value: METADATA });
});

const WRONG: readonly (readonly [name: string, text: string])[] = [
  ["nothing", ""],
  ["null", "null"],
  ["an array", `[${TEXT}]`],
  ["a byte order mark", `\ufeff${TEXT}`],
  ["something after the object", `${TEXT}{}`],
  ["a name that is a number", TEXT.replace('"redoubt","ImageVersion"', '1,"ImageVersion"')],
  ["no image version", TEXT.replace('"ImageVersion":"1.2.3",', "")],
  ["no build metadata", TEXT.replace("BuildMetadata", "buildMetadata")],
  ["no build time", TEXT.replace("BuildTime", "buildTime")],
  ["no docker info", TEXT.replace('"DockerInfo":null,', "")],
  ["no custom metadata", TEXT.replace(',"CustomMetadata":{"commit":"0123"}', "")],
  ["a name twice", TEXT.replace('{"ImageName"', '{"ImageName":"x","ImageName"')],
  ["a name twice, once escaped", TEXT.replace('{"ImageName"', '{"\\u0049mageName":"","ImageName"')],
  ["a name twice inside", TEXT.replace('{"commit"', '{"commit":1,"commit"')],
  ["65 levels", TEXT.replace("null", `${"[".repeat(64)}${"]".repeat(64)}`)],
];

for (const [name, text] of WRONG) {
  test(`parseEifMetadata refuses ${name}`, () => {
    assert.deepEqual(parseText(text), REFUSED);
  });
}

test("parseEifMetadata takes 64 levels", () => {
  assert.ok(parseText(TEXT.replace("null", `${"[".repeat(63)}${"]".repeat(63)}`)).ok);
});

test("parseEifMetadata refuses what is not UTF-8", () => {
  const bytes = new TextEncoder().encode(TEXT);
  bytes[15] = 0xff;
  assert.deepEqual(parseEifMetadata(bytes), REFUSED);
});

test("parseEifMetadata takes a mebibyte and not one byte more", () => {
  const space = METADATA_BYTES_MAX - TEXT.length;
  assert.ok(parseText(TEXT + " ".repeat(space)).ok);
  assert.deepEqual(parseText(TEXT + " ".repeat(space + 1)), REFUSED);
});

test("parseEifMetadata refuses a mebibyte of open brackets or escaped quotes at once", () => {
  assert.deepEqual(parseText("[".repeat(METADATA_BYTES_MAX)), REFUSED);
  assert.deepEqual(parseText('"\\'.repeat(METADATA_BYTES_MAX / 2)), REFUSED);
  const half = METADATA_BYTES_MAX / 2;
  assert.deepEqual(parseText("[".repeat(half) + "]".repeat(half)), REFUSED);
});
