// Laws of key policies. What `redoubt policy` writes allows exactly what it should, whatever is
// asked. And the lint is sound: a policy without a hole, however it came about, lets nobody open a
// data key outside the measured enclave, nor change the policy who uses the key.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { createKeyPolicyEvaluator } from "../../../scripts/local/kms-policy.ts";
import { buildKeyPolicy } from "../../../scripts/policy/key-policy.ts";
import { KMS_ACTIONS } from "../../../scripts/policy/kms-actions.ts";
import { lintKeyPolicy } from "../../../scripts/policy/lint.ts";
import { encodeHex } from "../../../shared/bytes/hex.ts";
import {
  ACCOUNT,
  ADMIN,
  BUNDLE_KEY,
  type Draft,
  draftOf,
  FOREIGNER,
  IMAGE_HEX,
  MANIFEST_HEX,
  NEXT_IMAGE_HEX,
  PCR0_KEY,
  PCR16_KEY,
  PURPOSE_KEY,
  ROLE,
  SEALER,
  STRANGER,
  textOfDraft,
  ZERO_HEX,
} from "../../fakes/key-policy.ts";

const WHO = [ROLE, SEALER, ADMIN, STRANGER, FOREIGNER];
const EVIL_HEX = "ee".repeat(48);
const BUNDLE_ID = "00112233445566778899aabbccddeeff";
const SEALED = { [PURPOSE_KEY]: "redoubt/keys", [BUNDLE_KEY]: BUNDLE_ID };

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Whether a policy allows a call; a context value of null is a key that the call does not have. */
function judgeOf(policy: string) {
  const evaluate = createKeyPolicyEvaluator(policy);
  return (
    principalArn: string,
    action: string,
    context: Readonly<Record<string, string | null>>,
  ) => {
    const known = Object.entries(context).flatMap(([key, value]) =>
      value === null ? [] : [[key, value] as const],
    );
    return evaluate({ principalArn, action, context: new Map(known) });
  };
}

const registerBytes = fc
  .uint8Array({ minLength: 48, maxLength: 48 })
  .filter((bytes) => bytes.some((byte) => byte !== 0));
const values = fc.uniqueArray(registerBytes, {
  minLength: 1,
  maxLength: 3,
  selector: (bytes) => encodeHex(bytes),
});

const plans = fc.record({
  roleArn: fc.constant(ROLE),
  sealerArns: fc.constantFrom<readonly string[]>([SEALER], [SEALER, FOREIGNER]),
  adminArns: fc.constant([ADMIN]),
  pcrs: fc
    .tuple(values, values, fc.subarray([3, 4, 8]), values)
    .map(([images, manifests, others, more]) => {
      return new Map<number, readonly Uint8Array[]>([
        [0, images],
        [16, manifests],
        ...others.map((index) => [index, more] as const),
      ]);
    }),
});

/** What the document of a call says of one register: right, wrong, zero, or there is none. */
const state = fc.oneof(
  { weight: 12, arbitrary: fc.constant("right" as const) },
  { weight: 1, arbitrary: fc.constantFrom("upper", "wrong", "zero", "absent") },
);
const purposes = fc.constantFrom("redoubt/keys", "redoubt/store", "Redoubt/keys", "", null);

