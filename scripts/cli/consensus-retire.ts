// `redoubt state retire` for Tendermint chains: one key at a time, because the file for the other
// signer names none. It must never end a key of which nothing is known: its proof would say that it
// never signed.

import { chainScope } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import {
  comparePositions,
  type Position,
  positionOfWire,
} from "../../enclave/core/chains/tendermint/position.ts";
import { parseConsensusRetirement } from "../../shared/attestation/retirement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { WirePosition } from "../../shared/wire/position-field.ts";
import type { Admin } from "./admin.ts";
import type { Ending } from "./chain-family.ts";
import { type KeyPosition, keyPositionOf, onlyKeyOfChain, reachOf } from "./consensus-keys.ts";
import { consensusView } from "./consensus-text.ts";
import type { Tombstones } from "./retire-keys.ts";
import { statedOfConsensus } from "./retirement-proof.ts";
import { encodeSignerState, STATE_FORMATS } from "./signer-state.ts";
import type { StateOptions } from "./state-options.ts";
import { note } from "./state-text.ts";

/** An error is how the command ends. */
export async function consensusTombstones(
  admin: Admin,
  chainIds: readonly string[],
  options: StateOptions,
): Promise<Result<Tombstones<KeyPosition>, Ending>> {
  const { format } = options;
  if (format === null) {
    note(`say --format: one of ${STATE_FORMATS.join(", ")}; see \`redoubt state --help\``);
    return err(ok(2));
  }
  const chosen = await onlyKeyOfChain(admin, chainIds, options);
  if (!chosen.ok) return chosen;
  const { key: chosenKey, chainId, hasRecord } = chosen.value;
  if (!hasRecord) return err(err(refusal("STATE_MISSING")));
  return ok({
    keys: [chosenKey],
    retire: async (keys) => {
      const answer = await admin.call("consensus.retire", { keys });
      if (!answer.ok) return answer;
      return ok(
        answer.value.map(({ state, document }) => ({ state: keyPositionOf(state), document })),
      );
    },
    statedIn: (userData, state, key) => {
      const said = parseConsensusRetirement(userData);
      if (!said.ok) return null;
      const { publicKey, scope, head, seq, last } = said.value;
      const isSame =
        isEqualBytes(state.key, key) &&
        isEqualBytes(publicKey, key) &&
        state.chainId === chainId &&
        isEqualBytes(scope, chainScope(chainId)) &&
        isEqualBytes(head, state.head) &&
        seq === state.seq &&
        isSameLast(last, state.last);
      return isSame ? statedOfConsensus(said.value, chainId) : null;
    },
    encodeExport: ([state]) =>
      encodeSignerState({ format, position: state === undefined ? null : reachOf(state) }),
    view: consensusView,
  });
}

function isSameLast(stated: WirePosition | null, last: Position | null): boolean {
  if (stated === null || last === null) return stated === last;
  return comparePositions(positionOfWire(stated), last) === 0;
}
