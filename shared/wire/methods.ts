// The whole contract between parent and enclave: what the parent may ask of the enclave, and what
// the enclave asks of the parent's store. Parameters and answers are positional on the wire.

import {
  BODY_BYTES_MAX,
  BUNDLE_BYTES_MAX,
  BUNDLE_COUNT_MAX,
  CHAIN_COUNT_MAX,
  CHUNK_BYTES_MAX,
  COMMIT_COUNT_MAX,
  CREDENTIAL_BYTES_MAX,
  KEY_COUNT_MAX,
  KEY_PAGE_COUNT_MAX,
  MANIFEST_BYTES_MAX,
  NONCE_BYTES_MAX,
  PAGE_COUNT_MAX,
  RECEIPT_BYTES_MAX,
  RECEIPT_PAGE_COUNT_MAX,
  RECORD_BYTES_MAX,
  RETIRE_COUNT_MAX,
} from "../limits.ts";
import { OPERATION_MASK_MAX } from "../operation.ts";
import { CONSENSUS_METHODS, chainIdField } from "./consensus-methods.ts";
import {
  bytesField,
  countField,
  flagField,
  listField,
  nullableField,
  recordField,
  textField,
  u64Field,
  type ValueOf,
} from "./field.ts";
import { documentField, keyField, type Method, method, signedOrderField } from "./method.ts";

const nothing = recordField({});
const digestField = bytesField(48, 48);
/** Of a boot, or of a bundle. */
const idField = bytesField(16, 16);
/** Whose record: 32 bytes that name a chain's network (Ethereum: the genesis validators root). */
const scopeField = bytesField(32, 32);
const recordBytesField = bytesField(1, RECORD_BYTES_MAX);
/** A random number that only one boot of one enclave has asked for. */
const challengeField = bytesField(32, 32);

/** From which slot, source epoch and target epoch on a key may sign since this boot. */
const floorField = recordField({ slot: u64Field, source: u64Field, target: u64Field });

/** The request formats that `sign` takes, by number. */
export const DIALECTS = { web3signer: 0, eip3030: 1 } as const;
export type Dialect = keyof typeof DIALECTS;

/** What an operator sees of one key's record. Null where nothing was signed yet. */
const ethereumStateField = recordField({
  key: keyField,
  hasRecord: flagField,
  /** A tombstone: the key never signs again. */
  isRetired: flagField,
  seq: countField(),
  /** Of the key's chain of receipts; zero without a record. */
  head: bytesField(32, 32),
  blockSlot: nullableField(u64Field),
  blockRoot: nullableField(bytesField(32, 32)),
  source: nullableField(u64Field),
  target: nullableField(u64Field),
  attestationRoot: nullableField(bytesField(32, 32)),
  /** Below it the record may not tell all: an old copy of the store can have been restored. */
  floor: nullableField(floorField),
});

/** Why floors are raised, by number: it is what the receipt says. */
export const RAISE_REASONS = { import: 0, floor: 1 } as const;
export type RaiseReason = keyof typeof RAISE_REASONS;

/**
 * The maxima of one key in an EIP-3076 file. No roots: a root that the parent states is no proof
 * that it was signed, and "sign the same again" must not rest on it (docs/safety.md).
 */
const importedFloorField = recordField({
  key: keyField,
  blockSlot: nullableField(u64Field),
  source: nullableField(u64Field),
  target: nullableField(u64Field),
});

