import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateKeyPolicy } from "../../../scripts/local/kms-policy.ts";
import { blocksOf } from "./page.ts";

const [policy = ""] = blocksOf("kms.md", "json");
const PARENT = "arn:aws:iam::111122223333:role/redoubt-parent";
const SEALING = "arn:aws:iam::111122223333:role/redoubt-sealing";
const ADMIN = "arn:aws:iam::111122223333:role/redoubt-kms-admin";
const STRANGER = "arn:aws:iam::111122223333:role/some-administrator";
const BUNDLE = { "kms:EncryptionContext:redoubt:bundle": "00112233445566778899aabbccddeeff" };
const PURPOSE = { ...BUNDLE, "kms:EncryptionContext:redoubt:purpose": "redoubt/keys" };
const STORE_PURPOSE = { ...BUNDLE, "kms:EncryptionContext:redoubt:purpose": "redoubt/store" };
const OTHER_PURPOSE = { ...BUNDLE, "kms:EncryptionContext:redoubt:purpose": "other" };
const PARTS = {
  "kms:RecipientAttestation:PCR1": "2".padStart(96, "0"),
  "kms:RecipientAttestation:PCR2": "3".padStart(96, "0"),
};
const PCR0 = { "kms:RecipientAttestation:PCR0": "1".padStart(96, "0"), ...PARTS };
const OTHER_PARTS = { ...PCR0, "kms:RecipientAttestation:PCR1": "5".padStart(96, "0") };
const PCR16 = { "kms:RecipientAttestation:PCR16": "4".padStart(96, "0") };
const OTHER_PCR16 = { "kms:RecipientAttestation:PCR16": "5".padStart(96, "0") };

type Row = readonly [
  what: string,
  principal: string,
  action: string,
  context: Readonly<Record<string, string>>,
  verdict: string,
];

const ROWS: readonly Row[] = [
  ["the enclave", PARENT, "kms:Decrypt", { ...PURPOSE, ...PCR0, ...PCR16 }, "allowed"],
  [
    "the enclave for the store's credentials",
    PARENT,
    "kms:Decrypt",
    { ...STORE_PURPOSE, ...PCR0, ...PCR16 },
    "allowed",
  ],
  [
    "no enclave for the store's credentials",
    PARENT,
    "kms:Decrypt",
    STORE_PURPOSE,
    "explicitly denied",
  ],
  ["no context", PARENT, "kms:Decrypt", { ...PCR0, ...PCR16 }, "denied"],
  ["another purpose", PARENT, "kms:Decrypt", { ...OTHER_PURPOSE, ...PCR0, ...PCR16 }, "denied"],
  ["no PCR16", PARENT, "kms:Decrypt", { ...PURPOSE, ...PCR0 }, "explicitly denied"],
  ["no PCR0", PARENT, "kms:Decrypt", { ...PURPOSE, ...PARTS, ...PCR16 }, "explicitly denied"],
  [
    "an image cut elsewhere",
    PARENT,
    "kms:Decrypt",
    { ...PURPOSE, ...OTHER_PARTS, ...PCR16 },
    "explicitly denied",
  ],
  [
    "another manifest",
    PARENT,
    "kms:Decrypt",
    { ...PURPOSE, ...PCR0, ...OTHER_PCR16 },
    "explicitly denied",
  ],
  ["no enclave", PARENT, "kms:Decrypt", PURPOSE, "explicitly denied"],
  ["another role in the enclave", STRANGER, "kms:Decrypt", { ...PCR0, ...PCR16 }, "denied"],
  ["sealing", SEALING, "kms:GenerateDataKey", PURPOSE, "allowed"],
  ["sealing the store's credentials", SEALING, "kms:GenerateDataKey", STORE_PURPOSE, "allowed"],
  ["sealing for another purpose", SEALING, "kms:GenerateDataKey", OTHER_PURPOSE, "denied"],
  ["sealing by the parent", PARENT, "kms:GenerateDataKey", PURPOSE, "denied"],
  ["reading by who seals", SEALING, "kms:Decrypt", PURPOSE, "explicitly denied"],
  ["re-encryption", PARENT, "kms:ReEncryptFrom", { ...PCR0, ...PCR16 }, "explicitly denied"],
  ["a grant by the administrator", ADMIN, "kms:CreateGrant", {}, "explicitly denied"],
  ["the policy by the administrator", ADMIN, "kms:PutKeyPolicy", {}, "allowed"],
  ["reading by the administrator", ADMIN, "kms:Decrypt", PURPOSE, "explicitly denied"],
  ["the policy by another role of the account", STRANGER, "kms:PutKeyPolicy", {}, "denied"],
];

for (const [what, principalArn, action, context, verdict] of ROWS) {
  test(`the key policy of docs/kms.md answers "${verdict}" to ${what}`, () => {
    const request = { principalArn, action, context: new Map(Object.entries(context)) };
    assert.equal(evaluateKeyPolicy(policy, request), verdict);
  });
}
