// The operator's acts on records of Tendermint chains. It must never lower anything, nor take from
// outside what was signed: an import says where signing went on
// (docs/decisions/0005-imports-carry-no-roots.md).

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import type { ENCLAVE_METHODS, ParamsOf } from "../../shared/wire/methods.ts";
import { raiseTendermintRecord } from "../core/chains/tendermint/consensus-record.ts";
import { decideMaxHeight, tendermintRule } from "../core/chains/tendermint/consensus-rule.ts";
import {
  isHeight,
  isRound,
  type Position,
  stepOfNumber,
} from "../core/chains/tendermint/position.ts";
import type { StateStore } from "../core/ports.ts";
import { inTurns } from "./act-turns.ts";
import { firstRefusal, raiseReasonOf, receiptOf } from "./record-act.ts";
import { consensusStateOf, type TendermintAccounts } from "./tendermint-accounts.ts";

type Params = ParamsOf<(typeof ENCLAVE_METHODS)["consensus.import"]>;

export type ConsensusActParts = {
  readonly accounts: TendermintAccounts;
  readonly store: Pick<StateStore, "verify">;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** Raises records of one chain's keys; a dry run tells what it would do. */
export async function raisePositions(
  { accounts, store, nowMs }: ConsensusActParts,
  params: Params,
): Promise<Result<readonly ConsensusState[], Refusal>> {
  const reason = raiseReasonOf(params.reason);
  if (reason === undefined) return err(refusal("PARAMS_MALFORMED"));
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const wished: { readonly key: Uint8Array; readonly position: Position }[] = [];
  for (const { key, last } of params.floors) {
    const position = positionOf(last);
    if (position === null) return err(refusal("PARAMS_MALFORMED"));
    wished.push({ key, position });
  }
  const known = wished.flatMap(({ key, position }) => {
    const account = accounts.find(key);
    return account === undefined ? [] : [{ account, position }];
  });
  // A file of another chain would lock the key out, or leave it open.
  if (known.some(({ account }) => account.policy.chainId !== params.chainId)) {
    return err(refusal("INTERCHANGE_NETWORK"));
  }
  // Above it nothing is signed: a record there could only be a mistake, and can't be taken back.
  for (const { account, position } of known) {
    const beyond = decideMaxHeight(account.policy.maxHeight, position);
    if (beyond !== null) return err(beyond);
  }
  if (params.isDryRun) {
    return ok(
      known.map(({ account, position }) => {
        const record = account.entry.raised?.record ?? tendermintRule.empty;
        return consensusStateOf(account, raiseTendermintRecord(record, position));
      }),
    );
  }
  const verified = await store.verify();
  if (!verified.ok) return verified;
  const acts = await inTurns(known, ({ account, position }) =>
    account.ledger.amend(account, receiptOf(reason, timeMs), (record) => {
      const raised = raiseTendermintRecord(record ?? tendermintRule.empty, position);
      const isSame = record !== null && tendermintRule.isSuccessor(raised, record);
      return isSame ? null : { record: raised, isRetired: false };
    }),
  );
  const failed = firstRefusal(acts);
  return failed === null ? ok(known.map(({ account }) => consensusStateOf(account))) : err(failed);
}

function positionOf({ height, round, step }: Params["floors"][number]["last"]): Position | null {
  const named = stepOfNumber(step);
  if (named === undefined || !isHeight(height) || !isRound(round)) return null;
  return { height, round, step: named };
}