/** What the parent asks of the enclave. */
export const ENCLAVE_METHODS = {
  /** Answered in every phase. */
  status: method(
    nothing,
    recordField({
      phase: textField(16),
      software: textField(64),
      bootId: idField,
      manifestDigest: nullableField(digestField),
      /** Of the measured manifest's network. */
      genesisValidatorsRoot: nullableField(bytesField(32, 32)),
      bundleIds: listField(idField, BUNDLE_COUNT_MAX),
      keyCount: countField(KEY_COUNT_MAX),
      /** Keys that have a record, of `keyCount`. */
      recordCount: countField(KEY_COUNT_MAX),
      floor: nullableField(floorField),
      /** Of the measured manifest, in its order: the Tendermint chains' ids. */
      chainIds: listField(chainIdField, CHAIN_COUNT_MAX),
      highWatermark: nullableField(recordField({ slot: u64Field, epoch: u64Field })),
      /** Of the measured manifest: `parent` or `dynamodb`. */
      storeKind: nullableField(textField(16)),
      /** Floors that operators have had lowered since this boot. */
      overrideCount: countField(),
      /** Receipts that never reached the parent's log; an audit shows them as gaps. */
      lostReceiptCount: countField(),
      /** Trusted time; 0 before there is any, and when it is too old. Its age goes on then. */
      timeMs: countField(),
      timeAgeMs: countField(),
    }),
  ),
  "manifest.put": method(
    recordField({ manifest: bytesField(1, MANIFEST_BYTES_MAX) }),
    recordField({ digest: digestField }),
  ),
  "credentials.put": method(
    recordField({
      accessKeyId: textField(128),
      secretAccessKey: textField(256),
      sessionToken: nullableField(textField(CREDENTIAL_BYTES_MAX)),
      /** Unix time; 0 when they don't expire. */
      expirationMs: countField(),
    }),
    nothing,
  ),
  /** One piece of a bundle; pieces arrive in order, from offset 0. */
  "bundle.put": method(
    recordField({
      name: textField(128),
      offset: countField(BUNDLE_BYTES_MAX),
      totalBytes: countField(BUNDLE_BYTES_MAX),
      bytes: bytesField(1, CHUNK_BYTES_MAX),
    }),
    nothing,
  ),
  /** Opens a bundle that was put whole: one KMS call. Its keys are added, all or none. */
  "bundle.open": method(
    recordField({ name: textField(128) }),
    recordField({ bundleId: idField, keyCount: countField(KEY_COUNT_MAX) }),
  ),
  /** Forgets the keys of every opened bundle that is not listed. */
  "bundle.retain": method(
    recordField({ bundleIds: listField(idField, BUNDLE_COUNT_MAX) }),
    recordField({ droppedKeyCount: countField(KEY_COUNT_MAX) }),
  ),
  /** What the predecessor's hand-over has to be bound to: the same until the next boot. */
  "state.challenge": method(nothing, recordField({ nonce: challengeField })),
  /**
   * Loads the records of all keys, and starts to sign. With a predecessor's hand-over whose records
   * are exactly these there is no boot floor (`isHandedOver`).
   */
  "state.open": method(
    recordField({ handover: nullableField(documentField) }),
    recordField({
      keyCount: countField(KEY_COUNT_MAX),
      recordCount: countField(KEY_COUNT_MAX),
      isHandedOver: flagField,
    }),
  ),
  /** First records for keys that have none; keys that have one keep it. */
  "state.init": method(
    recordField({ keys: listField(keyField, COMMIT_COUNT_MAX) }),
    recordField({ createdCount: countField(COMMIT_COUNT_MAX) }),
  ),
  "state.show": method(
    recordField({ keys: listField(keyField, PAGE_COUNT_MAX) }),
    listField(ethereumStateField, PAGE_COUNT_MAX),
  ),
  /** Raises floors, never lowers; creates records. With `isDryRun` nothing changes. */
  "state.import": method(
    recordField({
      genesisValidatorsRoot: bytesField(32, 32),
      floors: listField(importedFloorField, COMMIT_COUNT_MAX),
      isDryRun: flagField,
      /** One of RAISE_REASONS. */
      reason: countField(255),
    }),
    /** The states after the import, in the order of the floors; unknown keys are left out. */
    listField(ethereumStateField, COMMIT_COUNT_MAX),
  ),
  /**
   * Writes a tombstone for each key, then answers its last state with an attestation document that
   * proves it (docs/high-availability.md). A key that is retired already is proved again.
   */
  "state.retire": method(
    recordField({ keys: listField(keyField, RETIRE_COUNT_MAX) }),
    listField(
      recordField({ state: ethereumStateField, document: documentField }),
      RETIRE_COUNT_MAX,
    ),
  ),
  /** Lowers one key's record and floor, by an order that operators of the manifest have signed. */
  "state.override": method(signedOrderField, ethereumStateField),
  "keys.list": method(
    recordField({ offset: countField(KEY_COUNT_MAX) }),
    recordField({
      totalCount: countField(KEY_COUNT_MAX),
      keys: listField(
        recordField({ scheme: countField(255), publicKey: keyField }),
        KEY_PAGE_COUNT_MAX,
      ),
    }),
  ),
  attest: method(
    recordField({ nonce: nullableField(bytesField(0, NONCE_BYTES_MAX)) }),
    recordField({ document: documentField }),
  ),
  /**
   * Signs what the body asks for. `kinds` is the mask of what the client may ask for; it is the
   * parent's convenience and can only narrow what the manifest allows.
   */
  sign: method(
    recordField({
      dialect: countField(255),
      key: keyField,
      kinds: countField(OPERATION_MASK_MAX),
      body: bytesField(0, BODY_BYTES_MAX),
    }),
    recordField({ kind: countField(31), signature: bytesField(1, 256) }),
  ),
  ...CONSENSUS_METHODS,
  /** Answers when nothing is in flight any more; nothing is signed afterwards. */
  drain: method(nothing, nothing),
  /**
   * After draining: writes each key's floor into its record, then proves to the enclave whose
   * challenge this is that these records are the last. Once, for one enclave.
   */
  "state.handover": method(
    recordField({ nonce: challengeField }),
    recordField({ document: documentField }),
  ),
} as const;

