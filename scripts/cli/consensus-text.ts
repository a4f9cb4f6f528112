// How records of Tendermint chains are shown, as text for people and as JSON for programs. It must
// never show a key that was retired, or that has no record, like one that signs, nor a last place
// as all that may have been signed where heights are reserved.

import type { Position } from "../../enclave/core/chains/tendermint/position.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { KeyPosition } from "./consensus-keys.ts";
import type { StateView } from "./import-report.ts";

export const consensusView: StateView<KeyPosition> = {
  text: (state) => `${state.chainId} ${positionText(state)}`,
  json: (state) => ({
    key: encodePrefixedHex(state.key),
    chainId: state.chainId,
    hasRecord: state.hasRecord,
    isRetired: state.isRetired,
    seq: state.seq,
    head: encodePrefixedHex(state.head),
    ...positionJson(state.last),
    reserved: state.reserved?.toString() ?? null,
    root: state.root === null ? null : encodePrefixedHex(state.root),
  }),
};

export function positionText({ hasRecord, isRetired, last, reserved }: KeyPosition): string {
  if (!hasRecord) return "no record";
  const ahead = reserved === null ? "" : `, reserved up to ${reserved}`;
  const signed = last === null ? "nothing signed" : stepText(last);
  return `${isRetired ? "retired, " : ""}${signed}${ahead}`;
}

export function stepText({ height, round, step }: Position): string {
  return `${height}/${round}/${step}`;
}

export function positionJson(position: Position | null) {
  return {
    height: position?.height.toString() ?? null,
    round: position?.round ?? null,
    step: position?.step ?? null,
  };
}
