import { describe } from "node:test";
import {
  type Break,
  CONTEXT,
  change,
  ENCLAVE,
  type Row,
  testRows,
} from "../../../fakes/broken-policy.ts";
import {
  type Draft,
  IMAGE_HEX,
  MANIFEST_HEX,
  NEXT_IMAGE_HEX,
  PCR0_KEY,
  PCR16_KEY,
  PURPOSE_KEY,
  ZERO_HEX,
} from "../../../fakes/key-policy.ts";

const GOOD = { [PCR0_KEY]: IMAGE_HEX, [PCR16_KEY]: MANIFEST_HEX };
const MANIFEST_PIN = { StringEqualsIgnoreCase: { [PCR16_KEY]: MANIFEST_HEX } };
const PURPOSE = { [PURPOSE_KEY]: "redoubt/keys" };
const UPPER = IMAGE_HEX.toUpperCase();

const attestation = (name: string) => `kms:RecipientAttestation:${name}`;

function conditions(value: Draft | undefined): Break {
  return change(ENCLAVE, { Condition: value });
}

/** Conditions beside the encryption context. */
function beside(condition: Draft): Break {
  return conditions({ ...CONTEXT, ...condition });
}

/** Registers by number or by the end of their key. */
function equal(registers: Readonly<Record<string, string | readonly string[]>>): Break {
  const named = Object.entries(registers).map(([name, value]) => {
    const end = /^\d+$/.test(name) ? `PCR${name}` : name;
    return [name.includes(":") ? name : attestation(end), value];
  });
  return beside({ StringEqualsIgnoreCase: Object.fromEntries(named) });
}

const image = (value: string | readonly string[]) => equal({ 0: value, 16: MANIFEST_HEX });

