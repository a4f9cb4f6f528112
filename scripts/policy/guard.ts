// What the Deny statements of a key policy keep from everybody, whatever grants, IAM policies and
// other statements allow. It must never count a Deny that spares anyone or any request.

import { type Condition, isNegated, registerOf } from "./condition.ts";
import { type Finding, finding } from "./finding.ts";
import { DECRYPT, hasWildcard } from "./kms-actions.ts";
import { actionsOf, type KeyPolicy, type Statement } from "./statement.ts";

export type Guard = {
  /** Denied to everybody, always. */
  readonly actions: ReadonlySet<string>;
  /** Registers without which Decrypt is denied, with the values that each such Deny spares. */
  readonly registers: ReadonlyMap<number, readonly (readonly string[])[]>;
  /** Registers that a Deny is about which does not hold. */
  readonly attempted: ReadonlySet<number>;
  readonly findings: readonly Finding[];
};

export function guardOf(policy: KeyPolicy): Guard {
  const actions = new Set<string>();
  const registers = new Map<number, (readonly string[])[]>();
  const attempted = new Set<number>();
  const findings: Finding[] = [];
  for (const statement of policy.statements) {
    if (statement.effect !== "Deny" || statement.resource === null) continue;
    const denied = actionsOf(statement);
    const gap = gapOf(statement);
    const [only, ...others] = statement.conditions;
    if (only === undefined && gap === null) for (const action of denied) actions.add(action);
    if (only === undefined || !denied.includes(DECRYPT)) continue;
    const register = registerOf(only.key);
    if (gap === null && others.length === 0 && register !== undefined && isGuarding(only)) {
      registers.set(register, [...(registers.get(register) ?? []), only.values]);
      continue;
    }
    const tried = statement.conditions.filter(isTry);
    for (const { key } of tried) attempted.add(registerOf(key) ?? 0);
    if (tried.length > 0) {
      findings.push(finding("DENY_INEFFECTIVE", statement.name, gap ?? gapOfConditions(statement)));
    }
  }
  return { actions, registers, attempted, findings };
}

/** Why a Deny does not reach everybody; null when it does. */
function gapOf({ principal, resource }: Statement): string | null {
  if (principal.isNegated) return "NotPrincipal spares those named";
  if (!principal.patterns.includes("*")) return "Principal is not *: it spares everybody else";
  if (resource === null || resource.isNegated || !resource.patterns.includes("*")) {
    return "Resource is not *";
  }
  return null;
}

function gapOfConditions({ conditions }: Statement): string {
  return conditions.length > 1
    ? "conditions of one statement must all hold: a request that meets one of them passes"
    : `${conditions[0]?.operator.name ?? ""} does not hold for a request without a document`;
}

/**
 * Holds for every other value, and when the key is absent: IAM User Guide, "Condition operators":
 * if the policy condition requires that the key is not matched and the key is not present, the
 * condition is true. With `ForAnyValue` it is false.
 */
function isGuarding({ operator, values }: Condition): boolean {
  if (operator.set !== null || values.some((value) => value.includes("${"))) return false;
  const { base } = operator;
  if (base === "StringNotEquals" || base === "StringNotEqualsIgnoreCase") return true;
  return base === "StringNotLike" && !values.some(hasWildcard);
}

/** Meant to deny all but some values. A Deny of one value, such as a revoked image, is none. */
function isTry(condition: Condition): boolean {
  return registerOf(condition.key) !== undefined && isNegated(condition.operator);
}
