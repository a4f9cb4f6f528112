// Hands the maxima of an EIP-3076 file to the enclave and reports what became of each key. The
// enclave decides and only ever raises; this side checks the answer against what it asked for,
// because an import that is believed and did not happen ends in a slashing.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import {
  type ENCLAVE_METHODS,
  type EthereumState,
  type ParamsOf,
  RAISE_REASONS,
  type RaiseReason,
} from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";
import { pagesOf, selectKeys, showStates } from "./admin-keys.ts";
import type { ImportKind, ImportLine } from "./import-report.ts";
import type { Interchange, KeyMaxima } from "./interchange.ts";

type Line = ImportLine<EthereumState>;
type ImportParams = ParamsOf<(typeof ENCLAVE_METHODS)["state.import"]>;

export async function importMaxima(
  admin: Admin,
  interchange: Interchange,
  isDryRun: boolean,
  reason: RaiseReason = "import",
): Promise<Result<readonly Line[], Refusal>> {
  const selected = await selectKeys(
    admin,
    interchange.keys.map((maxima) => maxima.key),
  );
  if (!selected.ok) return selected;
  const known = new Set(selected.value.known.map((key) => encodeHex(key)));
  const lines: Line[] = selected.value.unknown.map((key) => unknownLine(key));
  const wanted = interchange.keys.filter((maxima) => known.has(encodeHex(maxima.key)));
  const pages = pagesOf(wanted);
  // Without a page nobody would compare the file's network with the enclave's.
  for (const page of pages.length === 0 ? [[]] : pages) {
    const imported = await importPage(admin, page, {
      genesisValidatorsRoot: interchange.genesisValidatorsRoot,
      isDryRun,
      reason: RAISE_REASONS[reason],
    });
    if (!imported.ok) return imported;
    lines.push(...imported.value);
  }
  return ok(lines);
}

async function importPage(
  admin: Admin,
  page: readonly KeyMaxima[],
  how: Omit<ImportParams, "floors">,
): Promise<Result<readonly Line[], Refusal>> {
  const before = await showStates(
    admin,
    page.map((maxima) => maxima.key),
  );
  if (!before.ok) return before;
  const floors = page.map(({ key, blockSlot, source, target }) => ({
    key,
    blockSlot,
    source,
    target,
  }));
  const after = await admin.call("state.import", { ...how, floors });
  if (!after.ok) return after;
  const states = new Map(after.value.map((state) => [encodeHex(state.key), state]));
  return ok(
    page.map((maxima, index) =>
      lineOf(maxima, before.value[index], states.get(encodeHex(maxima.key))),
    ),
  );
}

function unknownLine(key: Uint8Array): Line {
  return { key, kind: "unknown", before: null, after: null };
}

function lineOf(
  maxima: KeyMaxima,
  before: EthereumState | undefined,
  after: EthereumState | undefined,
): Line {
  // The key was dropped (a reload) between the list of keys and the import.
  if (before === undefined || after === undefined) return unknownLine(maxima.key);
  return { key: maxima.key, kind: kindOf(maxima, before, after), before, after };
}

function kindOf(maxima: KeyMaxima, before: EthereumState, after: EthereumState): ImportKind {
  const isRaised =
    after.hasRecord &&
    isEqualBytes(before.key, maxima.key) &&
    reaches(after.blockSlot, maxima.blockSlot, before.blockSlot) &&
    reaches(after.source, maxima.source, before.source) &&
    reaches(after.target, maxima.target, before.target);
  if (!isRaised) return "short";
  if (!before.hasRecord) return "created";
  const isUnchanged =
    after.blockSlot === before.blockSlot &&
    after.source === before.source &&
    after.target === before.target;
  return isUnchanged ? "unchanged" : "raised";
}

function reaches(floor: bigint | null, ...least: readonly (bigint | null)[]): boolean {
  return least.every((height) => height === null || (floor !== null && floor >= height));
}