describe("the policy that redoubt policy writes", () => {
  const requests = fc.record({
    plan: plans,
    who: fc.constantFrom(ROLE, ROLE, ROLE, ...WHO),
    action: fc.constantFrom("kms:Decrypt", "kms:Decrypt", "kms:GenerateDataKey", ...KMS_ACTIONS),
    states: fc.record({ 0: state, 3: state, 4: state, 8: state, 16: state }),
    purpose: purposes,
    bundle: fc.constantFrom(BUNDLE_ID, BUNDLE_ID, null),
  });

  it("allows what it should, and nothing else", () => {
    let allowedCount = 0;
    fc.assert(
      fc.property(requests, fc.nat(2), ({ plan, who, action, states, purpose, bundle }, pick) => {
        const context: Record<string, string | null> = {
          [PURPOSE_KEY]: purpose,
          [BUNDLE_KEY]: bundle,
        };
        let isMeasured = true;
        for (const [index, each] of Object.entries(states)) {
          const list = plan.pcrs.get(Number(index)) ?? [];
          const right = encodeHex(list[pick % list.length] ?? new Uint8Array(48).fill(1));
          const said = { right, upper: right.toUpperCase(), wrong: EVIL_HEX, zero: ZERO_HEX };
          const isRight = each === "right" || each === "upper";
          if (list.length > 0 && !isRight) isMeasured = false;
          context[`kms:RecipientAttestation:PCR${index}`] = each === "absent" ? null : said[each];
        }
        const isPurpose = purpose === "redoubt/keys" || purpose === "redoubt/store";
        const isSealed = isPurpose && bundle !== null;
        const isAdmin =
          /^kms:(DescribeKey|GetKeyPolicy|PutKeyPolicy|ListGrants|RevokeGrant)$/.test(action) ||
          /^kms:(EnableKey|DisableKey|CancelKeyDeletion)$/.test(action);
        const isRight =
          (action === "kms:Decrypt" && who === ROLE && isMeasured && isSealed) ||
          (action === "kms:GenerateDataKey" && plan.sealerArns.includes(who) && isSealed) ||
          (isAdmin && who === ADMIN);
        const judge = judgeOf(JSON.stringify(buildKeyPolicy(plan)));
        assert.equal(judge(who, action, context) === "allowed", isRight);
        if (isRight) allowedCount += 1;
      }),
      { numRuns: 1000 },
    );
    assert.ok(allowedCount > 0, `${allowedCount} requests of the right kind were tried`);
  });

  it("denies a wrong or absent register to a grant or another statement, too", () => {
    fc.assert(
      fc.property(
        plans,
        fc.constantFrom(...WHO),
        fc.constantFrom(EVIL_HEX, ZERO_HEX, null),
        (plan, who, wrong) => {
          const built = buildKeyPolicy(plan);
          // What a grant or a later, careless statement would add.
          const open = { Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" };
          const judge = judgeOf(
            JSON.stringify({ ...built, Statement: [...built.Statement, open] }),
          );
          for (const index of plan.pcrs.keys()) {
            const context: Record<string, string | null> = { ...SEALED };
            for (const [each, [value = new Uint8Array(48)]] of plan.pcrs) {
              const said = each === index ? wrong : encodeHex(value);
              context[`kms:RecipientAttestation:PCR${each}`] = said;
            }
            assert.equal(judge(who, "kms:Decrypt", context), "explicitly denied");
          }
          for (const action of ["kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:CreateGrant"]) {
            assert.equal(judge(who, action, SEALED), "explicitly denied");
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

const OPERATORS = [
  "StringEquals",
  "StringEqualsIgnoreCase",
  "StringNotEquals",
  "StringNotEqualsIgnoreCase",
  "StringLike",
  "StringNotLike",
  "StringEqualsIfExists",
  "StringNotEqualsIfExists",
  "StringLikeIfExists",
  "ForAllValues:StringEquals",
  "ForAllValues:StringNotEquals",
  "ForAnyValue:StringEquals",
  "ForAnyValue:StringNotEquals",
  "ForAnyValue:StringEqualsIfExists",
];

// A lint can't know that a value is an enemy's: those written into policies are the good ones,
// zeros, patterns and prefixes of them.
const written = fc.constantFrom(
  IMAGE_HEX,
  IMAGE_HEX,
  NEXT_IMAGE_HEX,
  IMAGE_HEX.toUpperCase(),
  ZERO_HEX,
  "*",
  "?".repeat(96),
  IMAGE_HEX.slice(2),
);
const manifests = fc.constantFrom(MANIFEST_HEX, MANIFEST_HEX, MANIFEST_HEX, ZERO_HEX, "c*");
const lists = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 2 });

const condition = fc.oneof(
  { weight: 3, arbitrary: fc.record({ [PCR0_KEY]: lists(written) }) },
  { weight: 3, arbitrary: fc.record({ [PCR16_KEY]: lists(manifests) }) },
  { weight: 3, arbitrary: fc.record({ [PCR0_KEY]: written, [PCR16_KEY]: manifests }) },
  { weight: 1, arbitrary: fc.record({ "kms:RecipientAttestation:ImageSha384": written }) },
  { weight: 1, arbitrary: fc.record({ "kms:RecipientAttestation:PCR3": written }) },
  { weight: 1, arbitrary: fc.record({ [PURPOSE_KEY]: fc.constant("redoubt/keys") }) },
);
const conditions = fc
  .array(fc.tuple(fc.constantFrom(...OPERATORS), condition), { maxLength: 3 })
  .chain((pairs) =>
    fc.constantFrom("true", "false", null).map((isNull) => ({
      ...Object.fromEntries(pairs),
      ...(isNull === null ? {} : { Null: { [PCR0_KEY]: isNull } }),
    })),
  );

const somebody = fc.oneof(
  fc.constantFrom("*", { AWS: "*" }, { AWS: ACCOUNT }, { AWS: `arn:aws:iam::${ACCOUNT}:root` }),
  fc.subarray(WHO, { minLength: 1, maxLength: 2 }).map((AWS) => ({ AWS })),
);
const action = fc.oneof(
  { weight: 4, arbitrary: fc.constant("kms:Decrypt") },
  { weight: 1, arbitrary: fc.constantFrom(...KMS_ACTIONS) },
  { weight: 1, arbitrary: fc.constantFrom("*", "kms:*", "kms:De*", "kms:Re*", "kms:ReEncrypt") },
);

const statement: fc.Arbitrary<Draft> = fc
  .record({
    effect: fc.constantFrom("Allow", "Deny"),
    principal: fc.tuple(fc.constantFrom("Principal", "Principal", "NotPrincipal"), somebody),
    action: fc.tuple(fc.constantFrom("Action", "Action", "NotAction"), lists(action)),
    hasResource: fc.constantFrom(true, true, true, false),
    conditions: fc.option(conditions),
  })
  .map((parts) => ({
    Effect: parts.effect,
    [parts.principal[0]]: parts.principal[1],
    [parts.action[0]]: parts.action[1],
    ...(parts.hasResource ? { Resource: "*" } : {}),
    ...(parts.conditions === null ? {} : { Condition: parts.conditions }),
  }));

type Change = (draft: Map<string, Draft>) => unknown;
const SIDS = [...draftOf().keys()];

/** Changes elements of a statement that is still there. */
function edit(sid: string, fields: Draft): Change {
  return (draft) => {
    const before = draft.get(sid);
    if (before !== undefined) draft.set(sid, { ...before, ...fields });
  };
}

/** Takes a statement away, adds one, or changes one element of one. */
const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.constantFrom(...SIDS).map(
    (sid): Change =>
      (draft) =>
        draft.delete(sid),
  ),
  fc.tuple(fc.nat(3), statement).map(([place, added]): Change => {
    return (draft) => draft.set(`added ${place}`, added);
  }),
  fc
    .tuple(fc.constantFrom(...SIDS), conditions)
    .map(([sid, Condition]) => edit(sid, { Condition })),
  fc.tuple(fc.constantFrom(...SIDS), somebody).map(([sid, Principal]) => edit(sid, { Principal })),
  fc.tuple(fc.constantFrom(...SIDS), lists(action)).map(([sid, Action]) => edit(sid, { Action })),
);

/** Contexts of calls that must not open a data key, whoever makes them. */
const BAD_CONTEXTS = [null, IMAGE_HEX, NEXT_IMAGE_HEX, EVIL_HEX, ZERO_HEX]
  .flatMap((image) =>
    [null, MANIFEST_HEX, EVIL_HEX, ZERO_HEX].map((manifest) => ({ image, manifest })),
  )
  .filter(({ image, manifest }) => {
    const isGoodImage = image === IMAGE_HEX || image === NEXT_IMAGE_HEX;
    return !isGoodImage || manifest !== MANIFEST_HEX;
  })
  .map(({ image, manifest }) => ({
    ...SEALED,
    [PCR0_KEY]: image,
    [PCR16_KEY]: manifest,
    "kms:RecipientAttestation:PCR3": image === null ? null : IMAGE_HEX,
  }));

function openings(policy: string): readonly string[] {
  const found: string[] = [];
  const judge = judgeOf(policy);
  for (const who of WHO) {
    for (const context of BAD_CONTEXTS) {
      if (judge(who, "kms:Decrypt", context) === "allowed") found.push(`${who} decrypts`);
    }
    for (const each of ["kms:ReEncryptFrom", "kms:CreateGrant", "kms:ReplicateKey"]) {
      if (judge(who, each, SEALED) === "allowed") found.push(`${who} ${each}`);
    }
    const measured = { ...SEALED, [PCR0_KEY]: IMAGE_HEX, [PCR16_KEY]: MANIFEST_HEX };
    const canPut = judge(who, "kms:PutKeyPolicy", {}) === "allowed";
    const canDecrypt = judge(who, "kms:Decrypt", measured) === "allowed";
    const canSeal = judge(who, "kms:GenerateDataKey", SEALED) === "allowed";
    if (canPut && (canDecrypt || canSeal)) found.push(`${who} uses the key and puts its policy`);
    if (canDecrypt && canSeal) found.push(`${who} decrypts and seals`);
  }
  return found;
}

describe("lintKeyPolicy", () => {
  it("finds a hole in every policy that opens data keys", () => {
    let cleanCount = 0;
    let openCount = 0;
    fc.assert(
      fc.property(fc.array(changes, { minLength: 1, maxLength: 3 }), (all) => {
        const draft = draftOf();
        for (const change of all) change(draft);
        const policy = textOfDraft(draft);
        const holes = lintKeyPolicy(bytesOf(policy)).filter(({ severity }) => severity === "hole");
        const opened = openings(policy);
        if (opened.length > 0) openCount += 1;
        if (holes.length > 0) return;
        cleanCount += 1;
        assert.deepEqual(opened, [], policy);
      }),
      { numRuns: 400 },
    );
    assert.ok(cleanCount > 0, `${cleanCount} policies without a hole were tried`);
    assert.ok(openCount > 0, `${openCount} policies that open data keys were tried`);
  });

  it("is total", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        assert.equal(lintKeyPolicy(bytesOf(text))[0]?.code, "POLICY_NOT_UNDERSTOOD");
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.equal(lintKeyPolicy(bytes)[0]?.code, "POLICY_NOT_UNDERSTOOD");
      }),
    );
  });
});
