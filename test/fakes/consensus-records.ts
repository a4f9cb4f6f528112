// The records of Tendermint chains behind the fake admin socket, in memory: an import only raises,
// unknown keys are left out, and a key of another chain refuses it. It signs nothing.

import {
  comparePositions,
  type Position,
  STEP_NUMBERS,
  stepOfNumber,
} from "../../enclave/core/chains/tendermint/position.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import type { ENCLAVE_METHODS, ParamsOf } from "../../shared/wire/methods.ts";

/** Which keys sign for which chain. */
export type FakeChain = { readonly chainId: string; readonly keys: readonly Uint8Array[] };

type States = Result<readonly ConsensusState[], Refusal>;

export class ConsensusRecords {
  readonly states = new Map<string, ConsensusState>();

  constructor(chains: readonly FakeChain[]) {
    for (const { chainId, keys } of chains) {
      for (const key of keys) this.states.set(encodeHex(key), emptyState(key, chainId));
    }
  }

  put(key: Uint8Array, last: Position | null, more: Partial<ConsensusState> = {}): void {
    const wire = last === null ? null : { ...last, step: STEP_NUMBERS[last.step] };
    this.#change(key, { hasRecord: true, seq: 1, last: wire, ...more });
  }

  show(keys: readonly Uint8Array[]): States {
    const states = keys.flatMap((key) => this.states.get(encodeHex(key)) ?? []);
    return states.length === keys.length ? ok(states) : err(refusal("KEY_UNKNOWN"));
  }

  init(keys: readonly Uint8Array[]): number {
    const missing = keys.filter((key) => this.states.get(encodeHex(key))?.hasRecord === false);
    for (const key of missing) this.put(Uint8Array.from(key), null);
    return missing.length;
  }

  import(
    { chainId, floors, isDryRun }: ParamsOf<(typeof ENCLAVE_METHODS)["consensus.import"]>,
    forgets: boolean,
  ): States {
    const after: ConsensusState[] = [];
    for (const { key, last } of floors) {
      const before = this.states.get(encodeHex(key));
      if (before === undefined) continue;
      if (before.chainId !== chainId) return err(refusal("INTERCHANGE_NETWORK"));
      const raised = { ...before, hasRecord: true, seq: before.seq + 1, last: { ...last } };
      const isLower = before.last !== null && order(before.last, last) >= 0;
      after.push(isLower || forgets ? before : raised);
    }
    if (!isDryRun) for (const state of after) this.#change(state.key, state);
    return ok(after);
  }

  #change(key: Uint8Array, state: Partial<ConsensusState>): void {
    const before = this.states.get(encodeHex(key));
    if (before !== undefined) this.states.set(encodeHex(key), { ...before, ...state });
  }
}

type Last = NonNullable<ConsensusState["last"]>;

function order(a: Last, b: Last): number {
  return comparePositions(named(a), named(b));
}

function named({ height, round, step }: Last): Position {
  return { height, round, step: stepOfNumber(step) ?? "proposal" };
}

function emptyState(key: Uint8Array, chainId: string): ConsensusState {
  return {
    key: Uint8Array.from(key),
    chainId,
    hasRecord: false,
    isRetired: false,
    seq: 0,
    head: new Uint8Array(32),
    last: null,
    root: null,
    reserved: null,
  };
}
