// The loaded keys with everything that a request for one of them needs: the group of the manifest,
// the handle in the sign pool, the account in the ledger. Bundles add and drop accounts whole; an
// account is served only after its record was read. It must never serve a key whose state is not
// known, and never change a record but through the ledger.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EthereumState, ImportedFloorOfKey } from "../../shared/wire/methods.ts";
import type { EthereumClaim } from "../core/chains/ethereum/operation.ts";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
  highestFloor,
  raiseEthereumRecord,
} from "../core/chains/ethereum/slashing-rule.ts";
import { groupOf, type KeyGroup, type Manifest } from "../core/manifest.ts";
import type { SignPool, StateStore } from "../core/ports.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import { keyNameOf } from "../keys/key-name.ts";
import { Keyring } from "../keys/keyring.ts";
import { exportSecrets, type SigningKey } from "../keys/signing-key.ts";
import { Account, Ledger } from "../state/ledger.ts";

export type EthereumLedger = Ledger<EthereumRecord, EthereumClaim, EthereumFloor>;

export class KeyAccount extends Account<EthereumRecord, EthereumFloor> {
  readonly group: KeyGroup;
  /** In the sign pool; null while the key is not loaded. */
  handle: number | null = null;

  constructor(key: SigningKey, scope: Uint8Array, group: KeyGroup) {
    super({ scope, publicKey: key.publicKey, recordKey: key.macKey });
    this.group = group;
  }

  /** Never lowers: not even if time went back since the key was loaded before. */
  raiseFloor(floor: EthereumFloor): void {
    this.floor = this.floor === null ? floor : highestFloor(this.floor, floor);
  }
}

/** Keys whose state is remembered, loaded or dropped since boot. */
const ACCOUNT_COUNT_MAX = 2 * KEY_COUNT_MAX;

export class Accounts {
  readonly keyring = new Keyring();
  readonly #manifest: Manifest;
  readonly #pool: SignPool;
  readonly #byKey = new Map<string, KeyAccount>();
  /**
   * Every key that was loaded since boot. An account outlives its key: a parent that drops a
   * bundle, rolls the store back and loads the bundle again meets what is known already, and a
   * request that is still under way shares it with those that come later.
   */
  readonly #accounts = new Map<string, KeyAccount>();
  #ledger: EthereumLedger | null = null;

  constructor(manifest: Manifest, pool: SignPool) {
    this.#manifest = manifest;
    this.#pool = pool;
  }

