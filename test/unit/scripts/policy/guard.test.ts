import { describe } from "node:test";
import {
  add,
  type Break,
  both,
  change,
  type Row,
  remove,
  testRows,
} from "../../../fakes/broken-policy.ts";
import {
  ACCOUNT,
  ADMIN,
  type Draft,
  IMAGE_HEX,
  MANIFEST_HEX,
  NEXT_IMAGE_HEX,
  PCR0_KEY,
  PCR16_KEY,
  ROLE,
  ZERO_HEX,
} from "../../../fakes/key-policy.ts";

const IMAGE_DENY = "NoDecryptWithoutPCR0";
const MANIFEST_DENY = "NoDecryptWithoutPCR16";
const KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/0";

const deny = (fields: Draft): Break => change(IMAGE_DENY, fields);
const when = (Condition: Draft): Break => deny({ Condition });
const unless = (values: string | readonly string[]): Break =>
  when({ StringNotEqualsIgnoreCase: { [PCR0_KEY]: values } });
const denyDecrypt = (condition: Draft): Break =>
  add({ Effect: "Deny", Principal: "*", Action: "kms:Decrypt", Condition: condition });
const around = (fields: Draft): Break => change("NoWayAround", fields);

describe("lintKeyPolicy on Deny statements", () => {
  const conditions: readonly Row[] = [
    [
      "both registers in one Deny",
      "DENY_INEFFECTIVE",
      both(
        remove(MANIFEST_DENY),
        when({ StringNotEquals: { [PCR0_KEY]: IMAGE_HEX, [PCR16_KEY]: MANIFEST_HEX } }),
      ),
    ],
    [
      "a Deny for some addresses",
      "DENY_INEFFECTIVE",
      when({
        StringNotEquals: { [PCR0_KEY]: IMAGE_HEX },
        IpAddress: { "aws:SourceIp": "10.0.0.0/8" },
      }),
    ],
    [
      "ForAnyValue",
      "DENY_INEFFECTIVE",
      when({ "ForAnyValue:StringNotEquals": { [PCR0_KEY]: IMAGE_HEX } }),
    ],
    ["a pattern", "DENY_INEFFECTIVE", when({ StringNotLike: { [PCR0_KEY]: "a*" } })],
    ["a variable", "DENY_INEFFECTIVE PCR_MALFORMED", unless("${aws:PrincipalTag/pcr0}")],
    ["a pattern of nothing", "", when({ StringNotLike: { [PCR0_KEY]: IMAGE_HEX } })],
    ["IfExists", "", when({ StringNotEqualsIfExists: { [PCR0_KEY]: IMAGE_HEX } })],
    [
      "ImageSha384",
      "",
      when({ StringNotEquals: { "kms:RecipientAttestation:ImageSha384": IMAGE_HEX } }),
    ],
    ["unattested calls only", "DECRYPT_NOT_DENIED", when({ Null: { [PCR0_KEY]: "true" } })],
    [
      "one revoked image",
      "DECRYPT_NOT_DENIED",
      when({ StringEquals: { [PCR0_KEY]: NEXT_IMAGE_HEX } }),
    ],
    [
      "the bare key",
      "CONDITION_KEY_UNKNOWN DECRYPT_NOT_DENIED",
      when({ Null: { "kms:RecipientAttestation": "true" } }),
    ],
    ["debug enclaves spared", "PCR_LISTS_DIFFER PCR_ZERO", unless([IMAGE_HEX, ZERO_HEX])],
    ["another image spared", "PCR_LISTS_DIFFER", unless([IMAGE_HEX, NEXT_IMAGE_HEX])],
    ["the image denied", "PCR_LISTS_DIFFER", unless(NEXT_IMAGE_HEX)],
    ["a malformed value", "PCR_LISTS_DIFFER PCR_MALFORMED", unless("aa")],
    ["upper case", "PCR_CASE", when({ StringNotEquals: { [PCR0_KEY]: IMAGE_HEX.toUpperCase() } })],
  ];
  testRows(conditions, IMAGE_DENY);

  const elements: readonly Row[] = [
    ["no Deny for PCR0", "DECRYPT_NOT_DENIED", remove(IMAGE_DENY)],
    ["no Deny for PCR16", "DECRYPT_NOT_DENIED", remove(MANIFEST_DENY)],
    [
      "no Deny of Decrypt",
      "DECRYPT_NOT_DENIED DECRYPT_NOT_DENIED",
      both(remove(IMAGE_DENY), remove(MANIFEST_DENY)),
    ],
    ["one principal", "DENY_INEFFECTIVE", deny({ Principal: { AWS: ROLE } })],
    [
      "the account",
      "DENY_INEFFECTIVE",
      deny({ Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } }),
    ],
    [
      "all but one",
      "DENY_INEFFECTIVE",
      deny({ Principal: undefined, NotPrincipal: { AWS: ADMIN } }),
    ],
    ["no Resource", "DENY_EMPTY DECRYPT_NOT_DENIED", deny({ Resource: undefined })],
    ["no Action", "DENY_EMPTY DECRYPT_NOT_DENIED", deny({ Action: undefined })],
    ["another key", "DENY_INEFFECTIVE DENY_NARROW", deny({ Resource: KEY_ARN })],
    [
      "all keys but one",
      "DENY_INEFFECTIVE NOT_RESOURCE",
      deny({ Resource: undefined, NotResource: KEY_ARN }),
    ],
    [
      "a misspelt action",
      "ACTION_UNKNOWN_DENIED DECRYPT_NOT_DENIED",
      deny({ Action: "kms:Decypt" }),
    ],
    [
      "another service",
      "ACTION_UNKNOWN_DENIED DECRYPT_NOT_DENIED",
      deny({ Action: "ssm:Decrypt" }),
    ],
    ["everything but", "", deny({ Action: undefined, NotAction: ["kms:*Key*", "kms:*Grant*"] })],
    [
      "everything but Decrypt",
      "DECRYPT_NOT_DENIED",
      deny({ Action: undefined, NotAction: "kms:Decrypt" }),
    ],
    ["a pattern of actions", "", deny({ Action: "kms:De*pt" })],
    ["everybody in the other form", "", deny({ Principal: "*" })],
  ];
  testRows(elements, IMAGE_DENY);

  const ways: readonly Row[] = [
    ["no Deny of ways around", "GRANT_NOT_DENIED REENCRYPT_NOT_DENIED", remove("NoWayAround")],
    [
      "ReEncrypt, which is no action",
      "ACTION_UNKNOWN_DENIED REENCRYPT_NOT_DENIED",
      around({ Action: ["kms:ReEncrypt", "kms:CreateGrant"] }),
    ],
    [
      "half of ReEncrypt",
      "REENCRYPT_NOT_DENIED",
      around({ Action: ["kms:ReEncryptTo", "kms:CreateGrant"] }),
    ],
    [
      "the other half",
      "REENCRYPT_NOT_DENIED",
      around({ Action: ["kms:ReEncryptFrom", "kms:CreateGrant"] }),
    ],
    ["grants alone", "REENCRYPT_NOT_DENIED", around({ Action: "kms:CreateGrant" })],
    [
      "a condition",
      "GRANT_NOT_DENIED REENCRYPT_NOT_DENIED",
      around({ Condition: { Bool: { "kms:GrantIsForAWSResource": "false" } } }),
    ],
    [
      "one principal's ways around",
      "GRANT_NOT_DENIED REENCRYPT_NOT_DENIED",
      around({ Principal: { AWS: ROLE } }),
    ],
  ];
  testRows(ways, "NoWayAround");

  const more: readonly Row[] = [
    [
      "a revoked image beside it",
      "",
      denyDecrypt({ StringEquals: { [PCR0_KEY]: NEXT_IMAGE_HEX } }),
    ],
    [
      "debug enclaves denied beside it",
      "",
      denyDecrypt({ StringEquals: { [PCR0_KEY]: ZERO_HEX } }),
    ],
    ["unattested calls denied beside it", "", denyDecrypt({ Null: { [PCR0_KEY]: "true" } })],
    [
      "Decrypt denied to everybody",
      "NOBODY_DECRYPTS",
      add({ Effect: "Deny", Principal: "*", Action: "kms:Decrypt" }),
    ],
  ];
  testRows(more, "Added");
});
