// Condition operators and condition keys of IAM, as far as key policies use them. A name that is
// not known here must never be passed over: an operator is refused, a key is said to be unknown.

import { PCR_COUNT } from "../../shared/limits.ts";

/** IAM User Guide, "IAM JSON policy elements: Condition operators". */
const BASES = [
  "StringEquals",
  "StringNotEquals",
  "StringEqualsIgnoreCase",
  "StringNotEqualsIgnoreCase",
  "StringLike",
  "StringNotLike",
  "ArnEquals",
  "ArnNotEquals",
  "ArnLike",
  "ArnNotLike",
  "Bool",
  "BinaryEquals",
  "IpAddress",
  "NotIpAddress",
  "NumericEquals",
  "NumericNotEquals",
  "NumericLessThan",
  "NumericLessThanEquals",
  "NumericGreaterThan",
  "NumericGreaterThanEquals",
  "DateEquals",
  "DateNotEquals",
  "DateLessThan",
  "DateLessThanEquals",
  "DateGreaterThan",
  "DateGreaterThanEquals",
  "Null",
] as const;

export type OperatorBase = (typeof BASES)[number];

export type Operator = {
  /** As written: `ForAllValues:StringEqualsIfExists`. */
  readonly name: string;
  readonly base: OperatorBase;
  readonly set: "ForAllValues" | "ForAnyValue" | null;
  readonly isIfExists: boolean;
};

export type Condition = {
  readonly operator: Operator;
  /** As written. IAM compares names of keys without regard to case. */
  readonly key: string;
  readonly values: readonly string[];
};

/** Undefined when IAM has no such operator. */
export function parseOperator(name: string): Operator | undefined {
  const match = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(name);
  const base = BASES.find((known) => known === match?.[2]);
  const set = match?.[1];
  const isIfExists = match?.[3] !== undefined;
  if (base === undefined || (base === "Null" && (isIfExists || set !== undefined))) {
    return undefined;
  }
  return {
    name,
    base,
    set: set === "ForAllValues" || set === "ForAnyValue" ? set : null,
    isIfExists,
  };
}

/** Whether it holds for every value but those listed. Without a set it then holds for none, too. */
export function isNegated({ base }: Operator): boolean {
  return base.includes("Not");
}

const ATTESTATION = "kms:recipientattestation";

/** About an attestation document, whether KMS knows the key or not. */
export function isAttestationKey(key: string): boolean {
  return key.toLowerCase().startsWith(ATTESTATION);
}

/**
 * The register of a condition key; undefined for any other. `ImageSha384` is PCR0 (KMS Developer
 * Guide, "Condition keys for Nitro Enclaves").
 */
export function registerOf(key: string): number | undefined {
  const name = key.toLowerCase();
  if (name === `${ATTESTATION}:imagesha384`) return 0;
  const digits = /^kms:recipientattestation:pcr(0|[1-9]\d?)$/.exec(name)?.[1];
  if (digits === undefined || Number(digits) >= PCR_COUNT) return undefined;
  return Number(digits);
}

/** Condition keys of KMS that have one name each, in lower case. */
const KMS_KEYS: ReadonlySet<string> = new Set([
  "kms:bypasspolicylockoutsafetycheck",
  "kms:calleraccount",
  "kms:customermasterkeyspec",
  "kms:customermasterkeyusage",
  "kms:datakeypairspec",
  "kms:encryptionalgorithm",
  "kms:encryptioncontextkeys",
  "kms:expirationmodel",
  "kms:grantconstrainttype",
  "kms:grantisforawsresource",
  "kms:grantoperations",
  "kms:granteeprincipal",
  "kms:keyagreementalgorithm",
  "kms:keyorigin",
  "kms:keyspec",
  "kms:keyusage",
  "kms:macalgorithm",
  "kms:messagetype",
  "kms:multiregion",
  "kms:multiregionkeytype",
  "kms:primaryregion",
  "kms:reencryptonsamekey",
  "kms:replicaregion",
  "kms:requestalias",
  "kms:resourcealiases",
  "kms:retiringprincipal",
  "kms:rotationperiodindays",
  "kms:schedulekeydeletionpendingwindowindays",
  "kms:signingalgorithm",
  "kms:validto",
  "kms:viaservice",
  "kms:wrappingalgorithm",
  "kms:wrappingkeyspec",
]);

/** Whether a request to KMS can have the key. Global keys are taken by their form. */
export function isKnownKey(key: string): boolean {
  if (isAttestationKey(key)) return registerOf(key) !== undefined || isTpmKey(key);
  const name = key.toLowerCase();
  return (
    KMS_KEYS.has(name) ||
    /^kms:encryptioncontext:./.test(name) ||
    /^aws:[a-z0-9]+(?:\/.+)?$/.test(name)
  );
}

/** A register of an instance's NitroTPM: no enclave has it. */
function isTpmKey(key: string): boolean {
  return /^kms:recipientattestation:nitrotpmpcr\d{1,2}$/i.test(key);
}
