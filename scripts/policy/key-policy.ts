// Builds the policy of the KMS key that opens sealed bundles (docs/kms.md): Decrypt for the
// measured enclave with the measured manifest, sealing for those who import keys, administration
// without use. It must never allow the account's root anything, and never leave a register to the
// caller.
//
// The Deny statements repeat the pins, because an Allow limits nobody but its own principal: grants
// (also those made before this policy) and other statements are decided apart, and only an explicit
// Deny beats them all. Each names one register: the conditions of one statement must all hold, so a
// Deny of two registers would spare whoever meets one. A negated operator also holds when its key
// is absent, as it is in every call without an attestation document (IAM User Guide, "IAM JSON
// policy elements: Condition operators"), so no `Null` is needed beside it.

import { BUNDLE_PURPOSES } from "../../shared/bundle/format.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { PCR_BYTES } from "../../shared/limits.ts";

export type KeyPolicyPlan = {
  /** The role whose credentials the parent hands to the enclave. */
  readonly roleArn: string;
  /** Who seals bundles. */
  readonly sealerArns: readonly string[];
  /** Who changes this policy. */
  readonly adminArns: readonly string[];
  /** Registers and the values that each may have; 0 and 16 among them, none of zeros. */
  readonly pcrs: ReadonlyMap<number, readonly Uint8Array[]>;
};

/** A policy as JSON.stringify takes it. */
export type KeyPolicyDocument = {
  readonly Version: "2012-10-17";
  readonly Statement: readonly Readonly<Record<string, unknown>>[];
};

/** What the administration needs, one by one. Not in it: use, grants, deletion. */
const ADMIN_ACTIONS = [
  "kms:DescribeKey",
  "kms:GetKeyPolicy",
  "kms:PutKeyPolicy",
  "kms:ListGrants",
  "kms:RevokeGrant",
  "kms:EnableKey",
  "kms:DisableKey",
  "kms:CancelKeyDeletion",
];

/**
 * Denied to everybody: what would move a data key elsewhere or let somebody else open it, and
 * cryptography of other keys. Who needs one of them, or the key's deletion, must change the policy
 * first, and that is seen.
 */
const DENIED_ACTIONS = [
  "kms:ReEncrypt*",
  "kms:CreateGrant",
  "kms:ReplicateKey",
  "kms:ImportKeyMaterial",
  "kms:GenerateDataKeyPair*",
  "kms:DeriveSharedSecret",
];

/** The context of every bundle (docs/bundle.md): its purpose, and an id that differs. */
const SEALED_BUNDLE = {
  StringEquals: { "kms:EncryptionContext:redoubt:purpose": BUNDLE_PURPOSES },
  Null: { "kms:EncryptionContext:redoubt:bundle": "false" },
};

export function buildKeyPolicy(plan: KeyPolicyPlan): KeyPolicyDocument {
  const pins = [...plan.pcrs].sort(([a], [b]) => a - b);
  for (const required of [0, 16]) {
    invariant(plan.pcrs.has(required), `PCR${required} is pinned`);
  }
  for (const [, values] of pins) {
    invariant(values.length > 0, "every register has a value");
    for (const value of values) {
      invariant(value.length === PCR_BYTES && value.some((byte) => byte !== 0), "no zeros");
    }
  }
  const registers = Object.fromEntries(
    pins.map(([index, values]) => [nameOf(index), oneOrMany(values.map(encodeHex))]),
  );
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "TheMeasuredEnclave",
        Effect: "Allow",
        Principal: { AWS: plan.roleArn },
        Action: "kms:Decrypt",
        Resource: "*",
        Condition: { StringEqualsIgnoreCase: registers, ...SEALED_BUNDLE },
      },
      ...Object.entries(registers).map(([name, values]) => ({
        Sid: `NoDecryptWithout${name.slice(name.lastIndexOf(":") + 1)}`,
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "kms:Decrypt",
        Resource: "*",
        Condition: { StringNotEqualsIgnoreCase: { [name]: values } },
      })),
      {
        Sid: "NoWayAround",
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: DENIED_ACTIONS,
        Resource: "*",
      },
      {
        Sid: "Sealing",
        Effect: "Allow",
        Principal: { AWS: oneOrMany(plan.sealerArns) },
        Action: "kms:GenerateDataKey",
        Resource: "*",
        Condition: SEALED_BUNDLE,
      },
      {
        Sid: "Administration",
        Effect: "Allow",
        Principal: { AWS: oneOrMany(plan.adminArns) },
        Action: ADMIN_ACTIONS,
        Resource: "*",
      },
    ],
  };
}

function nameOf(register: number): string {
  return `kms:RecipientAttestation:PCR${register}`;
}

/** A list of one reads worse. */
function oneOrMany(texts: readonly string[]): string | readonly string[] {
  const [only, ...others] = texts;
  return only !== undefined && others.length === 0 ? only : texts;
}