describe("lintKeyPolicy on registers", () => {
  const pinned: readonly Row[] = [
    ["no condition", "CONTEXT_MISSING DECRYPT_UNATTESTED", conditions(undefined)],
    ["no condition on the enclave", "DECRYPT_UNATTESTED", beside({})],
    ["any document", "DECRYPT_UNATTESTED", beside({ Null: { [PCR0_KEY]: "false" } })],
    ["a TPM's register", "DECRYPT_UNATTESTED", equal({ NitroTPMPCR4: IMAGE_HEX })],
    ["PCR0 without PCR16", "MANIFEST_UNPINNED", equal({ 0: IMAGE_HEX })],
    ["PCR0 alone", "IMAGE_PARTS_UNPINNED", equal({ 0: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["no PCR2", "IMAGE_PARTS_UNPINNED", equal({ 0: IMAGE_HEX, 1: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["PCR16 without PCR0", "IMAGE_UNPINNED", equal({ 16: MANIFEST_HEX })],
    ["PCR1 and PCR2", "IMAGE_UNPINNED", equal({ 1: IMAGE_HEX, 2: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["only the role", "MANIFEST_UNPINNED PCR_HOST_ONLY", equal({ 3: IMAGE_HEX })],
    ["only the instance", "MANIFEST_UNPINNED PCR_HOST_ONLY", equal({ 4: IMAGE_HEX })],
    ["the host", "PCR_HOST_ONLY", equal({ 3: IMAGE_HEX, 4: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["only the signer", "MANIFEST_UNPINNED PCR_SIGNER_ONLY", equal({ 8: IMAGE_HEX })],
    ["a signed image", "PCR_SIGNER_ONLY", equal({ 3: IMAGE_HEX, 8: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["ImageSha384", "", equal({ ImageSha384: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["another case", "", equal({ "KMS:recipientattestation:pcr0": IMAGE_HEX, 16: MANIFEST_HEX })],
    ["more registers", "", equal({ 0: IMAGE_HEX, 3: IMAGE_HEX, 8: IMAGE_HEX, 16: MANIFEST_HEX })],
    ["StringEquals in lower case", "", beside({ StringEquals: { ...GOOD, ...PURPOSE } })],
    ["a pattern beside a pin", "", beside({ StringLike: GOOD, StringEqualsIgnoreCase: GOOD })],
    [
      "any pattern beside a pin",
      "",
      beside({ StringLike: { [PCR0_KEY]: "*" }, StringEqualsIgnoreCase: GOOD }),
    ],
    [
      "two that exclude each other",
      "PCR_LISTS_DIFFER",
      beside({
        StringEquals: { [PCR0_KEY]: NEXT_IMAGE_HEX, [PCR16_KEY]: NEXT_IMAGE_HEX, ...PURPOSE },
        StringEqualsIgnoreCase: {
          ...MANIFEST_PIN.StringEqualsIgnoreCase,
          [PCR0_KEY]: NEXT_IMAGE_HEX,
        },
      }),
    ],
  ];
  testRows(pinned, ENCLAVE);

  const operators: readonly Row[] = [
    ["a pattern", "PCR_OPERATOR", beside({ StringLike: { [PCR0_KEY]: "aa*" }, ...MANIFEST_PIN })],
    [
      "a wildcard character",
      "PCR_OPERATOR",
      beside({ StringLike: { [PCR0_KEY]: "?".repeat(96) }, ...MANIFEST_PIN }),
    ],
    [
      "a pattern of nothing",
      "PCR_SET_OPERATOR",
      beside({ StringLike: { [PCR0_KEY]: IMAGE_HEX }, ...MANIFEST_PIN }),
    ],
    ["IfExists", "PCR_OPERATOR PCR_OPERATOR", beside({ StringEqualsIfExists: GOOD })],
    ["ForAllValues", "PCR_OPERATOR PCR_OPERATOR", beside({ "ForAllValues:StringEquals": GOOD })],
    [
      "ForAnyValue",
      "PCR_SET_OPERATOR PCR_SET_OPERATOR",
      beside({ "ForAnyValue:StringEquals": GOOD }),
    ],
    [
      "a set and IfExists",
      "PCR_OPERATOR PCR_OPERATOR",
      beside({ "ForAnyValue:StringEqualsIfExists": GOOD }),
    ],
    ["a negated operator", "PCR_OPERATOR PCR_OPERATOR", beside({ StringNotEquals: GOOD })],
    ["another type", "PCR_OPERATOR PCR_OPERATOR", beside({ BinaryEquals: GOOD })],
  ];
  testRows(operators, ENCLAVE);

  const values: readonly Row[] = [
    ["a debug enclave", "PCR_LISTS_DIFFER PCR_ZERO", image(ZERO_HEX)],
    ["a debug enclave too", "PCR_LISTS_DIFFER PCR_ZERO", image([IMAGE_HEX, ZERO_HEX])],
    ["no manifest", "PCR_LISTS_DIFFER PCR_ZERO", equal({ 0: IMAGE_HEX, 16: ZERO_HEX })],
    ["zeros of PCR1", "PCR_ZERO", equal({ 0: IMAGE_HEX, 1: ZERO_HEX, 16: MANIFEST_HEX })],
    ["zeros of PCR2", "PCR_ZERO", equal({ 0: IMAGE_HEX, 2: ZERO_HEX, 16: MANIFEST_HEX })],
    ["an unsigned image", "", equal({ 0: IMAGE_HEX, 8: ZERO_HEX, 16: MANIFEST_HEX })],
    ["a variable", "PCR_MALFORMED PCR_OPERATOR", image("${aws:PrincipalTag/pcr0}")],
    ["47 bytes", "PCR_LISTS_DIFFER PCR_MALFORMED", image(IMAGE_HEX.slice(2))],
    ["49 bytes", "PCR_LISTS_DIFFER PCR_MALFORMED", image(`${IMAGE_HEX}aa`)],
    ["no hex", "PCR_LISTS_DIFFER PCR_MALFORMED", image("g".repeat(96))],
    ["a prefix", "PCR_LISTS_DIFFER PCR_MALFORMED", image(`0x${IMAGE_HEX.slice(2)}`)],
    ["a literal star", "PCR_LISTS_DIFFER PCR_MALFORMED", image("*")],
    [
      "upper case where case counts",
      "PCR_CASE",
      beside({ StringEquals: { ...GOOD, [PCR0_KEY]: UPPER, ...PURPOSE } }),
    ],
    ["upper case where it does not", "", image(UPPER)],
    [
      "two images and two manifests, of which a second condition leaves one",
      "PCR_LISTS_DIFFER",
      beside({
        StringEqualsIgnoreCase: {
          [PCR0_KEY]: [IMAGE_HEX, NEXT_IMAGE_HEX],
          [PCR16_KEY]: [MANIFEST_HEX, NEXT_IMAGE_HEX],
        },
        StringEquals: { [PCR0_KEY]: IMAGE_HEX, ...PURPOSE },
      }),
    ],
    [
      "two images and two manifests",
      "PCR_LISTS_DIFFER PCR_LISTS_DIFFER PCR_PAIRS",
      equal({ 0: [IMAGE_HEX, NEXT_IMAGE_HEX], 16: [MANIFEST_HEX, NEXT_IMAGE_HEX] }),
    ],
  ];
  testRows(values, ENCLAVE);

  const keys: readonly Row[] = [
    [
      "no number",
      "CONDITION_KEY_UNKNOWN IMAGE_UNPINNED",
      equal({ PCR: IMAGE_HEX, 16: MANIFEST_HEX }),
    ],
    [
      "a leading zero",
      "CONDITION_KEY_UNKNOWN MANIFEST_UNPINNED",
      equal({ 0: IMAGE_HEX, PCR016: MANIFEST_HEX }),
    ],
    [
      "register 32",
      "CONDITION_KEY_UNKNOWN",
      equal({ 0: IMAGE_HEX, 16: MANIFEST_HEX, 32: IMAGE_HEX }),
    ],
    ["register 31", "", equal({ 0: IMAGE_HEX, 16: MANIFEST_HEX, 31: IMAGE_HEX })],
    [
      "the bare key",
      "CONDITION_KEY_UNKNOWN DECRYPT_UNATTESTED",
      beside({ Null: { "kms:RecipientAttestation": "false" } }),
    ],
    [
      "ImageSha256",
      "CONDITION_KEY_UNKNOWN IMAGE_UNPINNED",
      equal({ ImageSha256: IMAGE_HEX, 16: MANIFEST_HEX }),
    ],
    [
      "a key of nobody",
      "CONDITION_KEY_UNKNOWN",
      beside({ StringEqualsIgnoreCase: GOOD, Bool: { "nitro:Attested": "true" } }),
    ],
    [
      "a misspelt context",
      "CONDITION_KEY_UNKNOWN CONTEXT_MISSING",
      conditions({
        StringEqualsIgnoreCase: GOOD,
        StringEquals: { "kms:EncryptionContext": "redoubt/keys" },
      }),
    ],
    [
      "a global key",
      "",
      beside({
        StringEqualsIgnoreCase: GOOD,
        StringEquals: { ...PURPOSE, "aws:PrincipalTag/team": "x" },
      }),
    ],
  ];
  testRows(keys, ENCLAVE);

  const contexts: readonly Row[] = [
    ["no encryption context", "CONTEXT_MISSING", conditions({ StringEqualsIgnoreCase: GOOD })],
    [
      "both purposes",
      "",
      conditions({
        StringEqualsIgnoreCase: GOOD,
        StringEquals: { [PURPOSE_KEY]: ["redoubt/keys", "redoubt/store"] },
      }),
    ],
    [
      "a purpose beside ours",
      "CONTEXT_MISSING",
      conditions({
        StringEqualsIgnoreCase: GOOD,
        StringEquals: { [PURPOSE_KEY]: ["redoubt/keys", "other"] },
      }),
    ],
    [
      "a context if any",
      "CONTEXT_MISSING",
      conditions({ StringEqualsIgnoreCase: GOOD, StringEqualsIfExists: PURPOSE }),
    ],
  ];
  testRows(contexts, ENCLAVE);
});
