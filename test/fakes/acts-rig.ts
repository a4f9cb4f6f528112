// The operator's acts alone: the real accounts, ledger and records over a scripted store, with a
// time that may be missing and an NSM that may refuse. The NSM's documents are the user data that
// they would attest.

import assert from "node:assert/strict";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
  NO_FLOOR,
} from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import type { ChainedRecord } from "../../enclave/core/guard.ts";
import type { EthereumManifest } from "../../enclave/core/manifest.ts";
import type { NsmRefusal } from "../../enclave/core/ports.ts";
import {
  createEthereumAccounts,
  type EthereumAccount,
  type EthereumAccounts,
} from "../../enclave/service/ethereum-accounts.ts";
import { type ActParts, initRecords } from "../../enclave/service/state-acts.ts";
import {
  encodeReceipt,
  encodeRecord,
  NO_HEAD,
  openRecord,
  type Receipt,
} from "../../enclave/state/record-codec.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { openedBundle, RootPool } from "../simulation/simulated-enclave.ts";
import { GENESIS_MS, manifest, SLOT_MS, SLOTS_PER_EPOCH } from "../simulation/validator.ts";
import { MemoryStore } from "./memory-store.ts";
import { KEY_A, KEY_B } from "./service-rig.ts";

/** In the middle of epoch 12. */
export const NOW_MS = GENESIS_MS + (12 * SLOTS_PER_EPOCH + 3) * SLOT_MS;
export const BOOT_ID = new Uint8Array(16).fill(0xb0);

export class ActsRig {
  readonly store = new MemoryStore();
  readonly manifest: EthereumManifest;
  readonly accounts: EthereumAccounts;
  nowMs: number | null = NOW_MS;
  attestRefusal: NsmRefusal | null = null;

  constructor(more: Partial<EthereumManifest> = {}) {
    this.manifest = { ...manifest, ...more };
    this.accounts = createEthereumAccounts(this.manifest, new RootPool());
  }

  /** With both keys; the first has a record when `isInited`. */
  static async open(
    wish: {
      readonly isInited?: boolean;
      readonly floor?: EthereumFloor;
      readonly manifest?: Partial<EthereumManifest>;
    } = {},
  ): Promise<ActsRig> {
    const rig = new ActsRig(wish.manifest);
    for (const key of [KEY_A, KEY_B]) {
      assert((await rig.accounts.add(openedBundle(key), null)).ok);
    }
    const ledger = await rig.accounts.readState(rig.store);
    assert(ledger.ok);
    rig.accounts.openState(ledger.value, wish.floor ?? NO_FLOOR, null);
    if (wish.isInited === true) {
      assert((await initRecords(rig.parts, { keys: [KEY_A.publicKey] })).ok);
    }
    return rig;
  }

  get parts(): ActParts {
    const { manifest: measured, accounts, store } = this;
    const attest: ActParts["nsm"]["attest"] = ({ userData }) =>
      Promise.resolve(
        this.attestRefusal === null ? ok(userData ?? new Uint8Array(0)) : err(this.attestRefusal),
      );
    const nowMs = () => this.nowMs;
    return { manifest: measured, accounts, store, nsm: { attest }, bootId: BOOT_ID, nowMs };
  }

  account(key: BundleKey = KEY_A): EthereumAccount {
    const account = this.accounts.find(key.publicKey);
    assert(account !== undefined);
    return account;
  }

  /** What the store holds of the key. */
  stored(key: BundleKey = KEY_A): ChainedRecord<EthereumRecord> | null {
    const stored = this.store.stored(key.publicKey);
    if (stored === null) return null;
    const opened = openRecord(ethereumRule, this.account(key), stored);
    assert(opened.ok);
    return opened.value;
  }

  /** As another enclave with the key has written it. */
  put(record: EthereumRecord, seq: number, key: BundleKey = KEY_A): void {
    const head = new Uint8Array(32).fill(seq);
    const chained = { record, isRetired: false, seq, head };
    const bytes = encodeRecord(ethereumRule, this.account(key), chained);
    this.store.rollBack(key.publicKey, { seq, record: bytes });
  }

  /** Checks that the last write was this act, on top of `before`. */
  assertReceipt(
    wanted: Pick<Receipt, "kind"> & Partial<Receipt>,
    before: ChainedRecord<EthereumRecord> | null,
  ): void {
    const receipt = { heights: [], signingRoot: null, timeMs: NOW_MS, ...wanted };
    const bytes = encodeReceipt(receipt, (before?.seq ?? 0) + 1, before?.head ?? NO_HEAD);
    assert.deepEqual(Buffer.from(this.store.receipts.at(-1) ?? []), Buffer.from(bytes));
  }

  refuseVerify(cause: Refusal): void {
    this.store.verify = () => Promise.resolve(err(cause));
  }
}

export function codeOf(result: Result<unknown, Refusal>): string {
  return result.ok ? "ok" : result.error.code;
}
