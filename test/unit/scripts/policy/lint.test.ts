import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { FINDINGS } from "../../../../scripts/policy/finding.ts";
import { policyAdministrators } from "../../../../scripts/policy/lint.ts";
import {
  add,
  CONTEXT,
  change,
  ENCLAVE,
  findingsOf,
  type Row,
  remove,
  testRows,
} from "../../../fakes/broken-policy.ts";
import {
  ACCOUNT,
  ADMIN,
  draftOf,
  FOREIGNER,
  IMAGE,
  MANIFEST,
  NEXT_IMAGE,
  NEXT_MANIFEST,
  PLAN,
  ROLE,
  SEALER,
  STRANGER,
  textOfDraft,
} from "../../../fakes/key-policy.ts";

const ROOT = { AWS: `arn:aws:iam::${ACCOUNT}:root` };
const SESSION = `arn:aws:sts::${ACCOUNT}:assumed-role/redoubt-parent/i-0`;
const KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/0";
const OPEN = "CONTEXT_MISSING DECRYPT_UNATTESTED";

describe("lintKeyPolicy on actions", () => {
  const rows: readonly Row[] = [
    ["re-encryption", "REENCRYPT_ALLOWED", add({ Action: "kms:ReEncryptFrom" })],
    [
      "re-encryption to the key",
      "CONTEXT_MISSING REENCRYPT_ALLOWED",
      add({ Action: "kms:ReEncryptTo" }),
    ],
    [
      "re-encryption by pattern",
      "ACTION_WILDCARD CONTEXT_MISSING REENCRYPT_ALLOWED",
      add({ Action: "kms:ReEncrypt*" }),
    ],
    ["grants", "GRANT_ALLOWED", add({ Action: "kms:CreateGrant" })],
    [
      "grants for services",
      "GRANT_ALLOWED",
      add({
        Action: "kms:CreateGrant",
        Condition: { Bool: { "kms:GrantIsForAWSResource": true } },
      }),
    ],
    ["replicas", "REPLICATE_ALLOWED", add({ Action: "kms:ReplicateKey" })],
    ["key material", "IMPORT_ALLOWED", add({ Action: "kms:ImportKeyMaterial" })],
    ["deletion", "KEY_DELETION", add({ Action: "kms:ScheduleKeyDeletion" })],
    ["deletion of material", "KEY_DELETION", add({ Action: "kms:DeleteImportedKeyMaterial" })],
    ["disabling", "KEY_DISABLE", add({ Action: "kms:DisableKey" })],
    ["pairs of data keys", "ACTION_FOREIGN", add({ Action: ["kms:GenerateDataKeyPair"] })],
    ["shared secrets", "ACTION_FOREIGN", add({ Action: "kms:DeriveSharedSecret" })],
    ["signing", "ACTION_FOREIGN", add({ Action: "kms:Sign" })],
    ["reading about the key", "", add({ Action: ["kms:Describe*", "kms:Get*", "kms:List*"] })],
    ["aliases", "", add({ Action: ["kms:CreateAlias", "kms:UpdateAlias"] })],
    ["a harmless pattern", "ACTION_PATTERN", add({ Action: "kms:Tag*" })],
    ["kms:De*", `ACTION_FOREIGN ACTION_WILDCARD ${OPEN} KEY_DELETION`, add({ Action: "kms:De*" })],
    ["a pattern in another case", `ACTION_WILDCARD ${OPEN}`, add({ Action: "KMS:d?crypt" })],
    ["an action in another case", OPEN, add({ Action: "kms:DECRYPT" })],
    ["an unknown action", "ACTION_UNKNOWN_ALLOWED", add({ Action: "kms:ReEncrypt" })],
    ["no Action", "STATEMENT_EMPTY", add({})],
    ["no Resource", "STATEMENT_EMPTY", add({ Action: "kms:Decrypt", Resource: undefined })],
    ["a named key", "RESOURCE_NARROW", add({ Action: "kms:DescribeKey", Resource: KEY_ARN })],
    [
      "all keys but one",
      "NOT_RESOURCE",
      add({ Action: "kms:DescribeKey", Resource: undefined, NotResource: KEY_ARN }),
    ],
    // Which AWS recommends for the root's statement ("Condition keys for AWS Nitro Enclaves").
    [
      "everything but Decrypt",
      "ACCOUNT_ROOT ACTION_FOREIGN CONTEXT_MISSING GRANT_ALLOWED IMPORT_ALLOWED KEY_DELETION NOT_ACTION POLICY_BY_ANYONE REENCRYPT_ALLOWED REPLICATE_ALLOWED",
      add({ Principal: ROOT, NotAction: "kms:Decrypt" }),
    ],
  ];
  testRows(rows, "Added");

  const sealing: readonly Row[] = [
    [
      "all data keys",
      "ACTION_FOREIGN ACTION_PATTERN",
      change("Sealing", { Action: "kms:GenerateDataKey*" }),
    ],
    ["sealing for any purpose", "CONTEXT_MISSING", change("Sealing", { Condition: undefined })],
    [
      "the parent sealing",
      "SEAL_BY_READER",
      change("Sealing", { Principal: { AWS: [SEALER, ROLE] } }),
    ],
    [
      "a session of the parent sealing",
      "SEAL_BY_READER",
      change("Sealing", { Principal: { AWS: SESSION } }),
    ],
    ["nobody who decrypts", "NOBODY_DECRYPTS", remove(ENCLAVE)],
  ];
  testRows(sealing, "Sealing");
});

