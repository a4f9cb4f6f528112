// The actions of KMS that a key policy can name, and what each lets its holder do to sealed keys.
// Nothing here may depend on a policy: these are facts about KMS.

/** Service Authorization Reference, "Actions defined by AWS Key Management Service". */
export const KMS_ACTIONS: readonly string[] = [
  "kms:CancelKeyDeletion",
  "kms:ConnectCustomKeyStore",
  "kms:CreateAlias",
  "kms:CreateCustomKeyStore",
  "kms:CreateGrant",
  "kms:CreateKey",
  "kms:Decrypt",
  "kms:DeleteAlias",
  "kms:DeleteCustomKeyStore",
  "kms:DeleteImportedKeyMaterial",
  "kms:DeriveSharedSecret",
  "kms:DescribeCustomKeyStores",
  "kms:DescribeKey",
  "kms:DisableKey",
  "kms:DisableKeyRotation",
  "kms:DisconnectCustomKeyStore",
  "kms:EnableKey",
  "kms:EnableKeyRotation",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyPair",
  "kms:GenerateDataKeyPairWithoutPlaintext",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:GenerateMac",
  "kms:GenerateRandom",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:GetParametersForImport",
  "kms:GetPublicKey",
  "kms:ImportKeyMaterial",
  "kms:ListAliases",
  "kms:ListGrants",
  "kms:ListKeyPolicies",
  "kms:ListKeyRotations",
  "kms:ListKeys",
  "kms:ListResourceTags",
  "kms:ListRetirableGrants",
  "kms:PutKeyPolicy",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
  "kms:ReplicateKey",
  "kms:RetireGrant",
  "kms:RevokeGrant",
  "kms:RotateKeyOnDemand",
  "kms:ScheduleKeyDeletion",
  "kms:Sign",
  "kms:SynchronizeMultiRegionKey",
  "kms:TagResource",
  "kms:UntagResource",
  "kms:UpdateAlias",
  "kms:UpdateCustomKeyStore",
  "kms:UpdateKeyDescription",
  "kms:UpdatePrimaryRegion",
  "kms:Verify",
  "kms:VerifyMac",
];

/** The one action of a symmetric key that opens a ciphertext and can ask for an enclave. */
export const DECRYPT = "kms:Decrypt";
/** Opens a ciphertext too, into one under another key, and can't ask for an enclave. */
const RE_ENCRYPT_FROM = "kms:ReEncryptFrom";
/** Lets another principal call Decrypt, past the conditions of the policy's Allow statements. */
const CREATE_GRANT = "kms:CreateGrant";
export const PUT_KEY_POLICY = "kms:PutKeyPolicy";
/** Of a multi-region key: makes a copy in another region, under a policy that the caller writes. */
const REPLICATE_KEY = "kms:ReplicateKey";

/** Each of them alone is as good as the data keys. */
export const OPENING_ACTIONS: readonly string[] = [
  DECRYPT,
  RE_ENCRYPT_FROM,
  CREATE_GRANT,
  PUT_KEY_POLICY,
  REPLICATE_KEY,
];

/** What makes a ciphertext that the enclave may be given as a data key. */
export const SEALING_ACTIONS: readonly string[] = [
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:Encrypt",
  "kms:ReEncryptTo",
];

/** After these every bundle is lost for good. */
export const DESTROYING_ACTIONS: readonly string[] = [
  "kms:ScheduleKeyDeletion",
  "kms:DeleteImportedKeyMaterial",
];

/** Cryptography that Redoubt has no use for. */
export const FOREIGN_ACTIONS: readonly string[] = [
  "kms:DeriveSharedSecret",
  "kms:GenerateDataKeyPair",
  "kms:GenerateDataKeyPairWithoutPlaintext",
  "kms:GenerateMac",
  "kms:Sign",
];

/** Tells about the key and changes nothing. */
export function isReadOnly(action: string): boolean {
  return /^kms:(?:Describe|Get|List|Verify)/.test(action);
}

/**
 * Whether a pattern with `*` (any text) and `?` (any character) fits a text, without regard to
 * case as IAM compares actions. It takes time in proportion to both lengths, whatever the pattern.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  return matchesExactPattern(pattern.toLowerCase(), text.toLowerCase());
}

/** As `matchesPattern`, with regard to case, as `StringLike` compares. */
export function matchesExactPattern(pattern: string, text: string): boolean {
  let at = 0;
  let inText = 0;
  let starAt = -1;
  let starText = 0;
  while (inText < text.length) {
    if (at < pattern.length && pattern[at] === "*") {
      starAt = at;
      starText = inText;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[inText])) {
      at += 1;
      inText += 1;
    } else if (starAt >= 0) {
      // The star takes one more character, and the rest is tried again.
      at = starAt + 1;
      starText += 1;
      inText = starText;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

export function hasWildcard(pattern: string): boolean {
  return /[*?]/.test(pattern);
}
