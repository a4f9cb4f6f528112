// Keys of Tendermint chains and where each of them stands. It must never mix the keys of two
// chains: a height of one says nothing about the other.

import {
  comparePositions,
  type Position,
  positionOfWire,
} from "../../enclave/core/chains/tendermint/position.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { ROUND_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import type { Admin } from "./admin.ts";
import { pagesOf } from "./admin-keys.ts";
import type { Ending } from "./chain-family.ts";
import { chosenKeys } from "./state-choice.ts";
import type { StateOptions } from "./state-options.ts";
import { note } from "./state-text.ts";

/** `last` is null where nothing was signed yet. */
export type KeyPosition = Omit<ConsensusState, "last"> & { readonly last: Position | null };

export type ChainKeys = { readonly chainId: string; readonly states: readonly KeyPosition[] };

type Choice = Pick<StateOptions, "keys" | "chain">;

/** The states of known keys, in their order. */
export async function showPositions(
  admin: Admin,
  keys: readonly Uint8Array[],
): Promise<Result<readonly KeyPosition[], Refusal>> {
  const states: KeyPosition[] = [];
  for (const page of pagesOf(keys)) {
    const shown = await admin.call("consensus.show", { keys: page });
    if (!shown.ok) return shown;
    states.push(...shown.value.map(keyPositionOf));
  }
  return states.length === keys.length ? ok(states) : err(refusal("KEY_UNKNOWN"));
}

export function keyPositionOf({ last, ...state }: ConsensusState): KeyPosition {
  return { ...state, last: last === null ? null : positionOfWire(last) };
}

/** The last place that may have been signed: what is reserved is signed without a record. */
export function reachOf({ last, reserved }: KeyPosition): Position | null {
  if (reserved === null) return last;
  const end = { height: reserved, round: ROUND_MAX, step: "precommit" } as const;
  return last !== null && comparePositions(last, end) > 0 ? last : end;
}

/** The keys that the options name, or all of the chain; an error is how the command ends. */
export async function keysOfChain(
  admin: Admin,
  chainIds: readonly string[],
  { keys, chain }: Choice,
): Promise<Result<ChainKeys, Ending>> {
  const chainId = chain ?? (chainIds.length === 1 ? chainIds[0] : undefined);
  if (chainId === undefined) {
    note(`the enclave signs for several chains: say --chain; see \`redoubt state --help\``);
    return err(ok(2));
  }
  if (!chainIds.includes(chainId)) {
    note(`not a chain of the enclave: ${JSON.stringify(chainId)}`);
    return err(err(refusal("INTERCHANGE_NETWORK")));
  }
  const chosen = await chosenKeys(admin, { keys });
  if (!chosen.ok) return err(chosen);
  const states = await showPositions(admin, chosen.value);
  if (!states.ok) return err(states);
  const own = states.value.filter((state) => state.chainId === chainId);
  if (own.length === 0 && keys.length === 0) {
    note(`no key of ${chainId} is loaded`);
    return err(err(refusal("KEY_UNKNOWN")));
  }
  if (keys.length === 0) return ok({ chainId, states: own });
  const foreign = states.value.find((state) => state.chainId !== chainId);
  if (foreign === undefined) return ok({ chainId, states: own });
  note(`${encodePrefixedHex(foreign.key)} is a key of ${foreign.chainId}`);
  return err(err(refusal("INTERCHANGE_NETWORK")));
}

/** A file of another signer names no key: there must be no doubt of which it is. */
export async function onlyKeyOfChain(
  admin: Admin,
  chainIds: readonly string[],
  choice: Choice,
): Promise<Result<KeyPosition, Ending>> {
  const chosen = await keysOfChain(admin, chainIds, choice);
  if (!chosen.ok) return chosen;
  const [state, ...more] = chosen.value.states;
  if (state !== undefined && more.length === 0) return ok(state);
  note("say --key");
  return err(err(refusal("KEY_AMBIGUOUS")));
}
