import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  KEY_POLICY_BYTES_MAX,
  parseKeyPolicy,
  unwrapPolicy,
} from "../../../../scripts/policy/statement.ts";
import { ACCOUNT, draftOf, ROLE, textOfDraft } from "../../../fakes/key-policy.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const STATEMENT = {
  Effect: "Allow",
  Principal: { AWS: ROLE },
  Action: "kms:DescribeKey",
  Resource: "*",
};

function parseStatement(statement: unknown) {
  const policy = { Version: "2012-10-17", Statement: [statement] };
  return parseKeyPolicy(bytesOf(JSON.stringify(policy)));
}

describe("parseKeyPolicy", () => {
  const good: Readonly<Record<string, unknown>> = {
    "a statement": STATEMENT,
    "an account": { ...STATEMENT, Principal: { AWS: ACCOUNT } },
    everybody: { ...STATEMENT, Principal: "*" },
    "a session": {
      ...STATEMENT,
      Principal: { AWS: `arn:aws:sts::${ACCOUNT}:assumed-role/redoubt/i-0` },
    },
    "a role of China": {
      ...STATEMENT,
      Principal: { AWS: `arn:aws-cn:iam::${ACCOUNT}:role/redoubt` },
    },
    "a role that was removed": { ...STATEMENT, Principal: { AWS: "AROAJQABLZS4A3QDU576Q" } },
    "a service": { ...STATEMENT, Principal: { Service: "rds.amazonaws.com" } },
    "numbers and booleans": {
      ...STATEMENT,
      Condition: { NumericLessThan: { "aws:MultiFactorAuthAge": 300 }, Bool: { "aws:x": true } },
    },
    "a Sid with spaces": { ...STATEMENT, Sid: "Enable IAM User Permissions" },
  };
  for (const [what, statement] of Object.entries(good)) {
    it(`takes ${what}`, () => assert.equal(parseStatement(statement).ok, true));
  }

  const bad: Readonly<Record<string, unknown>> = {
    "a list": [],
    null: null,
    "an unknown element": { ...STATEMENT, Effects: "Deny" },
    "an element in another case": { ...STATEMENT, condition: {} },
    "no Effect": { ...STATEMENT, Effect: undefined },
    "another Effect": { ...STATEMENT, Effect: "allow" },
    "no Principal": { ...STATEMENT, Principal: undefined },
    "nobody as Principal": { ...STATEMENT, Principal: {} },
    "an empty list of principals": { ...STATEMENT, Principal: { AWS: [] } },
    "another kind of principal": { ...STATEMENT, Principal: { Federated: "x" } },
    "a pattern of principals": {
      ...STATEMENT,
      Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/*` },
    },
    "the root in another spelling": {
      ...STATEMENT,
      Principal: { AWS: `arn:aws:sts::${ACCOUNT}:root` },
    },
    "a group as Principal": { ...STATEMENT, Principal: { AWS: `arn:aws:iam::${ACCOUNT}:group/x` } },
    "an action with the Kelvin sign": { ...STATEMENT, Action: "\u212ams:Decrypt" },
    "a condition key with the Kelvin sign": {
      ...STATEMENT,
      Condition: { StringEquals: { "\u212ams:RecipientAttestation:PCR0": "00" } },
    },
    "a principal that is no ARN": { ...STATEMENT, Principal: { AWS: "redoubt" } },
    "Principal and NotPrincipal": { ...STATEMENT, NotPrincipal: "*" },
    "Action and NotAction": { ...STATEMENT, NotAction: "kms:Decrypt" },
    "Resource and NotResource": { ...STATEMENT, NotResource: "*" },
    "an empty list of actions": { ...STATEMENT, Action: [] },
    "an action that is an object": { ...STATEMENT, Action: [{}] },
    "a fraction": { ...STATEMENT, Condition: { NumericEquals: { "aws:x": 1.5 } } },
    "a Sid that is no text": { ...STATEMENT, Sid: 1 },
    "a Sid with a control character": { ...STATEMENT, Sid: "\u001b[2J" },
    "a Condition that is no object": { ...STATEMENT, Condition: [] },
    "an unknown operator": { ...STATEMENT, Condition: { StringIs: { "aws:x": "y" } } },
    "an operator in another case": { ...STATEMENT, Condition: { stringEquals: { "aws:x": "y" } } },
    "an operator of two sets": {
      ...STATEMENT,
      Condition: { "ForAllValues:ForAnyValue:StringEquals": { "aws:x": "y" } },
    },
    "Null with IfExists": { ...STATEMENT, Condition: { NullIfExists: { "aws:x": "true" } } },
    "Null of a set": { ...STATEMENT, Condition: { "ForAllValues:Null": { "aws:x": "true" } } },
    "a key without value": { ...STATEMENT, Condition: { StringEquals: { "aws:x": [] } } },
    "a key in two spellings": {
      ...STATEMENT,
      Condition: { StringEquals: { "aws:x": "y", "AWS:X": "z" } },
    },
    "an inherited name": { ...STATEMENT, Condition: { toString: { "aws:x": "y" } } },
  };
  for (const [what, statement] of Object.entries(bad)) {
    it(`refuses ${what}`, () => assert.equal(parseStatement(statement).ok, false));
  }

  it("refuses a document that two readers could read differently", () => {
    const text = textOfDraft(draftOf());
    const rows = [
      "",
      "null",
      "[]",
      "{}",
      `${text}x`,
      `\uFEFF${text}`,
      text.replace("2012-10-17", "2012-10-18"),
      text.replace('{"Version"', '{"Version":"2012-10-17","Version"'),
      text.replace('"Effect":"Deny"', '"Effect":"Deny","Effect":"Allow"'),
      text.replace('{"Version"', '{"Extra":1,"Version"'),
      text.replace('{"Version"', '{"Id":1,"Version"'),
    ];
    for (const row of rows) assert.equal(parseKeyPolicy(bytesOf(row)).ok, false, row.slice(0, 60));
    assert.equal(parseKeyPolicy(Uint8Array.of(0xff)).ok, false);
  });

  it("takes as many bytes as KMS does", () => {
    const text = textOfDraft(draftOf());
    const padded = (count: number) => bytesOf(text.padEnd(count));
    assert.equal(parseKeyPolicy(padded(KEY_POLICY_BYTES_MAX)).ok, true);
    assert.equal(parseKeyPolicy(padded(KEY_POLICY_BYTES_MAX + 1)).ok, false);
  });

  it("shows nothing that a terminal would obey", () => {
    const refused = parseStatement({ ...STATEMENT, "\u001b[2J": 1 });
    assert.ok(!refused.ok);
    assert.match(refused.error, /^[\x20-\x7e]+$/);
  });
});

function unwrapped(value: unknown): string {
  return new TextDecoder().decode(unwrapPolicy(bytesOf(JSON.stringify(value))));
}

describe("unwrapPolicy", () => {
  it("takes the policy out of what the AWS CLI prints, and leaves all else", () => {
    assert.equal(unwrapped({ Policy: "{}", PolicyName: "default" }), "{}");
    assert.equal(unwrapped({ Policy: "{}" }), "{}");
    for (const other of [{ Policy: {} }, { Policy: "{}", Statement: "x" }, ["{}"], "{}", {}]) {
      assert.equal(unwrapped(other), JSON.stringify(other));
    }
    const nothing = Uint8Array.of(0xff);
    assert.equal(unwrapPolicy(nothing), nothing);
  });
});