describe("lintKeyPolicy on principals", () => {
  const read = { Action: "kms:DescribeKey" };
  const put = { Action: "kms:PutKeyPolicy" };
  const decrypt = { Action: "kms:Decrypt" };
  const rows: readonly Row[] = [
    ["everybody", "PRINCIPAL_ANYONE", add({ Principal: "*", ...read })],
    ["everybody of AWS", "PRINCIPAL_ANYONE", add({ Principal: { AWS: "*" }, ...read })],
    [
      "everybody beside one",
      "PRINCIPAL_ANYONE",
      add({ Principal: { AWS: [STRANGER, "*"] }, ...read }),
    ],
    [
      "everybody but one",
      "NOT_PRINCIPAL",
      add({ Principal: undefined, NotPrincipal: { AWS: STRANGER }, ...read }),
    ],
    ["the account reading", "ACCOUNT_READS", add({ Principal: ROOT, ...read })],
    ["the account by number", "ACCOUNT_READS", add({ Principal: { AWS: ACCOUNT }, ...read })],
    ["the account tagging", "ACCOUNT_ROOT", add({ Principal: ROOT, Action: "kms:TagResource" })],
    ["the account's policy", "ACCOUNT_ROOT POLICY_BY_ANYONE", add({ Principal: ROOT, ...put })],
    ["everybody's policy", "POLICY_BY_ANYONE PRINCIPAL_ANYONE", add({ Principal: "*", ...put })],
    [
      "the policy of all but one",
      "NOT_PRINCIPAL POLICY_BY_ANYONE",
      add({ Principal: undefined, NotPrincipal: { AWS: ROLE }, ...put }),
    ],
    ["another administrator", "", add(put)],
    ["an administrator who decrypts", "POLICY_BY_USER", add({ Principal: { AWS: ROLE }, ...put })],
    ["an administrator who seals", "POLICY_BY_USER", add({ Principal: { AWS: SEALER }, ...put })],
    ["an administrator by session", "POLICY_BY_USER", add({ Principal: { AWS: SESSION }, ...put })],
    [
      "the parent encrypting",
      "SEAL_BY_READER",
      add({ Principal: { AWS: ROLE }, Action: "kms:Encrypt", Condition: CONTEXT }),
    ],
    ["another role without an enclave", OPEN, add(decrypt)],
    [
      "another account",
      "DECRYPT_UNATTESTED",
      add({ Principal: { AWS: FOREIGNER }, ...decrypt, Condition: CONTEXT }),
    ],
    [
      "a service",
      "DECRYPT_UNATTESTED PRINCIPAL_SERVICE",
      add({ Principal: { Service: "lambda.amazonaws.com" }, ...decrypt, Condition: CONTEXT }),
    ],
    [
      "a service's policy",
      "POLICY_BY_ANYONE PRINCIPAL_SERVICE",
      add({ Principal: { AWS: ADMIN, Service: "cloudformation.amazonaws.com" }, ...put }),
    ],
    ["a service that reads", "", add({ Principal: { Service: "config.amazonaws.com" }, ...read })],
  ];
  testRows(rows, "Added");
});

