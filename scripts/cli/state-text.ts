// How records are shown, as text for people and as JSON for programs. It must never show a key that
// was retired, or that has no record, like one that signs.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";

export const ethereumView = { text: stateText, json: stateJson };

export function stateText(state: EthereumState): string {
  if (!state.hasRecord) return "no record";
  const retired = state.isRetired ? "retired, " : "";
  return `${retired}slot ${height(state.blockSlot)} source ${height(state.source)} target ${height(state.target)}`;
}

export function height(value: bigint | null): string {
  return value === null ? "-" : value.toString();
}

export function stateJson(state: EthereumState) {
  return {
    key: encodePrefixedHex(state.key),
    hasRecord: state.hasRecord,
    isRetired: state.isRetired,
    seq: state.seq,
    head: encodePrefixedHex(state.head),
    blockSlot: state.blockSlot?.toString() ?? null,
    blockRoot: rootJson(state.blockRoot),
    source: state.source?.toString() ?? null,
    target: state.target?.toString() ?? null,
    attestationRoot: rootJson(state.attestationRoot),
  };
}

function rootJson(root: Uint8Array | null): string | null {
  return root === null ? null : encodePrefixedHex(root);
}

export function note(text: string): void {
  process.stderr.write(`redoubt state: ${text}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}
