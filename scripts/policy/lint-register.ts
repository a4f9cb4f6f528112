// Judges what an Allow of kms:Decrypt says of the enclave's registers and of the encryption
// context. It must never take a condition for a pin that another enclave, or none, can meet.

import { BUNDLE_PURPOSES } from "../../shared/bundle/format.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import { type Condition, isNegated, registerOf } from "./condition.ts";
import { type Finding, finding } from "./finding.ts";
import { hasWildcard } from "./kms-actions.ts";
import type { Statement } from "./statement.ts";

const PURPOSE_KEY = "kms:encryptioncontext:redoubt:purpose";
/** Zero in debug mode (nitro-kms.md §2), and, for 16, before a manifest is measured. */
const ZERO_MEANS_OPEN: readonly number[] = [0, 1, 2, 16];
const VALUE = new RegExp(`^[0-9a-fA-F]{${PCR_BYTES * 2}}$`);

/** The values of each register that a statement pins, in lower case. */
export function pinsOf(statement: Statement): ReadonlyMap<number, ReadonlySet<string>> {
  const pins = new Map<number, ReadonlySet<string>>();
  for (const condition of statement.conditions) {
    const register = registerOf(condition.key);
    if (register === undefined || !isPin(condition)) continue;
    const values = condition.values.map((value) => value.toLowerCase());
    // Two conditions on one register must both hold.
    const before = pins.get(register);
    pins.set(register, new Set(values.filter((value) => before?.has(value) ?? true)));
  }
  return pins;
}

/** Holds for the values listed and, since a positive operator needs its key, never without one. */
function isPin({ operator, values }: Condition): boolean {
  if (operator.set !== null || operator.isIfExists) return false;
  const { base } = operator;
  if (base !== "StringEquals" && base !== "StringEqualsIgnoreCase") return false;
  return !values.some((value) => value.includes("${"));
}

/** As good as a pin, in an operator that is not meant for it. */
function isOddPin({ operator, values }: Condition): boolean {
  const isText =
    operator.base === "StringEquals" ||
    operator.base === "StringEqualsIgnoreCase" ||
    (operator.base === "StringLike" && !values.some(hasWildcard));
  const isStrict = operator.set !== "ForAllValues" && !operator.isIfExists;
  return isText && isStrict && !values.some((value) => value.includes("${"));
}

export function lintDecrypt(statement: Statement): readonly Finding[] {
  const { name, conditions } = statement;
  const pins = pinsOf(statement);
  const covered = new Set(pins.keys());
  const findings: Finding[] = [];
  for (const condition of conditions) {
    const register = registerOf(condition.key);
    if (register === undefined || pins.has(register) || condition.operator.base === "Null")
      continue;
    const code = isOddPin(condition) ? "PCR_SET_OPERATOR" : "PCR_OPERATOR";
    findings.push(finding(code, name, `${condition.operator.name} on PCR${register}`));
    covered.add(register);
  }
  if (covered.size === 0) return [...findings, finding("DECRYPT_UNATTESTED", name)];
  if (!covered.has(0)) findings.push(finding(codeWithoutImage(covered), name));
  else if (!covered.has(1) || !covered.has(2)) findings.push(finding("IMAGE_PARTS_UNPINNED", name));
  if (!covered.has(16)) findings.push(finding("MANIFEST_UNPINNED", name));
  if ((pins.get(0)?.size ?? 0) > 1 && (pins.get(16)?.size ?? 0) > 1) {
    findings.push(finding("PCR_PAIRS", name));
  }
  return findings;
}

function codeWithoutImage(covered: ReadonlySet<number>) {
  if (covered.has(8)) return "PCR_SIGNER_ONLY";
  const others = [...covered].filter((register) => register !== 16);
  const isHost = others.length > 0 && others.every((register) => register === 3 || register === 4);
  return isHost ? "PCR_HOST_ONLY" : "IMAGE_UNPINNED";
}

/** The values that stand beside registers, in Allow and Deny alike. */
export function lintValues({ name, effect, conditions }: Statement): readonly Finding[] {
  return conditions.flatMap((condition) => {
    const register = registerOf(condition.key);
    const { operator, values } = condition;
    if (register === undefined || operator.base === "Null") return [];
    const letsIn = (effect === "Allow") !== isNegated(operator);
    const isCased = !operator.base.endsWith("IgnoreCase");
    const isPattern = operator.base.endsWith("Like");
    return values.flatMap((value) => {
      const where = `PCR${register} ${value.slice(0, 16)}`;
      // A pattern is the operator's finding.
      if (isPattern && hasWildcard(value)) return [];
      if (!VALUE.test(value)) return [finding("PCR_MALFORMED", name, where)];
      const isZero = /^0+$/.test(value) && ZERO_MEANS_OPEN.includes(register);
      if (isZero && letsIn) return [finding("PCR_ZERO", name, `PCR${register}`)];
      return isCased && value !== value.toLowerCase() ? [finding("PCR_CASE", name, where)] : [];
    });
  });
}

export function lintContext({ name, conditions }: Statement): readonly Finding[] {
  const isPinned = conditions.some(
    ({ operator, key, values }) =>
      operator.name === "StringEquals" &&
      key.toLowerCase() === PURPOSE_KEY &&
      values.every((value) => BUNDLE_PURPOSES.some((purpose) => purpose === value)),
  );
  return isPinned ? [] : [finding("CONTEXT_MISSING", name)];
}
