// The loaded keys with everything that a request for one of them needs: its place in the manifest,
// the handle in the sign pool, the account in a ledger. Bundles add and drop accounts whole; an
// account is served only after its record was read. It must never serve a key whose state is not
// known, and never change a record but through its ledger.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Scheme } from "../../shared/scheme.ts";
import { isRetiredKey, type Manifest } from "../core/manifest.ts";
import type { SignPool, StateStore } from "../core/ports.ts";
import type { Rule } from "../core/rule.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import { keyNameOf } from "../keys/key-name.ts";
import { Keyring } from "../keys/keyring.ts";
import { exportSecrets, RootKey, type SigningKey } from "../keys/signing-key.ts";
import { Account } from "../state/account.ts";
import { Ledger } from "../state/ledger.ts";
import { stateDigest } from "../state/state-digest.ts";

/** Where the manifest puts a key: 32 bytes that name its network, and what is allowed there. */
export type KeyPlace<P> = { readonly scope: Uint8Array; readonly policy: P };

export type PlaceResult<P> = Result<KeyPlace<P>, Refusal<"KEY_SCHEME" | "KEY_PLACE">>;

/** What accounts ask about a family of chains. */
export type ChainFamily<R, C, F, P> = {
  readonly rule: Rule<R, C, F>;
  /** A bundle with a key that has none is refused. */
  readonly placeOf: (key: Pick<SigningKey, "scheme" | "publicKey">) => PlaceResult<P>;
  /** What is at or above both. */
  readonly highestFloor: (first: F, second: F) => F;
};

export class KeyAccount<R, C, F, P> extends Account<R, F> {
  readonly scheme: Scheme;
  readonly policy: P;
  readonly #highestFloor: (first: F, second: F) => F;
  /** By the manifest, which no older record can undo. */
  readonly #isListedRetired: boolean;
  #ledger: Ledger<R, C, F> | null = null;
  /** In the sign pool; null while the key is not loaded, and for keys that it does not sign for. */
  handle: number | null = null;

  constructor(
    key: SigningKey,
    place: KeyPlace<P>,
    family: ChainFamily<R, C, F, P>,
    isListedRetired: boolean,
  ) {
    super({ scope: place.scope, publicKey: key.publicKey, recordKey: key.macKey });
    this.scheme = key.scheme;
    this.policy = place.policy;
    this.#highestFloor = family.highestFloor;
    this.#isListedRetired = isListedRetired;
  }

  /** Signs nothing any more, neither what can be slashed nor anything else. */
  get isRetired(): boolean {
    return this.#isListedRetired || this.entry.raised?.isRetired === true;
  }

  /** Of its network, once the state is open. */
  get ledger(): Ledger<R, C, F> {
    invariant(this.#ledger !== null, "the state is open");
    return this.#ledger;
  }

  attach(ledger: Ledger<R, C, F>): void {
    this.#ledger = ledger;
  }

  /** Never lowers: not even if time went back since the key was loaded before. */
  raiseFloor(floor: F): void {
    this.floor = this.floor === null ? floor : this.#highestFloor(this.floor, floor);
  }
}

/** The ledgers of one store: one for each network, by its scope. */
export class Ledgers<R, C, F> {
  readonly #rule: Rule<R, C, F>;
  readonly #store: StateStore;
  readonly #byScope = new Map<string, Ledger<R, C, F>>();

  constructor(rule: Rule<R, C, F>, store: StateStore) {
    this.#rule = rule;
    this.#store = store;
  }

  of(scope: Uint8Array): Ledger<R, C, F> {
    const name = encodeHex(scope);
    const known = this.#byScope.get(name);
    if (known !== undefined) return known;
    const ledger = new Ledger<R, C, F>(this.#rule, scope, this.#store);
    this.#byScope.set(name, ledger);
    return ledger;
  }

  /** Gives each account its ledger, and reads its record. */
  async load<P>(accounts: readonly KeyAccount<R, C, F, P>[]): Promise<Result<null, Refusal>> {
    const groups = new Map<Ledger<R, C, F>, KeyAccount<R, C, F, P>[]>();
    for (const account of accounts) {
      const ledger = this.of(account.scope);
      account.attach(ledger);
      const group = groups.get(ledger) ?? [];
      groups.set(ledger, group);
      group.push(account);
    }
    for (const [ledger, group] of groups) {
      const loaded = await ledger.load(group);
      if (!loaded.ok) return loaded;
    }
    return ok(null);
  }
}

/** Keys whose state is remembered, loaded or dropped since boot. */
const ACCOUNT_COUNT_MAX = 2 * KEY_COUNT_MAX;

/** What a predecessor has left: the digest of its records, and the floor of those who follow. */
export type LastState<F> = { readonly digest: Uint8Array; readonly floor: F };

/** Chooses from which heights on keys may sign that are loaded now. */
export type ChooseFloor<F> = () => Promise<Result<F, Refusal>>;

export class Accounts<R, C, F, P> {
  readonly keyring = new Keyring();
  readonly #manifest: Pick<Manifest, "retired">;
  readonly #family: ChainFamily<R, C, F, P>;
  /** Null: keys sign on the main thread. */
  readonly #pool: SignPool | null;
  readonly #byKey = new Map<string, KeyAccount<R, C, F, P>>();
  /**
   * Every key that was loaded since boot. An account outlives its key: a parent that drops a
   * bundle, rolls the store back and loads the bundle again meets what is known already, and a
   * request that is still under way shares it with those that come later.
   */
  readonly #accounts = new Map<string, KeyAccount<R, C, F, P>>();
  #ledgers: Ledgers<R, C, F> | null = null;

  constructor(
    manifest: Pick<Manifest, "retired">,
    family: ChainFamily<R, C, F, P>,
    pool: SignPool | null,
  ) {
    this.#manifest = manifest;
    this.#family = family;
    this.#pool = pool;
  }

