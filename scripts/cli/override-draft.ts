// `redoubt state override draft`: an order to lower what is recorded of one key, for the record
// that the enclave shows now. It must never name a height that the operator did not, but those that
// are there already.

import { chainScope } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import { wirePositionOf } from "../../enclave/core/chains/tendermint/position.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { showStates } from "./admin-keys.ts";
import { type Enclave, type Ending, readEnclave } from "./chain-family.ts";
import { refuseOther } from "./consensus-import.ts";
import { showPositions } from "./consensus-keys.ts";
import { consensusView } from "./consensus-text.ts";
import type { StateView } from "./import-report.ts";
import { type NamedOrder, orderWords, unsignedFile } from "./override-file.ts";
import { orderText, writeOrder } from "./override-text.ts";
import { chosenKeys } from "./state-choice.ts";
import { maximaOf } from "./state-export.ts";
import type { StateOptions } from "./state-options.ts";
import { ethereumView, print, printJson } from "./state-text.ts";

/** What is there now, and the order that replaces it. */
type Draft = { readonly now: unknown; readonly nowText: string; readonly named: NamedOrder };

type Recorded = {
  readonly key: Uint8Array;
  readonly hasRecord: boolean;
  readonly isRetired: boolean;
  readonly seq: number;
};

export function checkDraft(options: StateOptions): string | null {
  const { slot, target, position } = options;
  if (options.keys.length !== 1) return "override draft takes one --key";
  const isOfEthereum = slot !== null || target !== null;
  if (isOfEthereum && position !== null) return "an order has slot and epochs, or a height";
  if (!isOfEthereum && position === null) {
    return "say --slot, or --source and --target, or --height";
  }
  if (options.validMs === null || options.out === null) {
    return "override draft takes --valid-minutes and --out";
  }
  return null;
}

export async function draftOverride(admin: Admin, options: StateOptions): Promise<Ending> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  const isOfTendermint = enclave.value.family === "tendermint";
  if (isOfTendermint !== (options.position !== null)) {
    return refuseOther(isOfTendermint ? "say --height" : "--height is for Tendermint chains");
  }
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  const draft = await draftOf(admin, enclave.value, keys.value, options);
  if (!draft.ok) return draft;
  const { now, nowText, named } = draft.value;
  const exitCode = await writeOrder(options.out ?? "", unsignedFile(named));
  if (options.isJson) printJson({ now, order: orderWords(named) });
  else {
    print(`now: ${nowText}`);
    print(orderText(named));
  }
  return ok(exitCode);
}

async function draftOf(
  admin: Admin,
  enclave: Enclave,
  keys: readonly Uint8Array[],
  options: StateOptions,
): Promise<Result<Draft, Refusal>> {
  const { bootId } = enclave.status;
  const toBoot = { bootId, expiresMs: Date.now() + (options.validMs ?? 0) };
  if (enclave.family === "ethereum") {
    const states = await showStates(admin, keys);
    const state = states.ok ? livingOf(states.value) : states;
    if (!state.ok) return state;
    const { key, seq } = state.value;
    // What is not named stays: the record, and what the boot floor makes up for.
    const present = maximaOf(state.value);
    const blockSlot = options.slot ?? present.blockSlot;
    const source = options.source ?? present.source;
    const target = options.target ?? present.target;
    const order = { scope: enclave.scope, key, seq, blockSlot, source, target, ...toBoot };
    return ok(draftFrom(state.value, ethereumView, { family: "ethereum", order }));
  }
  const states = await showPositions(admin, keys);
  const state = states.ok ? livingOf(states.value) : states;
  if (!state.ok) return state;
  const { key, seq, chainId } = state.value;
  const { position } = options;
  if (position === null) return err(refusal("CHAIN_OTHER"));
  const last = wirePositionOf(position);
  const order = { scope: chainScope(chainId), key, seq, last, ...toBoot };
  return ok(draftFrom(state.value, consensusView, { family: "tendermint", chainId, order }));
}

function draftFrom<State>(state: State, view: StateView<State>, named: NamedOrder): Draft {
  return { now: view.json(state), nowText: view.text(state), named };
}

/** What an order can be about. */
function livingOf<State extends Recorded>([state]: readonly State[]): Result<State, Refusal> {
  if (state === undefined) return err(refusal("KEY_UNKNOWN"));
  if (!state.hasRecord) return err(refusal("STATE_MISSING"));
  return state.isRetired ? err(refusal("KEY_RETIRED")) : ok(state);
}
