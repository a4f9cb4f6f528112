// Evaluates a key policy for one request, as far as key policies of Redoubt go: principals by ARN,
// actions of KMS, string conditions. It must never skip a part of a statement that it does not
// understand: such a policy is an error, and an error denies.

import { isJsonObject, parseJsonObject } from "./json-fields.ts";

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

type Operator = (value: string | undefined, wanted: readonly string[]) => boolean;

/** An absent key matches negated operators only. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  StringEquals: (value, wanted) => value !== undefined && wanted.includes(value),
  StringNotEquals: (value, wanted) => value === undefined || !wanted.includes(value),
  StringEqualsIgnoreCase: (value, wanted) =>
    value !== undefined && includesIgnoringCase(wanted, value),
  StringNotEqualsIgnoreCase: (value, wanted) =>
    value === undefined || !includesIgnoringCase(wanted, value),
  Null: (value, wanted) => wanted.includes(value === undefined ? "true" : "false"),
};

function includesIgnoringCase(wanted: readonly string[], value: string): boolean {
  return wanted.some((text) => text.toLowerCase() === value.toLowerCase());
}

type Statement = {
  readonly isAllow: boolean;
  readonly principals: readonly string[];
  readonly actions: readonly string[];
  readonly conditions: readonly Condition[];
};

type Condition = {
  readonly operator: Operator;
  readonly key: string;
  readonly wanted: readonly string[];
};

/** Throws RangeError for a policy that is not understood in full. */
export function evaluateKeyPolicy(policyText: string, request: PolicyRequest): PolicyVerdict {
  const statements = parsePolicy(policyText).filter((statement) => applies(statement, request));
  if (statements.some((statement) => !statement.isAllow)) return "explicitly denied";
  return statements.length > 0 ? "allowed" : "denied";
}

function applies(statement: Statement, request: PolicyRequest): boolean {
  const context = new Map([...request.context].map(([key, value]) => [key.toLowerCase(), value]));
  return (
    statement.principals.some((principal) => isPrincipal(principal, request.principalArn)) &&
    statement.actions.some((action) => isAction(action, request.action)) &&
    statement.conditions.every(({ operator, key, wanted }) => operator(context.get(key), wanted))
  );
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

function isAction(pattern: string, action: string): boolean {
  if (!pattern.endsWith("*")) return pattern.toLowerCase() === action.toLowerCase();
  return action.toLowerCase().startsWith(pattern.slice(0, -1).toLowerCase());
}

function parsePolicy(text: string): readonly Statement[] {
  const policy = parseJsonObject(text);
  const statements = policy["Statement"];
  if (policy["Version"] !== "2012-10-17" || !Array.isArray(statements)) {
    throw new RangeError("the policy is not of version 2012-10-17");
  }
  return statements.map(parseStatement);
}

const STATEMENT_FIELDS = new Set(["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]);

function parseStatement(value: unknown): Statement {
  if (!isJsonObject(value)) throw new RangeError("a statement is not an object");
  const unknown = Object.keys(value).find((name) => !STATEMENT_FIELDS.has(name));
  if (unknown !== undefined) throw new RangeError(`statements with ${unknown} are not supported`);
  const { Effect, Principal, Action, Resource, Condition } = value;
  if (Effect !== "Allow" && Effect !== "Deny") throw new RangeError("Effect is not Allow or Deny");
  if (Resource !== undefined && Resource !== "*") throw new RangeError("Resource is not *");
  const principals = isJsonObject(Principal) ? Principal["AWS"] : Principal;
  return {
    isAllow: Effect === "Allow",
    principals: textsOf(principals),
    actions: textsOf(Action),
    conditions: parseConditions(Condition ?? {}),
  };
}

function parseConditions(value: unknown): readonly Condition[] {
  if (!isJsonObject(value)) throw new RangeError("Condition is not an object");
  return Object.entries(value).flatMap(([name, keys]) => {
    const operator = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
    if (operator === undefined) throw new RangeError(`the operator ${name} is not supported`);
    if (!isJsonObject(keys)) throw new RangeError(`${name} is not an object`);
    return Object.entries(keys).map(([key, wanted]) => {
      if (!/^kms:(RecipientAttestation:(ImageSha384|PCR\d+)|EncryptionContext:.+)$/i.test(key)) {
        throw new RangeError(`the condition key ${key} is not supported`);
      }
      return { operator, key: key.toLowerCase(), wanted: textsOf(wanted) };
    });
  });
}

/** One text or a list of them; booleans as IAM takes them for `Null`. */
function textsOf(value: unknown): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.map((item) => {
    if (typeof item !== "string" && typeof item !== "boolean") {
      throw new RangeError("a policy value is not a string");
    }
    return String(item);
  });
}