  get rule(): Rule<R, C, F> {
    return this.#family.rule;
  }

  get recordCount(): number {
    let count = 0;
    for (const { entry } of this.#byKey.values()) if (entry.durable !== null) count += 1;
    return count;
  }

  find(publicKey: Uint8Array): KeyAccount<R, C, F, P> | undefined {
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
    chooseFloor: ChooseFloor<F> | null,
  ): Promise<Result<null, Refusal>> {
    const isOpen = this.#ledgers !== null;
    invariant((chooseFloor !== null) === isOpen, "keys of an open state have a floor");
    const places = this.#placesOf(bundle);
    if (!places.ok) {
      bundle.material.wipe();
      return places;
    }
    const added = this.keyring.add(bundle);
    if (!added.ok) return added;
    const handles = await this.#handOut(bundle);
    const accounts = bundle.keys.map((key, index) => this.#accountOf(key, places.value[index]));
    if (this.#ledgers !== null && chooseFloor !== null) {
      const loaded = await loadBetweenFloors(this.#ledgers, accounts, chooseFloor);
      if (!loaded.ok) {
        this.keyring.retain(this.keyring.bundleIds().filter((id) => id !== bundle.id));
        await this.#pool?.remove(handles);
        return loaded;
      }
    }
    accounts.forEach((account, index) => {
      account.handle = handles[index] ?? null;
      this.#byKey.set(keyNameOf(account.publicKey), account);
    });
    return ok(null);
  }

  /** Of each key. Refuses what is too much, and keys that the manifest has no place for. */
  #placesOf(bundle: OpenedBundle): Result<readonly KeyPlace<P>[], Refusal> {
    const newKeys = bundle.keys.filter((key) => !this.#accounts.has(keyNameOf(key.publicKey)));
    if (this.#accounts.size + newKeys.length > ACCOUNT_COUNT_MAX) {
      return err(refusal("BUNDLE_LIMIT"));
    }
    const places: KeyPlace<P>[] = [];
    for (const key of bundle.keys) {
      const place = this.#family.placeOf(key);
      if (!place.ok) return place;
      // One secret gives the same public key in two schemes: an account is of the first it was.
      const known = this.#accounts.get(keyNameOf(key.publicKey));
      if (known !== undefined && known.scheme !== key.scheme) return err(refusal("KEY_SCHEME"));
      places.push(place.value);
    }
    return ok(places);
  }

  /** To the sign pool: answers a handle for each key, or none when there is no pool. */
  async #handOut({ keys, material }: OpenedBundle): Promise<readonly number[]> {
    if (this.#pool === null) return [];
    const roots = keys.filter((key) => key instanceof RootKey);
    invariant(roots.length === keys.length, "a family with a pool has keys that sign roots");
    const handles = await this.#pool.add(roots, exportSecrets(roots));
    invariant(handles.length === keys.length, "the pool answers a handle for each key");
    // blst has its own copy of each secret now, here and in every thread.
    material.secrets.wipe();
    return handles;
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
    await this.#pool?.remove(handles);
    return count;
  }

  /** Reads every key's record. Floors are chosen after it, and then the state is opened. */
  async readState(store: StateStore): Promise<Result<Ledgers<R, C, F>, Refusal>> {
    const ledgers = new Ledgers<R, C, F>(this.#family.rule, store);
    const loaded = await ledgers.load(this.loaded());
    return loaded.ok ? ok(ledgers) : loaded;
  }

  /**
   * Now keys may sign from `floor` on. When `last` has the digest of exactly these keys with the
   * records that were read, they are known to be the last, and its floor is theirs. Answers whether
   * it was so.
   */
  openState(ledgers: Ledgers<R, C, F>, floor: F, last: LastState<F> | null): boolean {
    const isLast = last !== null && isEqualBytes(last.digest, this.stateDigest());
    for (const account of this.#byKey.values()) {
      // That the predecessor saw no record either does not say that the key has never signed.
      const hasLast = isLast && account.entry.durable !== null;
      account.raiseFloor(hasLast ? last.floor : floor);
    }
    this.#ledgers = ledgers;
    return isLast;
  }

  /** Over all loaded keys with their records, as far as they are durable. */
  stateDigest(): Uint8Array {
    return stateDigest(this.#family.rule, this.loaded());
  }

  loaded(): readonly KeyAccount<R, C, F, P>[] {
    return [...this.#byKey.values()];
  }

  /** Those of the keys that are loaded, in the order asked for. */
  findAll(keys: readonly Uint8Array[]): readonly KeyAccount<R, C, F, P>[] {
    return keys.flatMap((key) => this.find(key) ?? []);
  }

  #accountOf(key: SigningKey, place: KeyPlace<P> | undefined): KeyAccount<R, C, F, P> {
    const name = keyNameOf(key.publicKey);
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    invariant(place !== undefined, "each key has its place");
    const isRetired = isRetiredKey(this.#manifest, key.publicKey);
    const account = new KeyAccount(key, place, this.#family, isRetired);
    this.#accounts.set(name, account);
    return account;
  }
}

async function loadBetweenFloors<R, C, F, P>(
  ledgers: Ledgers<R, C, F>,
  accounts: readonly KeyAccount<R, C, F, P>[],
  chooseFloor: ChooseFloor<F>,
): Promise<Result<null, Refusal>> {
  const before = await chooseFloor();
  if (!before.ok) return before;
  for (const account of accounts) account.raiseFloor(before.value);
  const loaded = await ledgers.load(accounts);
  if (!loaded.ok) return loaded;
  const after = await chooseFloor();
  if (!after.ok) return after;
  for (const account of accounts) account.raiseFloor(after.value);
  return ok(null);
}