  get ledger(): EthereumLedger {
    invariant(this.#ledger !== null, "the state is open");
    return this.#ledger;
  }

  get recordCount(): number {
    let count = 0;
    for (const { entry } of this.#byKey.values()) if (entry.durable !== null) count += 1;
    return count;
  }

  find(publicKey: Uint8Array): KeyAccount | undefined {
    return this.#byKey.get(keyNameOf(publicKey));
  }

  /**
   * Takes the keys of a bundle; once the state is open, their records are read first. `floor` is
   * that of this moment, null before the state is open: until now another enclave may have signed
   * with these keys, also with those that this one has had before.
   */
  async add(bundle: OpenedBundle, floor: EthereumFloor | null): Promise<Result<null, Refusal>> {
    invariant((floor === null) === (this.#ledger === null), "keys of an open state have a floor");
    const newKeys = bundle.keys.filter((key) => !this.#accounts.has(keyNameOf(key.publicKey)));
    if (this.#accounts.size + newKeys.length > ACCOUNT_COUNT_MAX) {
      bundle.material.wipe();
      return err(refusal("BUNDLE_LIMIT"));
    }
    const added = this.keyring.add(bundle);
    if (!added.ok) return added;
    const handles = await this.#pool.add(bundle.keys, exportSecrets(bundle.keys));
    // blst has its own copy of each secret now, here and in every thread.
    bundle.material.secrets.wipe();
    const scope = this.#manifest.ethereum.network.genesisValidatorsRoot;
    const accounts = bundle.keys.map((key) => this.#accountOf(key, scope));
    if (this.#ledger !== null && floor !== null) {
      for (const account of accounts) account.raiseFloor(floor);
      const loaded = await this.#ledger.load(accounts);
      if (!loaded.ok) {
        this.keyring.retain(this.keyring.bundleIds().filter((id) => id !== bundle.id));
        await this.#pool.remove(handles);
        return loaded;
      }
    }
    accounts.forEach((account, index) => {
      const handle = handles[index];
      invariant(handle !== undefined, "the pool answers a handle for each key");
      account.handle = handle;
      this.#byKey.set(keyNameOf(account.publicKey), account);
    });
    return ok(null);
  }

  /** Drops every bundle that is not listed; answers how many keys went. */
  async retain(bundleIds: readonly Uint8Array[]): Promise<number> {
    const count = this.keyring.retain(bundleIds);
    const handles: number[] = [];
    for (const [name, account] of this.#byKey) {
      if (this.keyring.find(account.publicKey) !== undefined) continue;
      this.#byKey.delete(name);
      if (account.handle !== null) handles.push(account.handle);
      account.handle = null;
    }
    await this.#pool.remove(handles);
    return count;
  }

  /** Reads every key's record; afterwards keys may sign. */
  async openState(store: StateStore, floor: EthereumFloor): Promise<Result<null, Refusal>> {
    const scope = this.#manifest.ethereum.network.genesisValidatorsRoot;
    const ledger: EthereumLedger = new Ledger(ethereumRule, scope, store);
    const accounts = [...this.#byKey.values()];
    for (const account of accounts) account.raiseFloor(floor);
    const loaded = await ledger.load(accounts);
    if (!loaded.ok) return loaded;
    this.#ledger = ledger;
    return ok(null);
  }

  /** First records, for keys that have none. */
  async init(keys: readonly Uint8Array[], timeMs: number): Promise<Result<number, Refusal>> {
    const missing = this.#findAll(keys).filter(({ entry }) => entry.durable === null);
    const acts = missing.map((account) =>
      this.ledger.amend(account, receiptOf("init", timeMs), (record) =>
        record === null ? ethereumRule.empty : null,
      ),
    );
    const failed = (await Promise.all(acts)).find((outcome) => !outcome.ok);
    if (failed !== undefined && !failed.ok) return failed;
    // A store that had hidden a record gave it out instead: that one was not created.
    return ok(missing.filter(({ entry }) => entry.durable?.seq === 1).length);
  }

  /** Raises floors; a dry run tells what it would do. */
  async import(
    floors: readonly ImportedFloorOfKey[],
    isDryRun: boolean,
    timeMs: number,
  ): Promise<Result<readonly EthereumState[], Refusal>> {
    const known = floors.flatMap((floor) => {
      const account = this.find(floor.key);
      return account === undefined ? [] : [{ account, floor }];
    });
    if (isDryRun) {
      return ok(
        known.map(({ account, floor }) => {
          const record = account.entry.raised?.record ?? ethereumRule.empty;
          return stateOf(account, raiseEthereumRecord(record, floor));
        }),
      );
    }
    const acts = known.map(({ account, floor }) =>
      this.ledger.amend(account, receiptOf("import", timeMs), (record) => {
        const raised = raiseEthereumRecord(record ?? ethereumRule.empty, floor);
        return record !== null && ethereumRule.isSuccessor(raised, record) ? null : raised;
      }),
    );
    const failed = (await Promise.all(acts)).find((outcome) => !outcome.ok);
    if (failed !== undefined && !failed.ok) return failed;
    return ok(known.map(({ account }) => stateOf(account, account.entry.durable?.record ?? null)));
  }

  /** States of the keys that are known, in the order asked for. */
  show(keys: readonly Uint8Array[]): readonly EthereumState[] {
    return this.#findAll(keys).map((account) =>
      stateOf(account, account.entry.durable?.record ?? null),
    );
  }

  #accountOf(key: SigningKey, scope: Uint8Array): KeyAccount {
    const name = keyNameOf(key.publicKey);
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account = new KeyAccount(key, scope, groupOf(this.#manifest, key.publicKey));
    this.#accounts.set(name, account);
    return account;
  }

  #findAll(keys: readonly Uint8Array[]): readonly KeyAccount[] {
    return keys.flatMap((key) => this.find(key) ?? []);
  }
}

function receiptOf(kind: "init" | "import", timeMs: number) {
  return { kind, heights: [], signingRoot: null, timeMs };
}

function stateOf(account: KeyAccount, record: EthereumRecord | null): EthereumState {
  return {
    key: account.publicKey,
    hasRecord: record !== null,
    seq: account.entry.durable?.seq ?? 0,
    blockSlot: record?.block?.slot ?? null,
    blockRoot: record?.block?.root ?? null,
    source: record?.vote?.source ?? null,
    target: record?.vote?.target ?? null,
    attestationRoot: record?.vote?.root ?? null,
    floor: account.floor,
  };
}
