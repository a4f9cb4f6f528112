// What the parent reads of a manifest, to find out before an upgrade what the enclave would find
// out in the middle of it. The parent decides nothing by it: the enclave reads the same bytes
// strictly, and refuses for itself.

import { z } from "zod";
import { parseDocument } from "../../shared/attestation/document.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";

/** Which register of a document each field of a predecessor names (docs/manifest.md). */
const REGISTERS = { pcr0: 0, pcr1: 1, pcr2: 2, pcr16: 16 } as const;

const hex = z.string();
const schema = z.object({
  state: z.object({
    kind: z.string(),
    tableArn: z.string().optional(),
    tableId: z.string().optional(),
    bootFloor: z.string().optional(),
  }),
  /** Heights do not follow the clock: there is no floor by it. */
  tendermint: z
    .object({ chains: z.array(z.object({ reservation: z.unknown().optional() })).default([]) })
    .optional(),
  predecessors: z.array(z.object({ pcr0: hex, pcr1: hex, pcr2: hex, pcr16: hex })).default([]),
});

export type ManifestFacts = z.infer<typeof schema>;

/** Null when it is no manifest; why not, the enclave says. */
export function parseManifestFacts(manifest: Uint8Array): ManifestFacts | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(manifest);
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** Two signers with the same keys and records in two places are what slashes. */
export function isSameStore({ state: one }: ManifestFacts, { state: other }: ManifestFacts) {
  return (
    one.kind === other.kind && one.tableArn === other.tableArn && one.tableId === other.tableId
  );
}

/** Whether an enclave starts with a boot floor unless the state is handed over to it. */
export function hasBootFloor({ state, tendermint }: ManifestFacts): boolean {
  if (tendermint !== undefined) return false;
  return state.kind === "parent" || state.bootFloor !== "off";
}

/**
 * Whether an enclave has heights reserved that another one refuses until they are given back
 * (docs/decisions/0018-reservation.md).
 */
export function hasReservation({ tendermint }: ManifestFacts): boolean {
  return tendermint?.chains.some(({ reservation }) => reservation !== undefined) ?? false;
}

/** Whether the enclave that made this attestation document is one that may hand over. */
export function namesPredecessor({ predecessors }: ManifestFacts, document: Uint8Array): boolean {
  const parsed = parseDocument(document);
  if (!parsed.ok) return false;
  const { pcrs } = parsed.value;
  return predecessors.some((predecessor) =>
    (["pcr0", "pcr1", "pcr2", "pcr16"] as const).every((name) => {
      const stated = pcrs.get(REGISTERS[name]);
      return stated !== undefined && encodePrefixedHex(stated) === predecessor[name].toLowerCase();
    }),
  );
}
