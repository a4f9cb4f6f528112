// Ends keys for ever, of whichever chain, then writes what another signer needs to take them over:
// the proof, and the record in that signer's own format. The tombstone comes first; it must never
// write a file for a key whose tombstone the enclave has not answered.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { RETIRE_COUNT_MAX } from "../../shared/limits.ts";
import { ok, type Result } from "../../shared/result.ts";
import { pagesOf } from "./admin-keys.ts";
import { writeFilesAtomically } from "./atomic-file.ts";
import type { Ending } from "./chain-family.ts";
import type { ExitCode } from "./command.ts";
import { isConfirmedByWord } from "./confirmation.ts";
import type { StateView } from "./import-report.ts";
import {
  encodeProofs,
  type RetirementProof,
  readUserData,
  type StatedRetirement,
} from "./retirement-proof.ts";
import type { StateOptions } from "./state-options.ts";
import { note, print, printJson } from "./state-text.ts";

const AGAIN = "run the command again: a key that is retired already is proved again";

type Shown = { readonly key: Uint8Array; readonly isRetired: boolean };

export type RetiredKey<State> = { readonly state: State; readonly document: Uint8Array };

/** What a family of chains says of the keys that are to be retired. */
export type Tombstones<State> = {
  readonly keys: readonly Uint8Array[];
  readonly retire: (
    keys: readonly Uint8Array[],
  ) => Promise<Result<readonly RetiredKey<State>[], Refusal>>;
  /** What a document states of this very key and state; null when it states something else. */
  readonly statedIn: (
    userData: Uint8Array,
    state: State,
    key: Uint8Array,
  ) => StatedRetirement | null;
  /** The file for the other signer. */
  readonly encodeExport: (states: readonly State[]) => string;
  readonly view: StateView<State>;
};

export async function retireKeys<State extends Shown>(
  tombstones: Tombstones<State>,
  options: StateOptions,
): Promise<Ending> {
  const { keys } = tombstones;
  if (!options.isConfirmed) {
    const names = keys.map((key) => encodePrefixedHex(key)).join("\n");
    const warning = `These keys will never sign here again; nothing undoes it:\n${names}`;
    if (!(await isConfirmedByWord(warning, "retire"))) {
      note("not confirmed: nothing was retired");
      return ok(1);
    }
  }
  const retired: RetiredKey<State>[] = [];
  for (const page of pagesOf(keys, RETIRE_COUNT_MAX)) {
    const answer = await tombstones.retire(page);
    if (!answer.ok) {
      note(`keys may be retired although no file was written; ${AGAIN}`);
      return answer;
    }
    retired.push(...answer.value);
  }
  return ok(await writeRetired(tombstones, retired, options));
}

async function writeRetired<State extends Shown>(
  tombstones: Tombstones<State>,
  retired: readonly RetiredKey<State>[],
  options: StateOptions,
): Promise<ExitCode> {
  const { keys, view } = tombstones;
  const proofs = retired.flatMap((one, index) => proofOf(tombstones, keys[index], one) ?? []);
  if (proofs.length !== keys.length) {
    note("the enclave's answer does not prove each key's retirement; nothing was written");
    return 1;
  }
  const states = retired.map(({ state }) => state);
  const text = new TextEncoder().encode(tombstones.encodeExport(states));
  try {
    await writeFilesAtomically([
      { path: options.proof ?? "", bytes: encodeProofs(proofs) },
      { path: options.export ?? "", bytes: text },
    ]);
  } catch {
    note(`the keys are retired, but ${options.proof} and ${options.export} can't be written`);
    note(AGAIN);
    return 1;
  }
  if (options.isJson) printJson({ retired: states.map((state) => view.json(state)) });
  else {
    for (const state of states) print(`${encodePrefixedHex(state.key)} ${view.text(state)}`);
    print(`retired ${retired.length}`);
  }
  return 0;
}

/** Null when the answer is not about this key, or its document says something else. */
function proofOf<State extends Shown>(
  { statedIn }: Tombstones<State>,
  key: Uint8Array | undefined,
  { state, document }: RetiredKey<State>,
): RetirementProof | null {
  const userData = readUserData(document);
  if (key === undefined || userData === null || !state.isRetired) return null;
  const stated = statedIn(userData, state, key);
  return stated === null ? null : { ...stated, document: Buffer.from(document).toString("base64") };
}
