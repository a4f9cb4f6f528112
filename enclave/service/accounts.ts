// The loaded keys with everything that a request for one of them needs: the group of the manifest,
// the handle in the sign pool, the account in the ledger. Bundles add and drop accounts whole; an
// account is served only after its record was read. It must never serve a key whose state is not
// known, and never change a record but through the ledger.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { type Result, err, ok } from "../../shared/result.ts";
import type {
  EthereumFloor as ImportedFloorOfKey,
  EthereumState,
} from "../../shared/wire/methods.ts";
import type { EthereumClaim } from "../core/chains/ethereum/operation.ts";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
  raiseEthereumRecord,
} from "../core/chains/ethereum/slashing-rule.ts";
import { GuardEntry } from "../core/guard.ts";
import { type KeyGroup, type Manifest, groupOf } from "../core/manifest.ts";
import type { SignPool, StateStore } from "../core/ports.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import { keyNameOf } from "../keys/key-name.ts";
import { Keyring } from "../keys/keyring.ts";
import { type SigningKey, exportSecrets } from "../keys/signing-key.ts";
import { Account, Ledger } from "../state/ledger.ts";

export type EthereumLedger = Ledger<EthereumRecord, EthereumClaim, EthereumFloor>;

export class KeyAccount extends Account<EthereumRecord> {
  readonly group: KeyGroup;
  readonly handle: number;

  constructor(
    key: SigningKey,
    scope: Uint8Array,
    entry: GuardEntry<EthereumRecord>,
    group: KeyGroup,
    handle: number,
  ) {
    super({ scope, publicKey: key.publicKey, recordKey: key.macKey }, entry);
    this.group = group;
    this.handle = handle;
  }
}

/** Keys whose floors are remembered, loaded or dropped since boot. */
const ENTRY_COUNT_MAX = 2 * KEY_COUNT_MAX;

export class Accounts {
  readonly keyring = new Keyring();
  readonly #manifest: Manifest;
  readonly #pool: SignPool;
  readonly #byKey = new Map<string, KeyAccount>();
  /**
   * What the guard knows of every key that was loaded since boot. It outlives the key: a parent
   * that drops a bundle, rolls the store back and loads the bundle again meets the same floors.
   */
  readonly #entries = new Map<string, GuardEntry<EthereumRecord>>();
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

  /** Takes the keys of a bundle; once the state is open, their records are read first. */
  async add(bundle: OpenedBundle): Promise<Result<null, Refusal>> {
    if (this.#entries.size + bundle.keys.length > ENTRY_COUNT_MAX) {
      bundle.material.wipe();
      return err(refusal("BUNDLE_LIMIT"));
    }
    const added = this.keyring.add(bundle);
    if (!added.ok) return added;
    const handles = await this.#pool.add(bundle.keys, exportSecrets(bundle.keys));
    // blst has its own copy of each secret now, here and in every thread.
    bundle.material.secrets.wipe();
    const scope = this.#manifest.ethereum.network.genesisValidatorsRoot;
    const accounts = bundle.keys.map((key, index) => {
      const handle = handles[index];
      invariant(handle !== undefined, "the pool answers a handle for each key");
      const group = groupOf(this.#manifest, key.publicKey);
      return new KeyAccount(key, scope, this.#entryOf(key.publicKey), group, handle);
    });
    if (this.#ledger !== null) {
      const loaded = await this.#ledger.load(accounts);
      if (!loaded.ok) {
        this.keyring.retain(this.keyring.bundleIds().filter((id) => id !== bundle.id));
        await this.#pool.remove(handles);
        return loaded;
      }
    }
    for (const account of accounts) this.#byKey.set(keyNameOf(account.publicKey), account);
    return ok(null);
  }

  /** Drops every bundle that is not listed; answers how many keys went. */
  async retain(bundleIds: readonly Uint8Array[]): Promise<number> {
    const count = this.keyring.retain(bundleIds);
    const handles: number[] = [];
    for (const [name, account] of this.#byKey) {
      if (this.keyring.find(account.publicKey) !== undefined) continue;
      this.#byKey.delete(name);
      handles.push(account.handle);
    }
    await this.#pool.remove(handles);
    return count;
  }

  /** Reads every key's record; afterwards keys may sign. */
  async openState(store: StateStore, floor: EthereumFloor): Promise<Result<null, Refusal>> {
    const scope = this.#manifest.ethereum.network.genesisValidatorsRoot;
    const ledger: EthereumLedger = new Ledger(ethereumRule, scope, store, floor);
    const loaded = await ledger.load([...this.#byKey.values()]);
    if (!loaded.ok) return loaded;
    this.#ledger = ledger;
    return ok(null);
  }

  /** First records, for keys that have none. */
  async init(keys: readonly Uint8Array[], timeMs: number): Promise<Result<number, Refusal>> {
    let createdCount = 0;
    const acts = this.#findAll(keys).map((account) =>
      this.ledger.amend(account, receiptOf("init", timeMs), (record) => {
        if (record !== null) return null;
        createdCount += 1;
        return ethereumRule.empty;
      }),
    );
    const failed = (await Promise.all(acts)).find((outcome) => !outcome.ok);
    return failed === undefined || failed.ok ? ok(createdCount) : failed;
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

  #entryOf(publicKey: Uint8Array): GuardEntry<EthereumRecord> {
    const name = keyNameOf(publicKey);
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const entry = new GuardEntry<EthereumRecord>();
    this.#entries.set(name, entry);
    return entry;
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
  };
}