/** What the enclave asks of the parent's store. The parent keeps bytes and checks versions. */
export const STORE_METHODS = {
  /** The records of these keys, null where there is none, in their order. */
  "store.read": method(
    recordField({ scope: scopeField, keys: listField(keyField, PAGE_COUNT_MAX) }),
    listField(
      nullableField(recordField({ seq: countField(), record: recordBytesField })),
      PAGE_COUNT_MAX,
    ),
  ),
  /**
   * Writes each record whose stored version is `seq - 1` (0: none stored), and its receipt, all in
   * one durable transaction. A refusal means that nothing of the commit was written, but for
   * STATE_UNKNOWN (a failed fsync). The answer is null for what was committed, else the newer
   * record (empty when there is none).
   */
  "store.commit": method(
    recordField({
      scope: scopeField,
      writes: listField(
        recordField({
          key: keyField,
          seq: countField(),
          record: recordBytesField,
          receipt: bytesField(0, RECEIPT_BYTES_MAX),
        }),
        COMMIT_COUNT_MAX,
      ),
    }),
    listField(
      nullableField(recordField({ seq: countField(), record: bytesField(0, RECORD_BYTES_MAX) })),
      COMMIT_COUNT_MAX,
    ),
  ),
  /** Adds receipts to the log of a store that keeps none itself; durable when it is answered. */
  "store.append": method(
    recordField({
      scope: scopeField,
      receipts: listField(
        recordField({
          key: keyField,
          seq: countField(),
          receipt: bytesField(1, RECEIPT_BYTES_MAX),
        }),
        COMMIT_COUNT_MAX,
      ),
    }),
    nothing,
  ),
} as const;

export type Methods = Readonly<Record<string, Method<unknown, unknown>>>;
export type EnclaveMethod = keyof typeof ENCLAVE_METHODS;
export type ParamsOf<M> = M extends { readonly params: infer F } ? ValueOf<F> : never;
export type AnswerOf<M> = M extends { readonly answer: infer F } ? ValueOf<F> : never;

export type EthereumState = ValueOf<typeof ethereumStateField>;
export type ImportedFloorOfKey = ValueOf<typeof importedFloorField>;

/** What the parent itself answers on its admin socket, beside the enclave's methods. */
export const PARENT_METHODS = {
  /** Lines of its log of receipts, in the order in which they were written, after this one. */
  "receipts.read": method(
    recordField({ after: countField() }),
    listField(
      recordField({
        id: countField(),
        scope: scopeField,
        key: keyField,
        seq: countField(),
        receipt: bytesField(1, RECEIPT_BYTES_MAX),
      }),
      RECEIPT_PAGE_COUNT_MAX,
    ),
  ),
  /**
   * Has another enclave, which the configuration file names by now, take over from the present one
   * (docs/upgrade.md). Answered when it has begun, with its number since the parent's start.
   */
  "upgrade.start": method(nothing, recordField({ number: countField() })),
  "upgrade.show": method(
    nothing,
    recordField({
      /** Of the last upgrade that was started; 0: none. */
      number: countField(),
      /** One of UPGRADE_PHASES. */
      phase: textField(16),
      /** Why it is not further, or why it ended; null when there is nothing to say. */
      code: nullableField(textField(64)),
      /** Of the new enclave when it is completed: what it refuses for now. Null: nothing. */
      floor: nullableField(floorField),
    }),
  ),
  /**
   * Leaves everything as it was. Refused with UPGRADE_LATE once the state is being handed over, and
   * when the upgrade that runs has another number than the one that is given.
   */
  "upgrade.abort": method(recordField({ number: nullableField(countField()) }), nothing),
} as const;

export const UPGRADE_PHASES = ["none", "preparing", "switching", "completed", "aborted"] as const;
export type UpgradePhase = (typeof UPGRADE_PHASES)[number];
export type UpgradeState = AnswerOf<(typeof PARENT_METHODS)["upgrade.show"]>;

export type LoggedLine = AnswerOf<(typeof PARENT_METHODS)["receipts.read"]>[number];
