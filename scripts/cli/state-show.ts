// `redoubt state show`: what is recorded of each key, for whichever family of chains the enclave
// signs. It changes nothing.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { showStates } from "./admin-keys.ts";
import { type Ending, readEnclave } from "./chain-family.ts";
import { showPositions } from "./consensus-keys.ts";
import { consensusView } from "./consensus-text.ts";
import type { StateView } from "./import-report.ts";
import { chosenKeys } from "./state-choice.ts";
import type { StateOptions } from "./state-options.ts";
import { ethereumView, print, printJson } from "./state-text.ts";

export async function show(admin: Admin, options: StateOptions): Promise<Ending> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  return enclave.value.family === "ethereum"
    ? printStates(await showStates(admin, keys.value), ethereumView, options)
    : printStates(await showPositions(admin, keys.value), consensusView, options);
}

function printStates<State extends { readonly key: Uint8Array }>(
  states: Result<readonly State[], Refusal>,
  view: StateView<State>,
  { isJson }: StateOptions,
): Ending {
  if (!states.ok) return states;
  if (isJson) printJson({ keys: states.value.map((state) => view.json(state)) });
  else {
    for (const state of states.value) print(`${encodePrefixedHex(state.key)} ${view.text(state)}`);
    print(`keys ${states.value.length}`);
  }
  return ok(0);
}