describe("lintKeyPolicy", () => {
  it("finds nothing in what redoubt policy writes, in an upgrade window neither", () => {
    const image = new Map([0, 1, 2, 16].map((index) => [index, [IMAGE]]));
    assert.deepEqual(findingsOf(textOfDraft(draftOf({ ...PLAN, pcrs: image }))), []);
    const pcrs = new Map([
      [0, [IMAGE, NEXT_IMAGE]],
      [1, [IMAGE]],
      [2, [IMAGE, NEXT_IMAGE]],
      [3, [IMAGE]],
      [8, [IMAGE]],
      [16, [MANIFEST]],
    ]);
    assert.deepEqual(findingsOf(textOfDraft(draftOf({ ...PLAN, pcrs }))), []);
    pcrs.set(16, [MANIFEST, NEXT_MANIFEST]);
    const pairs = [`PCR_PAIRS@${ENCLAVE}`];
    assert.deepEqual(findingsOf(textOfDraft(draftOf({ ...PLAN, pcrs }))), pairs);
  });

  it("has each of its codes in a test here", () => {
    const texts = readdirSync(import.meta.dirname).map((name) =>
      readFileSync(join(import.meta.dirname, name), "utf8"),
    );
    const untested = Object.keys(FINDINGS).filter(
      (code) => !texts.some((text) => new RegExp(`\\b${code}\\b`).test(text)),
    );
    assert.deepEqual(untested, []);
  });

  it("names the version that is missing or old", () => {
    const Statement = [...draftOf().values()];
    const expected = [`IMAGE_PARTS_UNPINNED@${ENCLAVE}`, "VERSION_MISSING@policy"];
    assert.deepEqual(findingsOf(JSON.stringify({ Statement })), expected);
    const old = { Version: "2008-10-17", Statement };
    assert.deepEqual(findingsOf(JSON.stringify(old)), expected);
  });

  it("names a statement without Sid by its place", () => {
    const draft = draftOf();
    change(ENCLAVE, { Sid: undefined, Condition: CONTEXT })(draft);
    assert.deepEqual(findingsOf(textOfDraft(draft)), ["DECRYPT_UNATTESTED@Statement[0]"]);
  });

  it("names a hole twice that two statements of one Sid have", () => {
    const open = { Sid: "Same", Effect: "Allow", Principal: { AWS: ROLE }, Resource: "*" };
    const Statement = [open, open].map((each) => ({ ...each, Action: "kms:CreateGrant" }));
    const found = findingsOf(JSON.stringify({ Version: "2012-10-17", Statement }));
    const grants = found.filter((name) => name.startsWith("GRANT_ALLOWED"));
    const expected = ["GRANT_ALLOWED@Same Statement[0]", "GRANT_ALLOWED@Same Statement[1]"];
    assert.deepEqual(grants, expected);
  });

  it("passes no policy that it does not understand", () => {
    const rows = ["", "{}", `${textOfDraft(draftOf())}}`, " ".repeat(32_769)];
    for (const text of rows) {
      assert.deepEqual(findingsOf(text), ["POLICY_NOT_UNDERSTOOD@policy"], text.slice(0, 60));
    }
  });

  it("names all that is wrong with the default policy of AWS", () => {
    const statement = { Sid: "Default", Effect: "Allow", Principal: ROOT, Action: "kms:*" };
    const Statement = { ...statement, Resource: "*" };
    const codes = findingsOf(JSON.stringify({ Version: "2012-10-17", Statement }));
    const expected =
      "ACCOUNT_ROOT ACTION_FOREIGN ACTION_WILDCARD CONTEXT_MISSING DECRYPT_NOT_DENIED " +
      "DECRYPT_NOT_DENIED DECRYPT_UNATTESTED GRANT_ALLOWED GRANT_NOT_DENIED IMPORT_ALLOWED " +
      "KEY_DELETION POLICY_BY_ANYONE REENCRYPT_ALLOWED REENCRYPT_NOT_DENIED REPLICATE_ALLOWED " +
      "SEAL_BY_READER";
    assert.deepEqual(
      codes.map((name) => name.split("@")[0]),
      expected.split(" "),
    );
  });
});

function administrators(text: string) {
  return policyAdministrators(new TextEncoder().encode(text));
}

describe("policyAdministrators", () => {
  it("names who may change the policy", () => {
    const draft = draftOf();
    assert.deepEqual(administrators(textOfDraft(draft)), [ADMIN]);
    draft.delete("Administration");
    assert.deepEqual(administrators(textOfDraft(draft)), []);
    add({ Principal: undefined, NotPrincipal: { AWS: ROLE }, Action: "kms:Put*" })(draft);
    assert.deepEqual(administrators(textOfDraft(draft)), [`everybody but ${ROLE}`]);
    assert.equal(administrators("{}"), null);
  });
});
