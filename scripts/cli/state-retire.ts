// `redoubt state retire`: ends keys of whichever family of chains the enclave signs for. It must
// never take an option of the one family for the other's.

import { parseEthereumRetirement } from "../../shared/attestation/retirement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";
import { type Ending, readEnclave } from "./chain-family.ts";
import { refuseOther } from "./consensus-import.ts";
import { consensusTombstones } from "./consensus-retire.ts";
import { encodeInterchange } from "./interchange.ts";
import { retireKeys, type Tombstones } from "./retire-keys.ts";
import { statedOfEthereum } from "./retirement-proof.ts";
import { chosenKeys } from "./state-choice.ts";
import type { StateOptions } from "./state-options.ts";
import { ethereumView } from "./state-text.ts";

export function checkRetire(options: StateOptions): string | null {
  if (options.keys.length === 0) return "retire takes --key";
  const { proof, export: exported } = options;
  if (proof === null || exported === null) return "retire takes --proof and --export";
  return proof === exported ? "--proof and --export are the same file" : null;
}

export async function retire(admin: Admin, options: StateOptions): Promise<Ending> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  if (enclave.value.family === "tendermint") {
    const tombstones = await consensusTombstones(admin, enclave.value.chainIds, options);
    return tombstones.ok ? retireKeys(tombstones.value, options) : tombstones.error;
  }
  if (options.chain !== null || options.format !== null) {
    return refuseOther("--chain and --format are for Tendermint chains");
  }
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  return retireKeys(ethereumTombstones(admin, enclave.value.scope, keys.value), options);
}

function ethereumTombstones(
  admin: Admin,
  scope: Uint8Array,
  keys: readonly Uint8Array[],
): Tombstones<EthereumState> {
  return {
    keys,
    retire: (page) => admin.call("state.retire", { keys: page }),
    statedIn: (userData, state, key) => {
      const said = parseEthereumRetirement(userData);
      if (!said.ok) return null;
      const { publicKey, head, seq, blockSlot, source, target } = said.value;
      const isSame =
        isEqualBytes(state.key, key) &&
        isEqualBytes(publicKey, key) &&
        isEqualBytes(said.value.scope, scope) &&
        isEqualBytes(head, state.head) &&
        seq === state.seq &&
        blockSlot === state.blockSlot &&
        source === state.source &&
        target === state.target;
      return isSame ? statedOfEthereum(said.value) : null;
    },
    encodeExport: (states) =>
      encodeInterchange({
        genesisValidatorsRoot: scope,
        keys: states.map(({ key, blockSlot, source, target }) => {
          return { key, blockSlot, blockRoot: null, source, target, attestationRoot: null };
        }),
      }),
    view: ethereumView,
  };
}
