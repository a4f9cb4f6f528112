// `redoubt state retire`: ends keys for ever, then writes what another signer needs to take them
// over: the proof and the EIP-3076 file. The tombstone comes first; it must never write a file for
// a key whose tombstone the enclave has not answered.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { RETIRE_COUNT_MAX } from "../../shared/limits.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";
import { pagesOf } from "./admin-keys.ts";
import { writeFilesAtomically } from "./atomic-file.ts";
import { readEthereum } from "./chain-family.ts";
import type { ExitCode } from "./command.ts";
import { isConfirmedByWord } from "./confirmation.ts";
import { encodeInterchange } from "./interchange.ts";
import {
  encodeProofs,
  type RetirementProof,
  readRetirement,
  statedOf,
} from "./retirement-proof.ts";
import { chosenKeys } from "./state-choice.ts";
import type { StateOptions } from "./state-options.ts";
import { note, print, printJson, stateJson, stateText } from "./state-text.ts";

const AGAIN = "run the command again: a key that is retired already is proved again";

type Retired = { readonly state: EthereumState; readonly document: Uint8Array };

export function checkRetire(options: StateOptions): string | null {
  if (options.keys.length === 0) return "retire takes --key";
  const { proof, export: exported } = options;
  if (proof === null || exported === null) return "retire takes --proof and --export";
  return proof === exported ? "--proof and --export are the same file" : null;
}

export async function retire(
  admin: Admin,
  options: StateOptions,
): Promise<Result<ExitCode, Refusal>> {
  const enclave = await readEthereum(admin);
  if (!enclave.ok) return enclave;
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  if (!options.isConfirmed) {
    const names = keys.value.map((key) => encodePrefixedHex(key)).join("\n");
    const warning = `These keys will never sign here again; nothing undoes it:\n${names}`;
    if (!(await isConfirmedByWord(warning, "retire"))) {
      note("not confirmed: nothing was retired");
      return ok(1);
    }
  }
  const retired: Retired[] = [];
  for (const page of pagesOf(keys.value, RETIRE_COUNT_MAX)) {
    const answer = await admin.call("state.retire", { keys: page });
    if (!answer.ok) {
      note(`keys may be retired although no file was written; ${AGAIN}`);
      return answer;
    }
    retired.push(...answer.value);
  }
  return ok(await writeRetired(enclave.value.scope, keys.value, retired, options));
}

async function writeRetired(
  genesisValidatorsRoot: Uint8Array,
  keys: readonly Uint8Array[],
  retired: readonly Retired[],
  options: StateOptions,
): Promise<ExitCode> {
  const proofs = retired.flatMap((one, index) => {
    const proof = proofOf(keys[index], genesisValidatorsRoot, one);
    return proof === null ? [] : [proof];
  });
  if (proofs.length !== keys.length) {
    note("the enclave's answer does not prove each key's retirement; nothing was written");
    return 1;
  }
  const interchange = {
    genesisValidatorsRoot,
    keys: retired.map(({ state: { key, blockSlot, source, target } }) => {
      return { key, blockSlot, blockRoot: null, source, target, attestationRoot: null };
    }),
  };
  const text = new TextEncoder().encode(encodeInterchange(interchange));
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
  if (options.isJson) printJson({ retired: retired.map(({ state }) => stateJson(state)) });
  else {
    for (const { state } of retired) print(`${encodePrefixedHex(state.key)} ${stateText(state)}`);
    print(`retired ${retired.length}`);
  }
  return 0;
}

/** Null when the answer is not about this key, or its document says something else. */
function proofOf(
  key: Uint8Array | undefined,
  scope: Uint8Array,
  { state, document }: Retired,
): RetirementProof | null {
  const said = readRetirement(document);
  if (key === undefined || said === null || !state.isRetired) return null;
  const isSame =
    isEqualBytes(state.key, key) &&
    isEqualBytes(said.publicKey, key) &&
    isEqualBytes(said.scope, scope) &&
    isEqualBytes(said.head, state.head) &&
    said.seq === state.seq &&
    said.blockSlot === state.blockSlot &&
    said.source === state.source &&
    said.target === state.target;
  return isSame ? { ...statedOf(said), document: Buffer.from(document).toString("base64") } : null;
}
