// The operator's acts on records of Tendermint chains. It must never take from outside what was
// signed: an import, or an order, says where signing went on
// (docs/decisions/0005-imports-carry-no-roots.md).

import { encodeConsensusRetirement } from "../../shared/attestation/retirement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { parseConsensusOrder } from "../../shared/override-order.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import type { ENCLAVE_METHODS, ParamsOf } from "../../shared/wire/methods.ts";
import {
  lastWord,
  NO_FLOOR,
  raiseTendermintRecord,
  recordAt,
  type TendermintRecord,
} from "../core/chains/tendermint/consensus-record.ts";
import { decideMaxHeight } from "../core/chains/tendermint/consensus-rule.ts";
import { positionOfWire, wirePositionOf } from "../core/chains/tendermint/position.ts";
import type { TendermintManifest } from "../core/manifest.ts";
import type { Nsm, StateStore } from "../core/ports.ts";
import type { ClaimRecorder } from "./claim-recorder.ts";
import { overrideAccount } from "./override-act.ts";
import { raiseAccounts, raiseReasonOf } from "./record-act.ts";
import { type Retired, retireAccounts } from "./retire-act.ts";
import { consensusStateOf, type TendermintAccounts } from "./tendermint-accounts.ts";

type Params<M extends keyof typeof ENCLAVE_METHODS> = ParamsOf<(typeof ENCLAVE_METHODS)[M]>;

export type ConsensusActParts = {
  readonly manifest: Pick<TendermintManifest, "override">;
  readonly accounts: TendermintAccounts;
  readonly recorder: Pick<ClaimRecorder, "close" | "override">;
  readonly store: Pick<StateStore, "verify">;
  readonly nsm: Pick<Nsm, "attest">;
  readonly bootId: Uint8Array;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** Raises records of one chain's keys; a dry run tells what it would do. */
export async function raisePositions(
  parts: ConsensusActParts,
  params: Params<"consensus.import">,
): Promise<Result<readonly ConsensusState[], Refusal>> {
  const { accounts, nowMs } = parts;
  const reason = raiseReasonOf(params.reason);
  if (reason === undefined) return err(refusal("PARAMS_MALFORMED"));
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const known = params.floors.flatMap(({ key, last }) => {
    const account = accounts.find(key);
    return account === undefined ? [] : [{ account, position: positionOfWire(last) }];
  });
  // A file of another chain would lock the key out, or leave it open.
  if (known.some(({ account }) => account.policy.chainId !== params.chainId)) {
    return err(refusal("INTERCHANGE_NETWORK"));
  }
  // Above it nothing is signed: a record there could only be a mistake.
  for (const { account, position } of known) {
    const beyond = decideMaxHeight(account.policy.maxHeight, position);
    if (beyond !== null) return err(beyond);
  }
  // Its holder would not learn of it before it has signed there.
  for (const { account, position } of known) {
    const reserved = account.entry.raised?.record.reserved ?? null;
    const isOthers = reserved !== null && !isEqualBytes(reserved.holder, parts.bootId);
    if (isOthers && position.height <= reserved.height) {
      return err(refusal("GUARD_RESERVED", position.height, reserved.height));
    }
  }
  const raises = known.map(({ account, position }) => {
    return {
      account,
      raise: (record: TendermintRecord) => raiseTendermintRecord(record, position),
    };
  });
  const { isDryRun } = params;
  return raiseAccounts(parts, raises, { reason, timeMs, isDryRun }, consensusStateOf);
}

/** Keys that never sign again, with what another signer has to be told. */
export function retireConsensusKeys(
  parts: ConsensusActParts,
  { keys }: Params<"consensus.retire">,
): Promise<Result<readonly Retired<ConsensusState>[], Refusal>> {
  return retireAccounts(
    parts,
    {
      settle: (account) => parts.recorder.close(account),
      // Without a record nothing is known: there is no floor by time that would make up for it.
      lastRecord: (_account, record) => (record === null ? null : lastWord(record)),
      encodeProof: ({ scope, publicKey }, { record, seq, head }, bootId) =>
        encodeConsensusRetirement({
          scope,
          publicKey,
          seq,
          head,
          last: record.last === null ? null : wirePositionOf(record.last),
          bootId,
        }),
      show: consensusStateOf,
    },
    keys,
  );
}

/** Lowers one key's record to what the order says. */
export function overridePosition(
  parts: ConsensusActParts,
  signed: Params<"consensus.override">,
): Promise<Result<ConsensusState, Refusal>> {
  return overrideAccount(
    parts,
    {
      parse: parseConsensusOrder,
      decide: ({ last }, { policy }) => {
        const position = positionOfWire(last);
        const beyond = decideMaxHeight(policy.maxHeight, position);
        if (beyond !== null) return err(beyond);
        const heights = [last.height, BigInt(last.round), BigInt(last.step)];
        // The record alone forbids what lies at or below it: there is no floor to be lowered.
        return ok({ record: recordAt(position), floor: NO_FLOOR, heights });
      },
      apply: (account, write) => parts.recorder.override(account, write),
      show: consensusStateOf,
    },
    signed,
  );
}
