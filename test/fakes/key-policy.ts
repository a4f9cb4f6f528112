// The policy that `redoubt policy` writes for fixed registers and roles, for tests to break.

import { buildKeyPolicy, type KeyPolicyPlan } from "../../scripts/policy/key-policy.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";

export const ACCOUNT = "111122223333";
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/redoubt-parent`;
export const SEALER = `arn:aws:iam::${ACCOUNT}:role/redoubt-sealing`;
export const ADMIN = `arn:aws:iam::${ACCOUNT}:role/redoubt-kms-admin`;
export const STRANGER = `arn:aws:iam::${ACCOUNT}:role/some-administrator`;
export const FOREIGNER = "arn:aws:iam::444455556666:role/of-another-account";

export const PCR0_KEY = "kms:RecipientAttestation:PCR0";
export const PCR16_KEY = "kms:RecipientAttestation:PCR16";
export const PURPOSE_KEY = "kms:EncryptionContext:redoubt:purpose";
export const BUNDLE_KEY = "kms:EncryptionContext:redoubt:bundle";

function register(digit: string): Uint8Array {
  return new Uint8Array(48).fill(Number.parseInt(digit.repeat(2), 16));
}

export const IMAGE = register("a");
export const NEXT_IMAGE = register("b");
export const MANIFEST = register("c");
export const NEXT_MANIFEST = register("d");
export const IMAGE_HEX = encodeHex(IMAGE);
export const NEXT_IMAGE_HEX = encodeHex(NEXT_IMAGE);
export const MANIFEST_HEX = encodeHex(MANIFEST);
export const ZERO_HEX = "00".repeat(48);

export const PLAN: KeyPolicyPlan = {
  roleArn: ROLE,
  sealerArns: [SEALER],
  adminArns: [ADMIN],
  pcrs: new Map([
    [0, [IMAGE]],
    [16, [MANIFEST]],
  ]),
};

/** A statement as anybody might write it. */
export type Draft = Record<string, unknown>;

/** The statements by Sid, free to be changed. */
export function draftOf(plan: KeyPolicyPlan = PLAN): Map<string, Draft> {
  return new Map(buildKeyPolicy(plan).Statement.map((each) => [String(each["Sid"]), { ...each }]));
}

export function textOfDraft(draft: ReadonlyMap<string, Draft>): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: [...draft.values()] });
}
