// Every error code there is, in numbered blocks. Numbers go over the wire and into metrics: they
// are never reused and never changed. The text is for people, is chosen by code alone, and never
// crosses the wire. A code that is not in this table is refused wherever it arrives.

import { encodePrefixedHex } from "./bytes/hex.ts";

export const ERRORS = {
  // 100: frames and messages between parent and enclave
  FRAME_OVERSIZE: { number: 100, text: "the frame is larger than its limit" },
  FRAME_MALFORMED: { number: 101, text: "the frame is not a message of the protocol" },
  METHOD_UNKNOWN: { number: 102, text: "the enclave has no such method" },
  PARAMS_MALFORMED: { number: 103, text: "the parameters do not fit the method" },
  LINK_BUSY: { number: 104, text: "too many requests are in flight" },
  LINK_DOWN: { number: 105, text: "the other side of the link can't be reached" },
  LINK_TIMEOUT: { number: 106, text: "no answer came within the deadline" },
  ENCLAVE_ABSENT: { number: 110, text: "no running enclave has the configured name" },
  ENCLAVE_AMBIGUOUS: { number: 111, text: "several running enclaves have the configured name" },
  NITRO_CLI_FAILED: { number: 112, text: "nitro-cli can't be run, is late, or failed" },
  NITRO_CLI_MALFORMED: { number: 113, text: "nitro-cli answered something else than its list" },
  VSOCK_UNAVAILABLE: {
    number: 114,
    text: "vsock needs the native addon: run `npm run build:native`",
  },

  // 200: phases
  PHASE_REFUSED: { number: 200, text: "the enclave does not answer this in its present phase" },
  DRAINING: { number: 201, text: "the enclave is shutting down" },

  // 300: manifest and policy
  MANIFEST_MALFORMED: { number: 300, text: "the manifest does not fit its schema" },
  MANIFEST_ALREADY_MEASURED: { number: 301, text: "another manifest has been measured" },
  POLICY_KIND_DENIED: { number: 310, text: "the manifest does not allow this kind of operation" },
  POLICY_FEE_RECIPIENT: { number: 311, text: "the fee recipient is not in the manifest's list" },
  ACL_KIND_DENIED: { number: 320, text: "this client may not ask for this kind of operation" },
  ACL_KEY_DENIED: { number: 321, text: "this client may not use this key" },
  ACL_CLIENT_UNKNOWN: { number: 322, text: "no client of the configuration has this certificate" },
  ACL_SOURCE_DENIED: { number: 323, text: "the address of the client is not in the allow-list" },

  // 400: NSM, attestation, time
  NSM_UNAVAILABLE: { number: 400, text: "the NSM device does not answer" },
  NSM_REFUSED: { number: 401, text: "the NSM device refused the request" },
  NSM_MALFORMED: { number: 402, text: "the NSM device answered something else than its protocol" },
  NSM_PCR_UNEXPECTED: { number: 403, text: "PCR16 does not hold the manifest, or is not locked" },
  TIME_STALE: { number: 410, text: "trusted time could not be renewed; nothing is signed" },
  ATTEST_SIZE: { number: 420, text: "the attestation document is too large or empty" },
  ATTEST_COSE: { number: 421, text: "the document is not an untagged or tagged COSE_Sign1" },
  ATTEST_ALGORITHM: { number: 422, text: "the protected header is not exactly ES384" },
  ATTEST_PAYLOAD: { number: 423, text: "the payload is not an attestation document" },
  ATTEST_CERTIFICATE: { number: 424, text: "a certificate of the chain is malformed" },
  ATTEST_ROOT: { number: 425, text: "the chain does not start at the pinned root" },
  ATTEST_CHAIN: { number: 426, text: "a certificate of the chain is not signed by its issuer" },
  ATTEST_CHAIN_EXPIRED: {
    number: 427,
    text: "a certificate is not valid at the time of the check",
  },
  ATTEST_CHAIN_USAGE: { number: 428, text: "a certificate may not be used as it is" },
  ATTEST_SIGNATURE: { number: 429, text: "the document's signature is wrong" },
  ATTEST_DIGEST: { number: 430, text: "the PCR digest is not SHA384" },
  ATTEST_DEBUG: { number: 431, text: "PCR0 to PCR2 are zero: an enclave in debug mode" },
  ATTEST_PCR: { number: 432, text: "a PCR differs from the expected value" },
  ATTEST_NONCE: { number: 433, text: "the nonce differs from the expected value" },
  ATTEST_TIME: { number: 434, text: "the document's time is outside the accepted window" },
  ATTEST_USER_DATA: { number: 435, text: "the user data is not a statement of Redoubt" },
  BOOT_DEBUG: { number: 440, text: "the enclave was started in debug mode: PCR0 to PCR2 are zero" },
  BOOT_PCR: { number: 441, text: "a register that the hypervisor owns is not locked" },
  BOOT_CLOCK: { number: 442, text: "the kernel's clock is not the hypervisor's" },
  BOOT_ENTROPY: { number: 443, text: "the kernel's entropy does not come from the NSM" },
  BOOT_UNCONFINED: { number: 444, text: "Node runs with other rights than the image gives it" },
  BOOT_ADDON: { number: 445, text: "the native addon is missing or does not work on this Node" },

  // 500: KMS, credentials, bundles, keys
  KMS_UNAVAILABLE: { number: 500, text: "KMS can't be reached" },
  KMS_DENIED: { number: 501, text: "KMS refused to release the key" },
  KMS_MALFORMED: { number: 502, text: "KMS answered something that is not its protocol" },
  KMS_THROTTLED: { number: 503, text: "KMS asks to be called less often" },
  KMS_KEY_MISMATCH: { number: 504, text: "KMS answered for another key than the manifest's" },
  KMS_INVALID: { number: 505, text: "KMS found the ciphertext or the document invalid" },
  CMS_MALFORMED: { number: 510, text: "CiphertextForRecipient can't be opened" },
  CREDENTIALS_MISSING: { number: 520, text: "no unexpired AWS credentials have been pushed" },
  CREDENTIALS_MALFORMED: { number: 521, text: "the AWS credentials are malformed" },
  BUNDLE_MALFORMED: { number: 530, text: "the bundle does not fit its format" },
  BUNDLE_KEY_ARN: { number: 531, text: "the bundle was sealed under another KMS key" },
  BUNDLE_SEAL: { number: 532, text: "the bundle's seal is broken" },
  BUNDLE_PUBLIC_KEY: { number: 533, text: "a public key of the bundle is not that of its secret" },
  BUNDLE_INCOMPLETE: { number: 534, text: "the bundle has not been handed over whole" },
  BUNDLE_LIMIT: { number: 535, text: "the bundles together are larger than their limit" },
  BUNDLE_SOURCE: { number: 536, text: "a source of bundles can't be read" },
  KEY_UNKNOWN: { number: 540, text: "no such key" },
  KEY_DUPLICATE: { number: 541, text: "two loaded bundles hold the same key" },
  KEY_RETIRED: { number: 542, text: "the key was retired and signs nothing any more" },
  KEY_SCHEME: { number: 543, text: "nothing is signed here with keys of this scheme" },
  KEY_PLACE: { number: 544, text: "the manifest names no chain for a key of the bundle" },
  KEY_AMBIGUOUS: { number: 545, text: "the chain has several keys, and none was named" },
  CHAIN_OTHER: { number: 546, text: "the enclave signs for another family of chains" },
  SIGN_SELF_TEST: { number: 550, text: "the signature self-test failed" },
  SIGN_FAULT: { number: 551, text: "a signature did not verify, and was withheld" },

  // 600: signing requests
  REQUEST_MALFORMED: { number: 600, text: "the request is malformed" },
  REQUEST_KIND_UNKNOWN: { number: 601, text: "the request's type is unknown" },
  REQUEST_BLIND: { number: 602, text: "only typed requests are signed, never bare roots or bytes" },
  ROOT_MISMATCH: { number: 603, text: "the signing root differs from the computed one" },
  NETWORK_MISMATCH: { number: 604, text: "the genesis validators root is not the manifest's" },
  FORK_MISMATCH: { number: 605, text: "the fork version is not the network's at that epoch" },
  REQUEST_EXTENSION_UNEXPECTED: {
    number: 606,
    text: "a vote extension comes with something else than a precommit of a block",
  },
  REQUEST_EXTENSION_UNBOUND: {
    number: 607,
    text: "a vote extension that names no chain and no height is not signed",
  },
  REQUEST_BYTES_CONSENSUS: {
    number: 608,
    text: "the bytes could be taken for a vote, a proposal or an extension",
  },
  REQUEST_CHAIN: { number: 609, text: "the request is for another chain than the node's" },
  FUTURE: { number: 610, text: "the slot or epoch is beyond the trusted clock" },
  HIGH_WATERMARK: { number: 611, text: "the slot or epoch is at or beyond the high watermark" },
  MAX_HEIGHT: { number: 612, text: "the height is above the maximum of the manifest" },

  // 700: the guard
  GUARD_BLOCK_DOUBLE: { number: 700, text: "another block was signed at this slot" },
  GUARD_BLOCK_BELOW: { number: 701, text: "the slot is below the last one signed" },
  GUARD_VOTE_DOUBLE: { number: 710, text: "another attestation was signed for this target" },
  GUARD_VOTE_TARGET_BELOW: { number: 711, text: "the target is below the last one signed" },
  GUARD_VOTE_SOURCE_BELOW: { number: 712, text: "the source is below the last one signed" },
  GUARD_VOTE_ORDER: { number: 713, text: "the source is not before the target" },
  GUARD_BOOT_FLOOR: { number: 720, text: "below the boot floor: signed from a later slot on" },
  GUARD_HEIGHT_BELOW: { number: 730, text: "the height is below the last one signed" },
  GUARD_ROUND_BELOW: { number: 731, text: "the round is below the last one signed at this height" },
  GUARD_STEP_BELOW: { number: 732, text: "the step is before the last one signed in this round" },
  GUARD_STEP_DOUBLE: {
    number: 733,
    text: "something else was signed at this height, round and step, or may have been",
  },
  GUARD_FLOOR: { number: 734, text: "below the floor: signed from a later height or round on" },
  GUARD_RESERVED: {
    number: 735,
    text: "another signer, or an earlier boot, may have signed there",
  },

  // 800: state
  STATE_MISSING: { number: 800, text: "the key has no record; see `redoubt state init`" },
  STATE_CORRUPT: { number: 801, text: "the record of the key is not authentic" },
  STATE_ROLLED_BACK: { number: 802, text: "the store answered with an older record than ours" },
  STATE_UNKNOWN: { number: 803, text: "whether the record was written is unknown; not released" },
  STATE_CONFLICT: { number: 804, text: "the record was changed by another signer meanwhile" },
  STORE_UNAVAILABLE: { number: 810, text: "the state store can't be reached" },
  STORE_FULL: { number: 811, text: "the state store's disk is full" },
  STORE_LOCKED: { number: 812, text: "the state store is locked by another program" },
  STORE_CORRUPT: { number: 813, text: "the state store is corrupt" },
  STORE_CREDENTIALS: { number: 814, text: "no bundle with the state store's credentials is open" },
  STORE_DENIED: { number: 815, text: "the state store refuses the sealed credentials" },
  STORE_THROTTLED: { number: 816, text: "the state store asks to be called less often" },
  STORE_IDENTITY: { number: 817, text: "the table is not the one that the manifest names" },
  STORE_MALFORMED: {
    number: 818,
    text: "the state store answered something else than its protocol",
  },
  INTERCHANGE_MALFORMED: { number: 820, text: "the file is not EIP-3076 version 5" },
  INTERCHANGE_NETWORK: { number: 821, text: "the file is of another network" },
  HANDOVER_REFUSED: { number: 830, text: "the hand-over is not that of an allowed predecessor" },
  HANDOVER_GIVEN: { number: 831, text: "the state was handed over already, to another enclave" },
  OVERRIDE_DISABLED: { number: 840, text: "the manifest names nobody who may lower a floor" },
  OVERRIDE_MALFORMED: { number: 841, text: "the order does not fit its format" },
  OVERRIDE_UNSIGNED: {
    number: 842,
    text: "too few operators of the manifest have signed the order",
  },
  OVERRIDE_EXPIRED: { number: 843, text: "the order has expired, or is valid for too long" },
  OVERRIDE_STATE: {
    number: 844,
    text: "the order was made for another record than the present one",
  },
  OVERRIDE_BOOT: {
    number: 845,
    text: "the order was made for another enclave, or another boot of this one",
  },
  UPGRADE_RUNNING: { number: 850, text: "an upgrade is running already" },
  UPGRADE_SAME: { number: 851, text: "the configuration names the enclave that serves already" },
  UPGRADE_KEYS: { number: 852, text: "the successor does not hold exactly the present keys" },
  UPGRADE_MISMATCH: {
    number: 853,
    text: "the successor's manifest names another network or another state store",
  },
  UPGRADE_ABORTED: { number: 854, text: "the upgrade was aborted" },
  UPGRADE_LATE: { number: 855, text: "no upgrade can be aborted: none runs, or it hands over" },

  // 900: the parent's own edge
  HTTP_MALFORMED: { number: 900, text: "the HTTP request is malformed" },
  HTTP_NOT_FOUND: { number: 901, text: "no such route" },
  HTTP_METHOD: { number: 902, text: "the route does not answer this method" },
  BODY_OVERSIZE: { number: 903, text: "the body is larger than its limit" },
  RATE_LIMITED: { number: 904, text: "this client sends more than its rate allows" },
  QUEUE_FULL: { number: 905, text: "the queue is full" },
  DEADLINE: { number: 906, text: "the request was not answered within its deadline" },
  NOT_READY: { number: 907, text: "the signer is not ready" },
  RELOAD_RUNNING: { number: 908, text: "a reload is already running" },
  RELAY_HOST_DENIED: { number: 910, text: "the relay does not connect to this host" },
  RELAY_UNREACHABLE: { number: 911, text: "the relay can't reach the host" },
  HTTP_INTERNAL: { number: 912, text: "the parent failed while it answered" },
  TLS_MATERIAL: { number: 920, text: "a certificate, key or CRL of the listener can't be used" },
  TLS_CLIENT_REFUSED: { number: 921, text: "the client's certificate was not accepted" },
  LISTEN_FAILED: { number: 922, text: "the address can't be listened on" },
  CONFIG_UNREADABLE: { number: 930, text: "the configuration file can't be read" },
  CONFIG_MALFORMED: { number: 931, text: "the configuration file does not fit its schema" },
  PRIVVAL_UNREACHABLE: { number: 940, text: "the node can't be reached at its address" },
  PRIVVAL_TIMEOUT: {
    number: 941,
    text: "the node did not finish the handshake; it serves one signer at a time",
  },
  PRIVVAL_HANDSHAKE: {
    number: 942,
    text: "the node does not speak what its address says, or can't prove its identity",
  },
  PRIVVAL_PEER_ID: { number: 943, text: "the node has another identity than the configured one" },
  PRIVVAL_CLOSED: { number: 944, text: "the node closed the connection" },
  PRIVVAL_IDLE: { number: 945, text: "the node sent nothing for three of its pings" },
  PRIVVAL_LATE: { number: 946, text: "the answer was not ready, or not taken, in time" },
  PRIVVAL_MALFORMED: { number: 947, text: "the node sent something else than its protocol" },
  PRIVVAL_OVERSIZE: { number: 948, text: "the node's message is larger than its limit" },
  PRIVVAL_ANSWER: {
    number: 949,
    text: "the answer does not fit the request, or is larger than the node reads",
  },
  PRIVVAL_IDENTITY: { number: 950, text: "the identity key can't be read, made or used" },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Values that belong to a code (both roots of a mismatch, the floor of a refusal). */
export type Detail = Uint8Array | bigint | number | string;

/**
 * An error as a value. `detail` holds what DETAIL_NAMES lists for the code, in that order; on the
 * wire it is bounded by `DETAIL_COUNT_MAX`.
 */
export type Refusal<Code extends ErrorCode = ErrorCode> = {
  readonly code: Code;
  readonly detail?: readonly Detail[];
};

/** What the details of a code mean, in order. A code that is not listed has none. */
export const DETAIL_NAMES: Readonly<Partial<Record<ErrorCode, readonly string[]>>> = {
  NITRO_CLI_FAILED: ["reason"],
  REQUEST_MALFORMED: ["field"],
  MANIFEST_MALFORMED: ["field"],
  ROOT_MISMATCH: ["computed", "supplied"],
  FORK_MISMATCH: ["expected", "actual"],
  NETWORK_MISMATCH: ["expected", "actual"],
  INTERCHANGE_MALFORMED: ["offset"],
  FUTURE: ["asked", "allowed"],
  HIGH_WATERMARK: ["asked", "highWatermark"],
  GUARD_BLOCK_DOUBLE: ["slot"],
  GUARD_BLOCK_BELOW: ["slot", "signedSlot"],
  GUARD_VOTE_DOUBLE: ["target"],
  GUARD_VOTE_TARGET_BELOW: ["target", "signedTarget"],
  GUARD_VOTE_SOURCE_BELOW: ["source", "signedSource"],
  GUARD_VOTE_ORDER: ["source", "target"],
  GUARD_BOOT_FLOOR: ["slotFrom", "sourceFrom", "targetFrom"],
  MAX_HEIGHT: ["height", "maxHeight"],
  GUARD_HEIGHT_BELOW: ["height", "signedHeight"],
  GUARD_ROUND_BELOW: ["height", "round", "signedRound"],
  GUARD_STEP_BELOW: ["height", "round", "step", "signedStep"],
  GUARD_STEP_DOUBLE: ["height", "round", "step"],
  GUARD_FLOOR: ["heightFrom", "roundFrom", "stepFrom"],
  GUARD_RESERVED: ["height", "reservedHeight"],
  OVERRIDE_STATE: ["expectedSeq", "seq"],
  OVERRIDE_UNSIGNED: ["needed", "valid"],
  PHASE_REFUSED: ["phase"],
  TLS_MATERIAL: ["file", "reason"],
  LISTEN_FAILED: ["address"],
  PRIVVAL_IDENTITY: ["file", "reason"],
};

export function refusal<Code extends ErrorCode>(
  code: Code,
  ...detail: readonly Detail[]
): Refusal<Code> {
  return detail.length === 0 ? { code } : { code, detail };
}

/** The details with their names, for people: `slotFrom 12, sourceFrom 3`; empty without any. */
export function describeDetail({ code, detail = [] }: Refusal): string {
  const names = DETAIL_NAMES[code] ?? [];
  return detail
    .map((value, index) => `${names[index] ?? "detail"} ${describeValue(value)}`)
    .join(", ");
}

/** One detail for people: numbers as decimal text, bytes as `0x…`. */
export function describeValue(value: Detail): string {
  return value instanceof Uint8Array ? encodePrefixedHex(value) : String(value);
}

function buildCodeByNumber(): ReadonlyMap<number, ErrorCode> {
  const codes = new Map<number, ErrorCode>();
  for (const [code, { number }] of Object.entries(ERRORS)) {
    if (isErrorCode(code)) codes.set(number, code);
  }
  return codes;
}

const CODE_BY_NUMBER = buildCodeByNumber();

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

export function errorCodeOfNumber(number: number): ErrorCode | undefined {
  return CODE_BY_NUMBER.get(number);
}
