// One key with an honest first record, the real ledger and the real rule, over a scripted store
// unless another is given.

import { createHash } from "node:crypto";
import type { EthereumClaim } from "../../enclave/core/chains/ethereum/operation.ts";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
} from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import type { ChainedRecord } from "../../enclave/core/guard.ts";
import type { StateStore } from "../../enclave/core/ports.ts";
import { Account } from "../../enclave/state/account.ts";
import { Ledger } from "../../enclave/state/ledger.ts";
import { openRecord, type RecordOwner } from "../../enclave/state/record-codec.ts";
import { invariant } from "../../shared/invariant.ts";
import { MemoryStore } from "./memory-store.ts";

export const SCOPE = new Uint8Array(32).fill(0x5c);
export const NO_FLOOR: EthereumFloor = { slot: 0n, source: 0n, target: 0n };

export type EthereumAccount = Account<EthereumRecord, EthereumFloor>;

export function ownerOf(number: number): RecordOwner {
  return {
    scope: SCOPE,
    publicKey: new Uint8Array(48).fill(number),
    recordKey: new Uint8Array(32).fill(0x80 + number),
  };
}

export function rootOf(name: string): Uint8Array {
  return createHash("sha256").update(name).digest();
}

export function block(slot: number | bigint): EthereumClaim {
  return { kind: "block", slot: BigInt(slot) };
}

export function vote(source: number | bigint, target: number | bigint): EthereumClaim {
  return { kind: "attestation", source: BigInt(source), target: BigInt(target) };
}

export class LedgerRig<S extends StateStore = MemoryStore> {
  readonly store: S;
  readonly ledger: Ledger<EthereumRecord, EthereumClaim, EthereumFloor>;
  readonly account: EthereumAccount;

  constructor(store: S, floor: EthereumFloor = NO_FLOOR, keyNumber = 1) {
    this.store = store;
    this.ledger = new Ledger<EthereumRecord, EthereumClaim, EthereumFloor>(
      ethereumRule,
      SCOPE,
      store,
    );
    this.account = new Account(ownerOf(keyNumber));
    this.account.floor = floor;
  }

  /** "ok", or the code of the refusal. */
  async ask(claim: EthereumClaim, root: string, account = this.account): Promise<string> {
    const signingRoot = rootOf(root);
    const kind = claim.kind === "block" ? "BLOCK" : "ATTESTATION";
    const receipt = { kind, heights: [], signingRoot, timeMs: 1 };
    const answer = await this.ledger.record(account, claim, signingRoot, receipt);
    return answer.ok ? "ok" : answer.error.code;
  }

  async init(account = this.account): Promise<string> {
    const receipt = { kind: "init", heights: [], signingRoot: null, timeMs: 1 };
    const answer = await this.ledger.amend(account, receipt, (record) =>
      record === null ? { record: ethereumRule.empty, isRetired: false } : null,
    );
    return answer.ok ? "ok" : answer.error.code;
  }

  async load(account = this.account): Promise<string> {
    const loaded = await this.ledger.load([account]);
    return loaded.ok ? "ok" : loaded.error.code;
  }
}

/** A rig whose key has its first record. */
export async function ledgerRig(floor: EthereumFloor = NO_FLOOR): Promise<LedgerRig> {
  const rig = new LedgerRig(new MemoryStore(), floor);
  await rig.load();
  invariant((await rig.init()) === "ok", "a first record is taken");
  return rig;
}

/** What the store holds of the key. */
export function storedOf(rig: LedgerRig): ChainedRecord<EthereumRecord> {
  const stored = rig.store.stored(rig.account.publicKey);
  invariant(stored !== null, "the key has a record");
  const opened = openRecord(ethereumRule, rig.account, stored);
  invariant(opened.ok, "the record is the key's own");
  return opened.value;
}

/** How many receipts of the store's history state this root. */
export function receiptCount(rig: LedgerRig, root: string): number {
  return rig.store.receipts.filter((receipt) => Buffer.from(receipt).includes(rootOf(root))).length;
}

/** What the store was asked to write, commit by commit: the keys' numbers and the versions. */
export function sentSeqs(rig: LedgerRig): readonly (readonly (readonly number[])[])[] {
  return rig.store.commits.map((group) => group.map(({ key, seq }) => [key[0] ?? -1, seq]));
}
