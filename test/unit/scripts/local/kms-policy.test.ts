import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateKeyPolicy } from "../../../../scripts/local/kms-policy.ts";

const ARN = "arn:aws:iam::111122223333:role/redoubt";
const PCR0 = "ab".repeat(48);

function verdict(
  statements: readonly object[],
  context: Readonly<Record<string, string>> = {},
): string {
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: statements });
  const request = {
    principalArn: ARN,
    action: "kms:Decrypt",
    context: new Map(Object.entries(context)),
  };
  try {
    return evaluateKeyPolicy(policy, request);
  } catch (error) {
    assert(error instanceof RangeError);
    return "not understood";
  }
}

const ALLOW = { Effect: "Allow", Principal: { AWS: ARN }, Action: "kms:Decrypt", Resource: "*" };
const DENY = { ...ALLOW, Effect: "Deny" };
const IMAGE = "kms:RecipientAttestation:ImageSha384";
const ATTESTED = { [IMAGE]: PCR0 };

test("a policy allows what a statement allows, and nothing else", () => {
  assert.equal(verdict([]), "denied");
  assert.equal(verdict([ALLOW]), "allowed");
  assert.equal(verdict([{ ...ALLOW, Action: ["kms:Encrypt", "kms:decrypt"] }]), "allowed");
  assert.equal(verdict([{ ...ALLOW, Action: "kms:*" }]), "allowed");
  assert.equal(verdict([{ ...ALLOW, Action: "kms:Encrypt" }]), "denied");
  assert.equal(verdict([{ ...ALLOW, Principal: "*" }]), "allowed");
  assert.equal(verdict([{ ...ALLOW, Principal: { AWS: ["111122223333"] } }]), "allowed");
  assert.equal(verdict([{ ...ALLOW, Principal: { AWS: `${ARN}x` } }]), "denied");
  const foreignRoot = { AWS: "arn:aws:iam::444455556666:root" };
  assert.equal(verdict([{ ...ALLOW, Principal: foreignRoot }]), "denied");
});

test("a deny beats every allow", () => {
  assert.equal(verdict([ALLOW, DENY]), "explicitly denied");
  assert.equal(verdict([{ ...DENY, Principal: "*" }, ALLOW]), "explicitly denied");
});

test("a condition on the image holds for that image only, and never without a document", () => {
  for (const operator of ["StringEquals", "StringEqualsIgnoreCase"]) {
    const statement = { ...ALLOW, Condition: { [operator]: ATTESTED } };
    assert.equal(verdict([statement], ATTESTED), "allowed");
    assert.equal(verdict([statement], { [IMAGE]: "00".repeat(48) }), "denied");
    assert.equal(verdict([statement]), "denied");
  }
  const upper = { [IMAGE]: PCR0.toUpperCase() };
  assert.equal(verdict([{ ...ALLOW, Condition: { StringEquals: upper } }], ATTESTED), "denied");
  const ignoring = { StringEqualsIgnoreCase: upper };
  assert.equal(verdict([{ ...ALLOW, Condition: ignoring }], ATTESTED), "allowed");
});

test("a negated condition also holds when the key is absent", () => {
  for (const operator of ["StringNotEquals", "StringNotEqualsIgnoreCase"]) {
    const statements = [ALLOW, { ...DENY, Condition: { [operator]: ATTESTED } }];
    assert.equal(verdict(statements, ATTESTED), "allowed");
    assert.equal(verdict(statements, { [IMAGE]: "00".repeat(48) }), "explicitly denied");
    assert.equal(verdict(statements), "explicitly denied");
  }
  const bare = { ...DENY, Condition: { Null: { [IMAGE]: "true" } } };
  assert.equal(verdict([ALLOW, bare]), "explicitly denied");
  assert.equal(verdict([ALLOW, bare], ATTESTED), "allowed");
});

test("all conditions of a statement must hold, any value of a list will do", () => {
  const purpose = "kms:EncryptionContext:redoubt:purpose";
  const condition = {
    StringEquals: { "kms:RecipientAttestation:PCR16": ["x", "y"], [purpose]: "bundle" },
  };
  const statement = { ...ALLOW, Condition: condition };
  const good = { "kms:RecipientAttestation:PCR16": "y", [purpose]: "bundle" };
  assert.equal(verdict([statement], good), "allowed");
  assert.equal(verdict([statement], { ...good, [purpose]: "other" }), "denied");
  assert.equal(verdict([statement], { ...good, "kms:RecipientAttestation:PCR16": "z" }), "denied");
});

for (const [title, statement] of Object.entries({
  "an unknown operator": { ...ALLOW, Condition: { StringLike: ATTESTED } },
  "an unknown condition key": { ...ALLOW, Condition: { StringEquals: { "aws:SourceIp": "x" } } },
  "the bare attestation key": {
    ...ALLOW,
    Condition: { Null: { "kms:RecipientAttestation": "x" } },
  },
  NotAction: { ...ALLOW, NotAction: "kms:Sign" },
  "another effect": { ...ALLOW, Effect: "allow" },
  "another resource": { ...ALLOW, Resource: "arn:other" },
  "a numeric action": { ...ALLOW, Action: 1 },
})) {
  test(`a policy with ${title} is not understood`, () => {
    assert.equal(verdict([ALLOW, statement], ATTESTED), "not understood");
  });
}
