// A boot of a signer that reserves heights: the real accounts, ledger and reservation on a store of
// the test's. Several may share one store, as enclaves on a table do.

import assert from "node:assert/strict";
import {
  NO_FLOOR,
  type TendermintRecord,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import { tendermintRule } from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import type { TendermintStep } from "../../enclave/core/chains/tendermint/position.ts";
import { parseManifest } from "../../enclave/core/manifest.ts";
import { KeyMaterial } from "../../enclave/keys/key-material.ts";
import { MESSAGE_SIGNATURES } from "../../enclave/keys/message-signature.ts";
import { MessageKey } from "../../enclave/keys/signing-key.ts";
import { ClaimRecorder } from "../../enclave/service/claim-recorder.ts";
import { createFirstRecords } from "../../enclave/service/record-act.ts";
import {
  createTendermintAccounts,
  type TendermintAccount,
  type TendermintAccounts,
} from "../../enclave/service/tendermint-accounts.ts";
import { chainsOf, VALIDATOR } from "./consensus-rig.ts";
import { rootOf } from "./ledger-rig.ts";
import type { MemoryStore } from "./memory-store.ts";
import { KEY_ARN } from "./sealed-keys.ts";

export type ReservationWish = {
  readonly boot?: number;
  readonly heights?: number;
  readonly maxHeight?: string;
};

export class ReservationRig {
  readonly accounts: TendermintAccounts;
  readonly account: TendermintAccount;
  readonly recorder: ClaimRecorder;
  readonly #store: MemoryStore;
  /** Every byte of the boot's id. */
  readonly boot: number;
  /** Trusted time; null: too old. */
  timeMs: number | null = 1000;

  private constructor(accounts: TendermintAccounts, store: MemoryStore, boot: number) {
    const account = accounts.find(VALIDATOR.publicKey);
    assert(account !== undefined);
    this.accounts = accounts;
    this.account = account;
    this.#store = store;
    this.boot = boot;
    this.recorder = new ClaimRecorder(new Uint8Array(16).fill(boot), () => this.timeMs);
  }

  /** With the key's record as the store has it. */
  static async boot(store: MemoryStore, wish: ReservationWish = {}): Promise<ReservationRig> {
    const accounts = createTendermintAccounts(manifestOf(wish));
    const material = new KeyMaterial(1);
    const { ed25519 } = MESSAGE_SIGNATURES;
    const key = MessageKey.load({ ...VALIDATOR, scheme: "ed25519" }, material, 0, ed25519);
    assert(key !== undefined);
    assert((await accounts.add({ id: new Uint8Array(16), keys: [key], material }, null)).ok);
    const ledgers = await accounts.readState(store);
    assert(ledgers.ok);
    accounts.openState(ledgers.value, NO_FLOOR, null);
    return new ReservationRig(accounts, store, wish.boot ?? 1);
  }

  /** And with a first record. */
  static async serve(store: MemoryStore, wish: ReservationWish = {}): Promise<ReservationRig> {
    const rig = await ReservationRig.boot(store, wish);
    const { accounts } = rig;
    const parts = { accounts, empty: tendermintRule.empty, store, nowMs: () => 1 };
    assert((await createFirstRecords(parts, [VALIDATOR.publicKey])).ok);
    return rig;
  }

  /** And the prevote of a first height signed, with everything written that there is to write. */
  static async begin(
    store: MemoryStore,
    height: number,
    wish: ReservationWish,
  ): Promise<ReservationRig> {
    const rig = await ReservationRig.serve(store, wish);
    assert.equal(await rig.ask(height, rootOf("a")), `${height}`);
    await settle();
    return rig;
  }

  /** An order of the operators for the record of version `seq`: "ok", or the refusal's code. */
  async order(
    seq = this.account.entry.durable?.seq ?? 0,
    record: TendermintRecord = tendermintRule.empty,
  ): Promise<string> {
    const { account } = this;
    const receipt = { kind: "override", heights: [], signingRoot: rootOf("a"), timeMs: 1 };
    const ordered = await this.recorder.override(account, () =>
      account.ledger.override(account, receipt, record, seq),
    );
    return ordered.ok ? "ok" : ordered.error.code;
  }

  /** The seconds to sign, or the code of the refusal. */
  async ask(
    height: number,
    root: Uint8Array,
    step: TendermintStep = "prevote",
    seconds = height,
  ): Promise<string> {
    const timestamp = { seconds: BigInt(seconds), nanos: 0 };
    const claim = { height: BigInt(height), round: 0, step, timestamp };
    const heights = [claim.height, 0n];
    const receipt = { kind: step.toUpperCase(), heights, signingRoot: root, timeMs: seconds };
    const answer = await this.recorder.record(this.account, claim, root, receipt, () => undefined);
    return answer.ok ? `${answer.value.seconds}` : answer.error.code;
  }

  /** As the store has it. */
  stored(): TendermintRecord {
    const stored = this.#store.stored(VALIDATOR.publicKey);
    assert(stored !== null);
    const record = tendermintRule.parse(stored.record.subarray(41, -32));
    assert(record !== undefined);
    return record;
  }
}

/** Until everything that was begun has ended. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
}

/** How often the store has a receipt of a prevote at this height, which is from 24 to 255. */
export function lineCount(store: MemoryStore, height: number): number {
  const line = Buffer.from("PREVOTE").toString("hex");
  const histories = store.receipts.map((bytes) => Buffer.from(bytes).toString("hex"));
  const at = `${line}82${(0x18_00 + height).toString(16)}00`;
  return histories.join(" ").split(at).length - 1;
}

function manifestOf({ heights = 4, maxHeight }: ReservationWish) {
  const manifest = {
    redoubt: 1,
    kms: { keyArn: KEY_ARN },
    state: { kind: "parent" },
    ...chainsOf([VALIDATOR], { reservation: { heights }, maxHeight }),
  };
  const parsed = parseManifest(new TextEncoder().encode(JSON.stringify(manifest)));
  assert(parsed.ok && parsed.value.family === "tendermint");
  return parsed.value;
}
