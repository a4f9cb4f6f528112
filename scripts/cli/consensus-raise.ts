// Has the enclave raise records of Tendermint chains and checks its answer against what it asked
// for, as an import of EIP-3076 does. No clock tells a height that can't be: one that is far above
// the record is raised to only after somebody has said so, because nothing takes it back.

import {
  comparePositions,
  type Position,
  wirePositionOf,
} from "../../enclave/core/chains/tendermint/position.ts";
import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import { RAISE_REASONS, type RaiseReason } from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";
import { pagesOf } from "./admin-keys.ts";
import type { Ending } from "./chain-family.ts";
import { isConfirmedByWord } from "./confirmation.ts";
import { type KeyPosition, keyPositionOf } from "./consensus-keys.ts";
import { consensusView, stepText } from "./consensus-text.ts";
import { type ImportKind, type ImportLine, reportImport } from "./import-report.ts";
import type { StateOptions } from "./state-options.ts";
import { note } from "./state-text.ts";

/** Half a year of blocks that take 1.6 seconds each. */
export const HEIGHT_JUMP_MAX = 10_000_000n;

type How = Pick<StateOptions, "isDryRun" | "isJson" | "isConfirmed">;

/** Raises keys of one chain, and reports it. */
export async function raiseKeys(
  admin: Admin,
  states: readonly KeyPosition[],
  position: Position,
  reason: RaiseReason,
  how: How,
): Promise<Ending> {
  const far = states.filter((state) => isFarAbove(position, state.last));
  if (far.length > 0 && !(await isConfirmed(far, position, how))) {
    note("not confirmed: nothing was raised");
    return ok(1);
  }
  const lines: ImportLine<KeyPosition>[] = [];
  for (const page of pagesOf(states)) {
    const raised = await raisePage(admin, page, position, reason, how.isDryRun);
    if (!raised.ok) return raised;
    lines.push(...raised.value);
  }
  return ok(reportImport(lines, how, consensusView));
}

/** Without a record there is nothing that a height could be near to. */
export function isFarAbove({ height }: Position, last: Position | null): boolean {
  return height - (last?.height ?? 0n) > HEIGHT_JUMP_MAX;
}

async function isConfirmed(
  far: readonly KeyPosition[],
  position: Position,
  { isDryRun, isConfirmed: isSaid }: How,
): Promise<boolean> {
  const names = far.map((state) => `${encodePrefixedHex(state.key)} ${consensusView.text(state)}`);
  const warning = [
    `These keys will sign nothing at or below ${stepText(position)}, far above their records;`,
    "nothing undoes it:",
    ...names,
  ].join("\n");
  if (!isDryRun) return isSaid || isConfirmedByWord(warning, "raise");
  note(`${warning}\nthis will have to be confirmed`);
  return true;
}

async function raisePage(
  admin: Admin,
  page: readonly KeyPosition[],
  position: Position,
  reason: RaiseReason,
  isDryRun: boolean,
): Promise<Result<readonly ImportLine<KeyPosition>[], Refusal>> {
  const [first] = page;
  if (first === undefined) return ok([]);
  const last = wirePositionOf(position);
  const answer = await admin.call("consensus.import", {
    chainId: first.chainId,
    floors: page.map(({ key }) => ({ key, last })),
    isDryRun,
    reason: RAISE_REASONS[reason],
  });
  if (!answer.ok) return answer;
  const states = answer.value.map(keyPositionOf);
  const afterByKey = new Map(states.map((state) => [encodeHex(state.key), state]));
  return ok(page.map((before) => lineOf(before, afterByKey.get(encodeHex(before.key)), position)));
}

function lineOf(
  before: KeyPosition,
  after: KeyPosition | undefined,
  position: Position,
): ImportLine<KeyPosition> {
  const { key } = before;
  // The key was dropped (a reload) between the list of keys and the import.
  if (after === undefined) return { key, kind: "unknown", before: null, after: null };
  return { key, kind: kindOf(before, after, position), before, after };
}

function kindOf(before: KeyPosition, after: KeyPosition, position: Position): ImportKind {
  const isRaised =
    after.hasRecord &&
    after.chainId === before.chainId &&
    reaches(after.last, position) &&
    reaches(after.last, before.last);
  if (!isRaised) return "short";
  if (!before.hasRecord) return "created";
  return reaches(before.last, after.last) ? "unchanged" : "raised";
}

function reaches(last: Position | null, least: Position | null): boolean {
  if (least === null) return true;
  return last !== null && comparePositions(last, least) >= 0;
}
