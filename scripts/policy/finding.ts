// What `redoubt policy lint` can find in a key policy: a stable code, how bad it is, and what it
// lets somebody do. A hole lets somebody reach data keys, or the policy, past the measured enclave,
// or is a line that does not do what its author meant; a warning does neither, but should be known.
// A code must never change its meaning: scripts of operators wait for it.

export type Severity = "hole" | "warning";

type Kind = { readonly severity: Severity; readonly what: string };

const hole = (what: string): Kind => ({ severity: "hole", what });
const warning = (what: string): Kind => ({ severity: "warning", what });

export const FINDINGS = {
  POLICY_NOT_UNDERSTOOD: hole("the policy can't be judged, so nothing can be said for it"),

  DECRYPT_UNATTESTED: hole("whoever has this role decrypts without any enclave"),
  IMAGE_UNPINNED: hole("PCR0 is not pinned: another image decrypts"),
  IMAGE_PARTS_UNPINNED: warning(
    "PCR1 and PCR2 are not pinned: PCR0 does not tell where a part of the image ends",
  ),
  PCR_HOST_ONLY: hole(
    "PCR3 and PCR4 name the role and the instance: any image there decrypts, in debug mode too",
  ),
  PCR_SIGNER_ONLY: hole("PCR8 names a signing certificate: any image of its holder decrypts"),
  MANIFEST_UNPINNED: hole("PCR16 is not pinned: the parent chooses chain, state store and policy"),
  PCR_ZERO: hole(
    "a register of zeros is an enclave in debug mode, or one that measured no manifest",
  ),
  PCR_OPERATOR: hole("this operator lets in other registers than one, or no document at all"),
  PCR_SET_OPERATOR: warning("write StringEqualsIgnoreCase: a register has one value, no pattern"),
  PCR_MALFORMED: hole("the value is not 48 bytes of hex: it pins nothing that an enclave can be"),
  PCR_CASE: warning("KMS states lower-case hex: with this operator the value matches no enclave"),
  PCR_PAIRS: warning("two or more PCR0 and PCR16: every image may load every manifest"),
  PCR_LISTS_DIFFER: warning("Allow and Deny name different values of this register"),
  CONDITION_KEY_UNKNOWN: hole("KMS knows no such condition key: it tests nothing"),
  CONTEXT_MISSING: warning(
    "no StringEquals on kms:EncryptionContext:redoubt:purpose: other ciphertexts will do too",
  ),

  REENCRYPT_ALLOWED: hole("moves a data key under another KMS key, to be read there"),
  GRANT_ALLOWED: hole("grants Decrypt to anybody, past the conditions of this statement"),
  REPLICATE_ALLOWED: hole("copies a multi-region key under a policy of the caller's choice"),
  IMPORT_ALLOWED: warning("puts key material into the key that the caller knows"),
  KEY_DELETION: warning("makes every sealed bundle unreadable for good"),
  KEY_DISABLE: warning("stops every enclave from booting until the key is enabled again"),
  ACTION_FOREIGN: warning("allows cryptography that Redoubt has no use for"),
  ACTION_WILDCARD: hole("the wildcard takes in actions that open data keys or change the policy"),
  ACTION_PATTERN: warning("the wildcard takes in more than is needed, and what KMS will add"),
  ACTION_UNKNOWN_ALLOWED: warning("no action of KMS known here: misspelt, or newer than this lint"),
  ACTION_UNKNOWN_DENIED: hole("no action of KMS known here: misspelt, it denies nothing"),
  SEAL_BY_READER: hole(
    "who calls Decrypt can seal too: the parent's role makes bundles of its own",
  ),

  POLICY_BY_ANYONE: hole("everybody whom the account's administrators choose changes this policy"),
  POLICY_BY_USER: hole("who uses the key can change its policy, and let any enclave in"),
  PRINCIPAL_ANYONE: hole("allows everybody, of every AWS account"),
  PRINCIPAL_SERVICE: hole("a service of AWS calls for whoever asks it to, of other accounts too"),
  ACCOUNT_ROOT: hole("IAM policies of the account decide: each of its administrators can use this"),
  ACCOUNT_READS: warning("IAM policies of the account decide who reads about the key"),
  NOT_PRINCIPAL: hole("allows everybody but those named"),
  NOT_ACTION: hole("allows everything but what is named, and what KMS will add"),
  NOT_RESOURCE: hole("says which keys it is not about, instead of this one"),
  STATEMENT_EMPTY: warning(
    "without Action and Resource a statement has no effect: nothing is allowed",
  ),
  DENY_EMPTY: hole("without Action and Resource a statement has no effect: nothing is denied"),
  RESOURCE_NARROW: warning('write "*", which in a key policy is this key'),
  DENY_NARROW: hole('denies nothing unless the ARN is this key\'s: write "*"'),

  DENY_INEFFECTIVE: hole("the Deny spares requests that it seems to be about"),
  DECRYPT_NOT_DENIED: hole(
    "a grant, also an old one, or an IAM policy decrypts past the registers",
  ),
  REENCRYPT_NOT_DENIED: hole("a grant, also an old one, or an IAM policy re-encrypts data keys"),
  GRANT_NOT_DENIED: warning("nothing keeps a later statement from allowing grants"),

  NOBODY_DECRYPTS: warning("no enclave gets a data key"),
  VERSION_MISSING: warning("without Version 2012-10-17 the policy is read by older rules"),
} as const satisfies Readonly<Record<string, Kind>>;

export type FindingCode = keyof typeof FINDINGS;

export type Finding = {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** The Sid or place of the statement; null: the policy as a whole. */
  readonly statement: string | null;
  /** What it lets somebody do, and where. */
  readonly what: string;
};

export function finding(code: FindingCode, statement: string | null, where = ""): Finding {
  const { severity, what } = FINDINGS[code];
  // Sids, keys and values may come from anybody, and go to a terminal.
  const shown = where.slice(0, 160).replace(/[^\x20-\x7e]/gu, "?");
  return { code, severity, statement, what: shown === "" ? what : `${what} (${shown})` };
}
