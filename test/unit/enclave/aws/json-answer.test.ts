import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAwsAnswer } from "../../../../enclave/aws/json-answer.ts";

const MALFORMED = { ok: false, error: "MALFORMED" };

function parse(status: number, body: string | Uint8Array | null, errorType?: string) {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return parseAwsAnswer({ status, errorType, body: bytes });
}

test("an answer of status 200 is its object", () => {
  const parsed = parse(200, '{"KeyId":"a","List":[1,null,{"x":true}]}');
  assert(parsed.ok && parsed.value.kind === "success");
  assert.deepEqual(parsed.value.body, { KeyId: "a", List: [1, null, { x: true }] });
  assert(parse(200, "{}").ok);
});

const NO_OBJECTS: Readonly<Record<string, string | Uint8Array | null>> = {
  "no body": null,
  "an empty body": "",
  text: "<html>",
  "a number": "1",
  "a list": "[]",
  null: "null",
  "half of an object": '{"KeyId":',
  "two objects": "{}{}",
  "text after the object": "{} x",
  "a byte order mark": "\ufeff{}",
  "bad UTF-8": Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  "two members of one name": '{"KeyId":"a","KeyId":"b"}',
  "two members of one name, escaped": '{"KeyId":"a","Key\\u0049d":"b"}',
  "two members of one name, inside": '{"a":{"b":1,"b":1}}',
  "deeper nesting than any service's": `{"a":${"[".repeat(17)}${"]".repeat(17)}}`,
  "more values than its bound": `{"a":[${"1,".repeat(70_000)}1]}`,
};

for (const [title, body] of Object.entries(NO_OBJECTS)) {
  test(`an answer of status 200 is malformed with ${title}`, () => {
    assert.deepEqual(parse(200, body), MALFORMED);
  });

  test(`an error keeps its status and the header's name with ${title}`, () => {
    const parsed = parse(400, body, "NotFoundException");
    const value = { kind: "error", status: 400, name: "NotFoundException", body: null };
    assert.deepEqual(parsed, { ok: true, value });
  });
}

test("a status that is neither 200 nor an error is not the protocol", () => {
  for (const status of [0, 100, 101, 199, 201, 202, 204, 206, 301, 302, 307, 308, 399, 600, 999]) {
    assert.deepEqual(parse(status, "{}"), MALFORMED, String(status));
    assert.deepEqual(
      parse(status, '{"__type":"NotFoundException"}', "NotFoundException"),
      MALFORMED,
    );
  }
  for (const status of [400, 429, 500, 599]) {
    const parsed = parse(status, "{}");
    const value = { kind: "error", status, name: null, body: {} };
    assert.deepEqual(parsed, { ok: true, value });
  }
});

/** `x-amzn-errortype`, `__type` as JSON, and the name of the error. */
const NAMES: readonly (readonly [string, string | undefined, string | undefined, string | null])[] =
  [
    ["neither", undefined, undefined, null],
    ["the body alone", undefined, '"NotFoundException"', "NotFoundException"],
    ["a namespace", undefined, '"com.amazonaws.kms#NotFoundException"', "NotFoundException"],
    [
      "a namespace with a version",
      undefined,
      '"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"',
      "ConditionalCheckFailedException",
    ],
    ["the header alone", "NotFoundException", undefined, "NotFoundException"],
    [
      "the header with an address",
      "NotFoundException:http://internal.amazon.com/coral/com.amazonaws.kms/",
      undefined,
      "NotFoundException",
    ],
    ["both, the same", "A:http://b/", '"com.amazonaws.kms#A"', "A"],
    ["both, not the same", "A", '"B"', null],
    ["a name only in the header", "A", "1", "A"],
    ["a name only in the body", "<html>", '"B"', "B"],
    ["two headers, as Node joins them", "A, B", undefined, null],
    ["a number", undefined, "1", null],
    ["null", undefined, "null", null],
    ["an object", undefined, '{"a":"B"}', null],
    ["nothing", "", '""', null],
    ["a namespace without a name", undefined, '"com.amazonaws.kms#"', null],
    ["two namespaces", undefined, '"a#b#C"', null],
    ["a space", undefined, '"Not Found"', null],
    ["a line break after it", undefined, '"A\\n"', null],
    ["text beyond ASCII", undefined, '"Ä"', null],
    ["the longest name", undefined, `"${"A".repeat(128)}"`, "A".repeat(128)],
    ["a longer name", undefined, `"${"A".repeat(129)}"`, null],
    ["a name of the prototype", undefined, '"__proto__"', null],
  ];

for (const [title, header, type, name] of NAMES) {
  test(`the name of an error is read from ${title}`, () => {
    const body = type === undefined ? '{"message":"x"}' : `{"__type":${type},"message":"x"}`;
    const parsed = parse(400, body, header);
    assert(parsed.ok && parsed.value.kind === "error");
    assert.equal(parsed.value.name, name);
    assert.deepEqual(parsed.value.body, JSON.parse(body));
  });
}

test("a member named __proto__ is a member", () => {
  const parsed = parse(400, '{"__proto__":{"__type":"NotFoundException"}}');
  assert(parsed.ok && parsed.value.kind === "error");
  assert.equal(parsed.value.name, null);
});
