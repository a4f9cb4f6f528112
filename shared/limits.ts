// The limits that add up to what the system can hold, or that two sides have to agree on. Bounds
// that one parser sets itself stand with it. Sizes are in bytes, times in ms.

/** An HTTP body of a signing request. A Gloas envelope carries a whole execution payload as hex. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;

/** Request line and headers of one HTTP request. */
export const HTTP_HEADER_BYTES_MAX = 8192;
/** Connections of the signing listener: of all clients, and of one. */
export const HTTP_CONNECTION_COUNT_MAX = 2048;
export const CLIENT_CONNECTION_COUNT_MAX = 512;
export const CLIENT_COUNT_MAX = 1024;

/** One frame between parent and enclave: a body and its envelope. */
export const FRAME_BYTES_MAX = BODY_BYTES_MAX + 4096;

/** A privval message from a node, which caps nothing that it sends (tendermint.md §1.2). */
export const PRIVVAL_MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
/** What every node from v0.34 on reads of an answer; one byte more blocks the connection. */
export const PRIVVAL_ANSWER_BYTES_MAX = 10_240;
/** CometBFT's own limit of a vote extension. */
export const VOTE_EXTENSION_BYTES_MAX = 1024 * 1024;

/** Requests on one link that have no answer yet; one more is answered LINK_BUSY at once. */
export const IN_FLIGHT_COUNT_MAX = 4096;

/** Bodies of the requests in flight, added up, on one link. */
export const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;

/** Links that an enclave serves at once (one parent; one that reconnects; a tool). */
export const LINK_COUNT_MAX = 8;

/** Unsent bytes after which a peer that does not read is cut off. */
export const LINK_BACKLOG_BYTES_MAX = 64 * 1024 * 1024;

/** Details of one error answer. */
export const DETAIL_COUNT_MAX = 4;
export const DETAIL_BYTES_MAX = 128;

export const MANIFEST_BYTES_MAX = 1024 * 1024;
export const CREDENTIAL_BYTES_MAX = 4096;

/** Keys that one enclave holds, over all its bundles. */
export const KEY_COUNT_MAX = 100_000;
export const BUNDLE_COUNT_MAX = 256;
/** Chains that one enclave signs for. */
export const CHAIN_COUNT_MAX = 64;
/** A bundle of KEY_COUNT_MAX BLS keys is 8.5 MB. */
/** KEY_COUNT_MAX keys are 8.5 MB of Ethereum's, 13.3 MB of the longest ("bls12381-nul"). */
export const BUNDLE_BYTES_MAX = 16 * 1024 * 1024;
export const BUNDLE_HEADER_BYTES_MAX = 8192;
/** A KMS ciphertext (nitro-kms.md §4). */
export const WRAPPED_KEY_BYTES_MAX = 6144;
/** A `CiphertextForRecipient`: 4096 bytes of plaintext and the envelope. Ours hold 32. */
export const CMS_BYTES_MAX = 6144;
/** An HTTP answer of KMS. */
export const KMS_ANSWER_BYTES_MAX = 64 * 1024;
/** One secret of Secrets Manager; a bundle is cut into as many as it takes. */
export const SECRET_BYTES_MAX = 65_536;
/** One piece of a bundle or a list on the wire. */
export const CHUNK_BYTES_MAX = 512 * 1024;

/** NSM (nitro-kms.md §1): request, response, and what we send in each field of a document. */
export const NSM_REQUEST_BYTES_MAX = 0x1000;
export const NSM_RESPONSE_BYTES_MAX = 0x3000;
export const NONCE_BYTES_MAX = 512;
export const USER_DATA_BYTES_MAX = 512;
export const ATTESTATION_BYTES_MAX = 16_384;
/**
 * What a document may contain (nitro-kms.md §1 and §2): fields of others may be larger than ours.
 */
export const ATTESTATION_FIELD_BYTES_MAX = 1024;
export const MODULE_ID_LENGTH_MAX = 128;
export const CERTIFICATE_BYTES_MAX = 1024;
/** Root to the leaf's issuer; hardware sends 4. */
export const CABUNDLE_COUNT_MAX = 8;
export const PCR_COUNT = 32;
export const PCR_BYTES = 48;

