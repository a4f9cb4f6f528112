// The operator's acts on records of Ethereum keys: the first record, floors that are raised, the
// tombstone, and the order that lowers a floor. Each is made durable before it is answered. It must
// never raise anything beyond the clock: that would lock a validator out.

import { encodeEthereumRetirement } from "../../shared/attestation/retirement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { parseEthereumOrder } from "../../shared/override-order.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ENCLAVE_METHODS, EthereumState, ParamsOf } from "../../shared/wire/methods.ts";
import {
  type EthereumRecord,
  ethereumRule,
  raiseEthereumRecord,
  recordOfMaxima,
} from "../core/chains/ethereum/slashing-rule.ts";
import { decideImportTime } from "../core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../core/manifest.ts";
import type { Nsm, StateStore } from "../core/ports.ts";
import { type EthereumAccounts, stateOf, withFloor } from "./ethereum-accounts.ts";
import { overrideAccount } from "./override-act.ts";
import { createFirstRecords, raiseAccounts, raiseReasonOf } from "./record-act.ts";
import { type Retired, retireAccounts } from "./retire-act.ts";

type Params<M extends keyof typeof ENCLAVE_METHODS> = ParamsOf<(typeof ENCLAVE_METHODS)[M]>;

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
  parts: ActParts,
  { keys }: Params<"state.init">,
): Promise<Result<number, Refusal>> {
  return createFirstRecords(parts, keys);
}

/** Raises floors; a dry run tells what it would do. */
export async function raiseRecords(
  parts: ActParts,
  params: Params<"state.import">,
): Promise<Result<readonly EthereumState[], Refusal>> {
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
  const raises = params.floors.flatMap((floor) => {
    const account = accounts.find(floor.key);
    if (account === undefined) return [];
    return [{ account, raise: (record: EthereumRecord) => raiseEthereumRecord(record, floor) }];
  });
  const { isDryRun } = params;
  return raiseAccounts(parts, raises, { reason, timeMs, isDryRun }, stateOf);
}

/** Keys that never sign again, with what another signer has to be told. */
export function retireKeys(
  parts: ActParts,
  { keys }: Params<"state.retire">,
): Promise<Result<readonly Retired<EthereumState>[], Refusal>> {
  return retireAccounts(
    parts,
    {
      settle: () => Promise.resolve(),
      // The floor makes up for what an absent record, or an old one, does not say.
      lastRecord: (account, record) => withFloor(account, record ?? ethereumRule.empty),
      encodeProof: ({ scope, publicKey }, { record, seq, head }, bootId) =>
        encodeEthereumRetirement({
          scope,
          publicKey,
          seq,
          head,
          blockSlot: record.block?.slot ?? null,
          source: record.vote?.source ?? null,
          target: record.vote?.target ?? null,
          bootId,
        }),
      show: stateOf,
    },
    keys,
  );
}

/** Lowers one key's record and floor to what the order says. */
export function overrideRecord(
  parts: ActParts,
  signed: Params<"state.override">,
): Promise<Result<EthereumState, Refusal>> {
  const { network } = parts.manifest.ethereum;
  return overrideAccount(
    parts,
    {
      parse: parseEthereumOrder,
      decide: ({ blockSlot, source, target }, _account, timeMs) => {
        const maxima = { blockSlot, source, target };
        const beyond = decideImportTime(network, timeMs, maxima);
        if (beyond !== null) return err(beyond);
        const heights = [blockSlot, source, target].filter((height) => height !== null);
        return ok({ ...recordOfMaxima(maxima), heights });
      },
      apply: (_account, write) => write(),
      show: stateOf,
    },
    signed,
  );
}
