// The operator's acts on records: the first record, floors that are raised, the tombstone, and the
// order that lowers a floor. Each is made durable before it is answered. It must never lower
// anything but by an order that enough operators of the measured manifest have signed.

import { encodeRetirement } from "../../shared/attestation/retirement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  type ENCLAVE_METHODS,
  type EthereumState,
  type ParamsOf,
} from "../../shared/wire/methods.ts";
import {
  ethereumRule,
  raiseEthereumRecord,
  recordOfMaxima,
} from "../core/chains/ethereum/slashing-rule.ts";
import { decideImportTime } from "../core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../core/manifest.ts";
import type { Nsm, StateStore } from "../core/ports.ts";
import { verifyOverride } from "../keys/override-signature.ts";
import type { Receipt } from "../state/record-codec.ts";
import { inTurns } from "./act-turns.ts";
import {
  type EthereumAccount,
  type EthereumAccounts,
  stateOf,
  withFloor,
} from "./ethereum-accounts.ts";
import { createFirstRecords, firstRefusal, raiseReasonOf, receiptOf } from "./record-act.ts";

type Params<M extends keyof typeof ENCLAVE_METHODS> = ParamsOf<(typeof ENCLAVE_METHODS)[M]>;
type States = readonly EthereumState[];
export type Retired = { readonly state: EthereumState; readonly document: Uint8Array };

export type ActParts = {
  readonly manifest: EthereumManifest;
  readonly accounts: EthereumAccounts;
  readonly store: Pick<StateStore, "verify">;
  readonly nsm: Pick<Nsm, "attest">;
  readonly bootId: Uint8Array;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** First records, for keys that have none; answers how many were made. */
export function initRecords(
  { accounts, store, nowMs }: ActParts,
  { keys }: Params<"state.init">,
): Promise<Result<number, Refusal>> {
  return createFirstRecords({ accounts, empty: ethereumRule.empty, store, nowMs }, keys);
}

/** Raises floors; a dry run tells what it would do. Not beyond the clock: that would lock out. */
export async function raiseRecords(
  parts: ActParts,
  params: Params<"state.import">,
): Promise<Result<States, Refusal>> {
  const { manifest, accounts, nowMs } = parts;
  const { network } = manifest.ethereum;
  if (!isEqualBytes(network.genesisValidatorsRoot, params.genesisValidatorsRoot)) {
    return err(refusal("INTERCHANGE_NETWORK"));
  }
  const reason = raiseReasonOf(params.reason);
  if (reason === undefined) return err(refusal("PARAMS_MALFORMED"));
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  for (const floor of params.floors) {
    const beyond = decideImportTime(network, timeMs, floor);
    if (beyond !== null) return err(beyond);
  }
  const known = params.floors.flatMap((floor) => {
    const account = accounts.find(floor.key);
    return account === undefined ? [] : [{ account, floor }];
  });
  if (params.isDryRun) {
    return ok(
      known.map(({ account, floor }) => {
        const record = account.entry.raised?.record ?? ethereumRule.empty;
        return stateOf(account, raiseEthereumRecord(record, floor));
      }),
    );
  }
  const verified = await parts.store.verify();
  if (!verified.ok) return verified;
  const acts = await inTurns(known, ({ account, floor }) =>
    account.ledger.amend(account, receiptOf(reason, timeMs), (record) => {
      const raised = raiseEthereumRecord(record ?? ethereumRule.empty, floor);
      const isSame = record !== null && ethereumRule.isSuccessor(raised, record);
      return isSame ? null : { record: raised, isRetired: false };
    }),
  );
  const failed = firstRefusal(acts);
  return failed === null ? ok(known.map(({ account }) => stateOf(account))) : err(failed);
}

/** Tombstones first, all of them durable; only then the documents that say so. */
export async function retireKeys(
  parts: ActParts,
  { keys }: Params<"state.retire">,
): Promise<Result<readonly Retired[], Refusal>> {
  const { accounts } = parts;
  const found = accounts.findAll(keys);
  if (found.length !== keys.length) return err(refusal("KEY_UNKNOWN"));
  const timeMs = parts.nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const acts = found.map((account) =>
    account.ledger.amend(account, receiptOf("retire", timeMs), (record) => ({
      record: withFloor(account, record ?? ethereumRule.empty),
      isRetired: true,
    })),
  );
  const failed = firstRefusal((await Promise.all(acts)).map(unlessRetired));
  if (failed !== null) return err(failed);
  const retired: Retired[] = [];
  for (const account of found) {
    const proved = await proveRetirement(parts, account);
    if (!proved.ok) return proved;
    retired.push(proved.value);
  }
  return ok(retired);
}

async function proveRetirement(
  { nsm, bootId }: ActParts,
  account: EthereumAccount,
): Promise<Result<Retired, Refusal>> {
  const { durable } = account.entry;
  // Only the durable record counts: a tombstone that may be lost proves nothing.
  if (durable?.isRetired !== true) return err(refusal("STATE_UNKNOWN"));
  const state = stateOf(account);
  const userData = encodeRetirement({
    scope: account.scope,
    publicKey: account.publicKey,
    seq: durable.seq,
    head: durable.head,
    blockSlot: state.blockSlot,
    source: state.source,
    target: state.target,
    bootId,
  });
  const document = await nsm.attest({ userData, nonce: null, publicKey: null });
  return document.ok ? ok({ state, document: document.value }) : document;
}

/** Lowers one key's record and floor to what the order says. */
export async function overrideRecord(
  parts: ActParts,
  { order, signatures }: Params<"state.override">,
): Promise<Result<EthereumState, Refusal>> {
  const { manifest, accounts } = parts;
  const timeMs = parts.nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const verified = verifyOverride(manifest.override, order, signatures, timeMs);
  if (!verified.ok) return verified;
  const { scope, bootId, key, seq, blockSlot, source, target, digest } = verified.value;
  const { network } = manifest.ethereum;
  if (!isEqualBytes(scope, network.genesisValidatorsRoot)) {
    return err(refusal("INTERCHANGE_NETWORK"));
  }
  // This boot never takes an older record than it knows. A later one could be shown this again.
  if (!isEqualBytes(bootId, parts.bootId)) return err(refusal("OVERRIDE_BOOT"));
  const account = accounts.find(key);
  if (account === undefined) return err(refusal("KEY_UNKNOWN"));
  const maxima = { blockSlot, source, target };
  const beyond = decideImportTime(network, timeMs, maxima);
  if (beyond !== null) return err(beyond);
  const { record, floor } = recordOfMaxima(maxima);
  const heights = [blockSlot, source, target].filter((height) => height !== null);
  const receipt: Receipt = { kind: "override", heights, signingRoot: digest, timeMs };
  const before = account.floor;
  const done = await account.ledger.override(account, receipt, record, seq);
  if (!done.ok) return done;
  // Loaded again meanwhile: its new floor is not the one that the order knew of.
  if (account.floor !== before) return err(refusal("STATE_CONFLICT"));
  account.floor = floor;
  return ok(stateOf(account));
}

/** What is retired already is as it should be. */
function unlessRetired(outcome: Result<null, Refusal>): Result<null, Refusal> {
  return !outcome.ok && outcome.error.code === "KEY_RETIRED" ? ok(null) : outcome;
}
