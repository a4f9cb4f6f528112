// The loaded keys with everything that a request for one of them needs: the group of the manifest,
// the handle in the sign pool, the account in the ledger. Bundles add and drop accounts whole; an
// account is served only after its record was read. It must never serve a key whose state is not
// known, and never change a record but through the ledger.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import type { EthereumClaim } from "../core/chains/ethereum/operation.ts";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
  highestFloor,
} from "../core/chains/ethereum/slashing-rule.ts";
import { groupOf, isRetiredKey, type KeyGroup, type Manifest } from "../core/manifest.ts";
import type { SignPool, StateStore } from "../core/ports.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import { keyNameOf } from "../keys/key-name.ts";
import { Keyring } from "../keys/keyring.ts";
import { exportSecrets, RootKey } from "../keys/signing-key.ts";
import { Account } from "../state/account.ts";
import { Ledger } from "../state/ledger.ts";
import { NO_HEAD } from "../state/record-codec.ts";
import { stateDigest } from "../state/state-digest.ts";

export type EthereumLedger = Ledger<EthereumRecord, EthereumClaim, EthereumFloor>;

export class KeyAccount extends Account<EthereumRecord, EthereumFloor> {
  readonly group: KeyGroup;
  /** By the manifest, which no older record can undo. */
  readonly #isListedRetired: boolean;
  /** In the sign pool; null while the key is not loaded. */
  handle: number | null = null;

  constructor(key: RootKey, scope: Uint8Array, manifest: Manifest) {
    super({ scope, publicKey: key.publicKey, recordKey: key.macKey });
    this.group = groupOf(manifest, key.publicKey);
    this.#isListedRetired = isRetiredKey(manifest, key.publicKey);
  }

  /** Signs nothing any more, neither what can be slashed nor anything else. */
  get isRetired(): boolean {
    return this.#isListedRetired || this.entry.raised?.isRetired === true;
  }

  /** Never lowers: not even if time went back since the key was loaded before. */
  raiseFloor(floor: EthereumFloor): void {
    this.floor = this.floor === null ? floor : highestFloor(this.floor, floor);
  }
}

/** Keys whose state is remembered, loaded or dropped since boot. */
const ACCOUNT_COUNT_MAX = 2 * KEY_COUNT_MAX;

/** What a predecessor has left: the digest of its records, and the floor of those who follow. */
export type LastState = { readonly digest: Uint8Array; readonly floor: EthereumFloor };

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
   * Takes the keys of a bundle; once the state is open, their records are read first. `chooseFloor`
   * is asked before and after, and is null before the state is open: until the records were read
   * another enclave may have signed with these keys, also with those that this one had before, and
   * of which it may still have a request under way.
   */
  async add(
    bundle: OpenedBundle,
    chooseFloor: (() => Promise<Result<EthereumFloor, Refusal>>) | null,
  ): Promise<Result<null, Refusal>> {
    const isOpen = this.#ledger !== null;
    invariant((chooseFloor !== null) === isOpen, "keys of an open state have a floor");
    const { keys } = bundle;
    if (!keys.every((key) => key instanceof RootKey)) {
      bundle.material.wipe();
      return err(refusal("KEY_SCHEME"));
    }
    const newKeys = keys.filter((key) => !this.#accounts.has(keyNameOf(key.publicKey)));
    if (this.#accounts.size + newKeys.length > ACCOUNT_COUNT_MAX) {
      bundle.material.wipe();
      return err(refusal("BUNDLE_LIMIT"));
    }
    const added = this.keyring.add(bundle);
    if (!added.ok) return added;
    const handles = await this.#pool.add(keys, exportSecrets(keys));
    // blst has its own copy of each secret now, here and in every thread.
    bundle.material.secrets.wipe();
    const scope = this.#manifest.ethereum.network.genesisValidatorsRoot;
    const accounts = keys.map((key) => this.#accountOf(key, scope));
    if (this.#ledger !== null && chooseFloor !== null) {
      const loaded = await loadBetweenFloors(this.#ledger, accounts, chooseFloor);
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

  /** Reads every key's record. Floors are chosen after it, and then the state is opened. */
  async readState(store: StateStore): Promise<Result<EthereumLedger, Refusal>> {
    const scope = this.#manifest.ethereum.network.genesisValidatorsRoot;
    const ledger: EthereumLedger = new Ledger(ethereumRule, scope, store);
    const loaded = await ledger.load(this.loaded());
    return loaded.ok ? ok(ledger) : loaded;
  }

  /**
   * Now keys may sign from `floor` on. When `last` has the digest of exactly these keys with the
   * records that were read, they are known to be the last, and its floor is theirs. Answers whether
   * it was so.
   */
  openState(ledger: EthereumLedger, floor: EthereumFloor, last: LastState | null): boolean {
    const isLast = last !== null && isEqualBytes(last.digest, this.stateDigest());
    for (const account of this.#byKey.values()) {
      // That the predecessor saw no record either does not say that the key has never signed.
      const hasLast = isLast && account.entry.durable !== null;
      account.raiseFloor(hasLast ? last.floor : floor);
    }
    this.#ledger = ledger;
    return isLast;
  }

  /** Over all loaded keys with their records, as far as they are durable. */
  stateDigest(): Uint8Array {
    return stateDigest(ethereumRule, this.loaded());
  }

  loaded(): readonly KeyAccount[] {
    return [...this.#byKey.values()];
  }

  /** Those of the keys that are loaded, in the order asked for. */
  findAll(keys: readonly Uint8Array[]): readonly KeyAccount[] {
    return keys.flatMap((key) => this.find(key) ?? []);
  }

  #accountOf(key: RootKey, scope: Uint8Array): KeyAccount {
    const name = keyNameOf(key.publicKey);
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account = new KeyAccount(key, scope, this.#manifest);
    this.#accounts.set(name, account);
    return account;
  }
}

async function loadBetweenFloors(
  ledger: EthereumLedger,
  accounts: readonly KeyAccount[],
  chooseFloor: () => Promise<Result<EthereumFloor, Refusal>>,
): Promise<Result<null, Refusal>> {
  const before = await chooseFloor();
  if (!before.ok) return before;
  for (const account of accounts) account.raiseFloor(before.value);
  const loaded = await ledger.load(accounts);
  if (!loaded.ok) return loaded;
  const after = await chooseFloor();
  if (!after.ok) return after;
  for (const account of accounts) account.raiseFloor(after.value);
  return ok(null);
}

/** What an operator sees of a key, with `record` in the place of the durable one for a dry run. */
export function stateOf(
  account: KeyAccount,
  record: EthereumRecord | null = account.entry.durable?.record ?? null,
): EthereumState {
  const { durable } = account.entry;
  return {
    key: account.publicKey,
    hasRecord: record !== null,
    isRetired: account.isRetired,
    seq: durable?.seq ?? 0,
    head: durable?.head ?? NO_HEAD,
    blockSlot: record?.block?.slot ?? null,
    blockRoot: record?.block?.root ?? null,
    source: record?.vote?.source ?? null,
    target: record?.vote?.target ?? null,
    attestationRoot: record?.vote?.root ?? null,
    floor: account.floor,
  };
}
