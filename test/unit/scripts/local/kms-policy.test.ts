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

test("sets and IfExists hold for an absent key as IAM says", () => {
  const rows: readonly (readonly [operator: string, right: string, wrong: string, none: string])[] =
    [
      ["StringEquals", "allowed", "denied", "denied"],
      ["StringEqualsIfExists", "allowed", "denied", "allowed"],
      ["ForAllValues:StringEquals", "allowed", "denied", "allowed"],
      ["ForAnyValue:StringEquals", "allowed", "denied", "denied"],
      ["StringNotEquals", "denied", "allowed", "allowed"],
      ["StringNotEqualsIfExists", "denied", "allowed", "allowed"],
      ["ForAllValues:StringNotEquals", "denied", "allowed", "allowed"],
      ["ForAnyValue:StringNotEquals", "denied", "allowed", "denied"],
    ];
  for (const [operator, right, wrong, none] of rows) {
    const statement = { ...ALLOW, Condition: { [operator]: ATTESTED } };
    assert.equal(verdict([statement], ATTESTED), right, operator);
    assert.equal(verdict([statement], { [IMAGE]: "00".repeat(48) }), wrong, operator);
    assert.equal(verdict([statement]), none, operator);
  }
});

function like(pattern: string): string {
  return verdict([{ ...ALLOW, Condition: { StringLike: { [IMAGE]: pattern } } }], ATTESTED);
}

test("patterns fit any text for a star and any character for a question mark", () => {
  assert.equal(like("*"), "allowed");
  assert.equal(like("ab*ab"), "allowed");
  assert.equal(like("a".repeat(97)), "denied");
  assert.equal(like("?".repeat(96)), "allowed");
  assert.equal(like("?".repeat(95)), "denied");
  assert.equal(like("AB*"), "denied");
  for (const action of ["*", "kms:*", "kms:De*", "KMS:d?crypt", "kms:*t", "kms:*cry*"]) {
    assert.equal(verdict([{ ...ALLOW, Action: action }]), "allowed", action);
  }
  for (const action of ["kms:De", "kms:*x", "kms:Decrypt?", "kms", ""]) {
    assert.equal(verdict([{ ...ALLOW, Action: action }]), "denied", action);
  }
});

test("both names of PCR0 are one register", () => {
  const named = { "kms:RecipientAttestation:PCR0": PCR0 };
  assert.equal(verdict([{ ...ALLOW, Condition: { StringEquals: named } }], ATTESTED), "allowed");
});

test("negated elements select everything else", () => {
  const { Action: _, ...withoutAction } = ALLOW;
  const { Principal: __, ...withoutPrincipal } = ALLOW;
  assert.equal(verdict([{ ...withoutAction, NotAction: "kms:Encrypt" }]), "allowed");
  assert.equal(verdict([{ ...withoutAction, NotAction: "kms:De*" }]), "denied");
  assert.equal(verdict([{ ...withoutPrincipal, NotPrincipal: { AWS: `${ARN}x` } }]), "allowed");
  assert.equal(verdict([{ ...withoutPrincipal, NotPrincipal: { AWS: ARN } }]), "denied");
});

test("a statement without Action or Resource has no effect", () => {
  const { Action: _, ...withoutAction } = ALLOW;
  const { Resource: __, ...withoutResource } = DENY;
  assert.equal(verdict([withoutAction]), "denied");
  assert.equal(verdict([ALLOW, withoutResource]), "allowed");
});

for (const [title, statement] of Object.entries({
  "an operator of no text": { ...ALLOW, Condition: { Bool: ATTESTED } },
  "an operator that IAM has not": { ...ALLOW, Condition: { StringAlike: ATTESTED } },
  "a variable": { ...ALLOW, Condition: { StringEquals: { [IMAGE]: "${aws:username}" } } },
  "an unknown condition key": { ...ALLOW, Condition: { StringEquals: { "aws:SourceIp": "x" } } },
  "the bare attestation key": {
    ...ALLOW,
    Condition: { Null: { "kms:RecipientAttestation": "x" } },
  },
  "both Action and NotAction": { ...ALLOW, NotAction: "kms:Sign" },
  "another effect": { ...ALLOW, Effect: "allow" },
  "another resource": { ...ALLOW, Resource: "arn:other" },
  "an action that is no text": { ...ALLOW, Action: [null] },
})) {
  test(`a policy with ${title} is not understood`, () => {
    assert.equal(verdict([ALLOW, statement], ATTESTED), "not understood");
  });
}