/** A record with its authentication tag, and the receipt that goes with it. */
export const RECORD_BYTES_MAX = 512;
export const RECEIPT_BYTES_MAX = 1280;
/** Signatures that one receipt states, of those that were made from memory. */
export const RECEIPT_SIGNED_COUNT_MAX = 16;
/** Signatures of one key made from memory that no receipt states yet; then signing waits. */
export const UNRECEIPTED_COUNT_MAX = 64;
/** Heights that a signer may reserve ahead. */
export const RESERVED_HEIGHT_COUNT_MAX = 100;
/** Records of one commit or one page of a read. */
export const COMMIT_COUNT_MAX = 1024;
export const PAGE_COUNT_MAX = 1024;
/** Public keys of one page of the enclave's list. */
export const KEY_PAGE_COUNT_MAX = 4096;

/** Keys of one `state.retire`: each costs a document of the NSM. */
export const RETIRE_COUNT_MAX = 16;
/** Operators that a manifest may name for overrides. */
export const OPERATOR_COUNT_MAX = 16;
export const OVERRIDE_ORDER_BYTES_MAX = 512;
/** How long an order to lower a floor may be valid from now on. */
export const OVERRIDE_VALID_MS_MAX = 86_400_000;
/** Earlier measurements from which a manifest may let the state be handed over. */
export const PREDECESSOR_COUNT_MAX = 8;
/** Receipts of a page of the log. */
export const RECEIPT_PAGE_COUNT_MAX = 4096;
/** Receipts that wait for the parent's log; what comes then stays in the store until read. */
export const RECEIPT_BACKLOG_COUNT_MAX = 65_536;

/** An EIP-3076 file, handed over in chunks of records rather than whole. */
export const INTERCHANGE_BYTES_MAX = 512 * 1024 * 1024;

/** The relay: streams at once, the frames that open one, and silence until it is closed. */
export const RELAY_CONNECTION_COUNT_MAX = 256;
export const RELAY_PREFACE_BYTES_MAX = 300;
export const RELAY_IDLE_MS = 120_000;

/** Nodes that the parent dials for Tendermint's privval protocol. */
export const PRIVVAL_NODE_COUNT_MAX = 64;
/** Dial and handshake together; a node waits 3 s for its signer (tendermint.md §1.5). */
export const PRIVVAL_DIAL_DEADLINE_MS = 2000;
/** From a node's request to our answer; the node waits 5 s and would take it for the next one's. */
export const PRIVVAL_ANSWER_DEADLINE_MS = 4000;
/** Three of a node's pings. */
export const PRIVVAL_IDLE_MS = 10_000;

/** From the arrival of an HTTP request to its answer. */
export const REQUEST_DEADLINE_MS = 5000;
/** From a commit's frame to its outcome; then the outcome counts as unknown. */
export const COMMIT_DEADLINE_MS = 4000;
/** A call to KMS, with connecting. */
export const KMS_DEADLINE_MS = 15_000;
/** TCP or vsock connect, and the relay's preface. */
export const CONNECT_DEADLINE_MS = 5000;
/** One call of an operator's command over the admin socket. */
export const ADMIN_DEADLINE_MS = 60_000;
/** How long shutting down waits for what is in flight. */
export const SHUTDOWN_DEADLINE_MS = 10_000;

/** Trusted time is renewed this often, and is not used when it is older than the other. */
export const TIME_RENEWAL_MS = 60_000;
export const TIME_AGE_MS_MAX = 600_000;
/**
 * How many slots ahead of trusted time a block or vote may be. Part of every boot floor: a release
 * that raises it must keep the larger value in the floor for as long as older ones may have run.
 */
export const LOOKAHEAD_SLOTS = 1n;
/** How many epochs ahead what can't be slashed may be (selection proofs are made in advance). */
export const PREPARATION_EPOCHS = 2n;
/** How far an enclave's clock may have run ahead of NSM time; part of every boot floor. */
export const TIME_SKEW_MS_MAX = 2000;
