// Evaluates a key policy for one request, with the rules of IAM as far as key policies need them:
// an explicit Deny beats every Allow, absent keys, negated operators, wildcards, sets. It must
// never skip a part of a statement that it does not understand: such a policy is an error, and an
// error denies.

import {
  type Condition,
  isAttestationKey,
  isNegated,
  type Operator,
  registerOf,
} from "../policy/condition.ts";
import { matchesExactPattern, matchesPattern } from "../policy/kms-actions.ts";
import { type KeyPolicy, parseKeyPolicy, type Statement, selects } from "../policy/statement.ts";

export type PolicyRequest = {
  readonly principalArn: string;
  /** `kms:Decrypt`. */
  readonly action: string;
  /**
   * Condition keys and their values: `kms:RecipientAttestation:PCR0` and so on. Names compare
   * without case, as in IAM. A key that the request does not have is absent.
   */
  readonly context: ReadonlyMap<string, string>;
};

export type PolicyVerdict = "allowed" | "denied" | "explicitly denied";

/** Throws RangeError for a policy that is not understood in full. */
export function evaluateKeyPolicy(policyText: string, request: PolicyRequest): PolicyVerdict {
  return createKeyPolicyEvaluator(policyText)(request);
}

/** Reads a policy once for many requests. Throws as `evaluateKeyPolicy` does. */
export function createKeyPolicyEvaluator(
  policyText: string,
): (request: PolicyRequest) => PolicyVerdict {
  const { statements } = understood(policyText);
  return (request) => {
    const applying = statements.filter((each) => applies(each, request));
    if (applying.some(({ effect }) => effect === "Deny")) return "explicitly denied";
    return applying.length > 0 ? "allowed" : "denied";
  };
}

function understood(text: string): KeyPolicy {
  const policy = parseKeyPolicy(new TextEncoder().encode(text));
  if (!policy.ok) throw new RangeError(policy.error);
  if (policy.value.version !== "2012-10-17") {
    throw new RangeError("the policy is not of version 2012-10-17");
  }
  for (const { name, resource, conditions } of policy.value.statements) {
    if (resource !== null && (resource.isNegated || !resource.patterns.includes("*"))) {
      throw new RangeError(`${name}: Resource is not *`);
    }
    for (const condition of conditions) refuseUnsupported(name, condition);
  }
  return policy.value;
}

/** This KMS states registers and encryption contexts, and knows no variables. */
function refuseUnsupported(name: string, { operator, key, values }: Condition): void {
  const isContext = /^kms:encryptioncontext:./i.test(key);
  if (registerOf(key) === undefined && !isContext) {
    throw new RangeError(`${name}: the condition key ${key} is not supported`);
  }
  if (!operator.base.startsWith("String") && operator.base !== "Null") {
    throw new RangeError(`${name}: the operator ${operator.name} is not supported`);
  }
  if (values.some((value) => value.includes("${"))) {
    throw new RangeError(`${name}: variables are not supported`);
  }
}

/** Without Action or Resource a statement has no effect (KMS API Reference, PutKeyPolicy). */
function applies({ principal, action, resource, conditions }: Statement, request: PolicyRequest) {
  if (action === null || resource === null) return false;
  const context = new Map([...request.context].map(([key, value]) => [nameOf(key), value]));
  return (
    selects(principal, (pattern) => isPrincipal(pattern, request.principalArn)) &&
    selects(action, (pattern) => matchesPattern(pattern, request.action)) &&
    conditions.every(({ operator, key, values }) => {
      const value = context.get(nameOf(key));
      return holds(operator, value, values);
    })
  );
}

/** Both names of PCR0 are one. */
function nameOf(key: string): string {
  return isAttestationKey(key) ? `register ${registerOf(key)}` : key.toLowerCase();
}

/** `*`, the very ARN, or the account of the ARN, by number or as its root. */
function isPrincipal(pattern: string, arn: string): boolean {
  const account = arn.split(":")[4] ?? "";
  return (
    pattern === "*" ||
    pattern === arn ||
    pattern === account ||
    pattern === `arn:aws:iam::${account}:root`
  );
}

/**
 * IAM User Guide, "Condition operators" and "Multivalued context keys". For an absent key: a
 * positive operator does not hold and a negated one does; `IfExists` and `ForAllValues` hold,
 * `ForAnyValue` does not.
 */
function holds(operator: Operator, value: string | undefined, wanted: readonly string[]): boolean {
  if (operator.base === "Null") return wanted.includes(value === undefined ? "true" : "false");
  if (value === undefined) {
    if (operator.set !== null) return operator.set === "ForAllValues";
    return operator.isIfExists || isNegated(operator);
  }
  return wanted.some((each) => fits(operator, value, each)) !== isNegated(operator);
}

function fits({ base }: Operator, value: string, wanted: string): boolean {
  if (base.endsWith("Like")) return matchesExactPattern(wanted, value);
  if (base.endsWith("IgnoreCase")) return wanted.toLowerCase() === value.toLowerCase();
  return wanted === value;
}
