// Reads a key policy, strictly: what is not understood in full is refused, because a judge who
// passes over an element may pass over the one that opens the key. It must never repair or guess.

import { parseJson } from "../../enclave/core/json.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type Condition, parseOperator } from "./condition.ts";
import { KMS_ACTIONS, matchesPattern } from "./kms-actions.ts";

/** KMS Developer Guide, "Creating a key policy". */
export const KEY_POLICY_BYTES_MAX = 32_768;
/** Document, statement, condition, operator, key, list of values. */
const DEPTH_MAX = 7;

/** `Action` and `NotAction`, `Principal` and `NotPrincipal`, `Resource` and `NotResource`. */
export type Selector = {
  readonly isNegated: boolean;
  readonly patterns: readonly string[];
};

export type Statement = {
  /** The Sid, or the place in the list: `Statement[2]`. */
  readonly name: string;
  readonly effect: "Allow" | "Deny";
  /** `*`, ARNs, account numbers, `service:NAME`. */
  readonly principal: Selector;
  /** Null when the statement has none: KMS takes it, and it has no effect. */
  readonly action: Selector | null;
  readonly resource: Selector | null;
  readonly conditions: readonly Condition[];
};

export type KeyPolicy = {
  /** Null when there is none, which means 2008-10-17. */
  readonly version: string | null;
  readonly statements: readonly Statement[];
};

const VERSIONS: readonly unknown[] = [undefined, "2008-10-17", "2012-10-17"];
const POLICY_FIELDS = ["Version", "Id", "Statement"];
const STATEMENT_FIELDS = [
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
];

/** Thrown inside this file only. What it quotes may come from anybody and goes to a terminal. */
class NotUnderstood extends Error {
  constructor(text: string) {
    super(text.slice(0, 200).replace(/[^\x20-\x7e]/gu, "?"));
  }
}

/** The error is a sentence for people: what is not understood, and where. */
export function parseKeyPolicy(bytes: Uint8Array): Result<KeyPolicy, string> {
  if (bytes.length > KEY_POLICY_BYTES_MAX) {
    return err(`a key policy has at most ${KEY_POLICY_BYTES_MAX} bytes`);
  }
  const tree = parseJson(bytes, DEPTH_MAX, (value) => value);
  if (!tree.ok) return err("no JSON, or JSON with a name twice or of too many levels");
  try {
    return ok(readPolicy(tree.value));
  } catch (error) {
    if (error instanceof NotUnderstood) return err(error.message);
    throw error;
  }
}

/**
 * The policy in what `aws kms get-key-policy` prints as JSON, `{"Policy": "…", "PolicyName":
 * "default"}`; anything else is answered as it is.
 */
export function unwrapPolicy(bytes: Uint8Array): Uint8Array {
  const tree = parseJson(bytes, 1, (value) => value);
  if (!tree.ok || typeof tree.value !== "object" || tree.value === null) return bytes;
  const fields = new Map<string, unknown>(Object.entries(tree.value));
  const policy = fields.get("Policy");
  const isWrapped = [...fields.keys()].every((name) => name === "Policy" || name === "PolicyName");
  return isWrapped && typeof policy === "string" ? new TextEncoder().encode(policy) : bytes;
}

/** The actions of KMS that a statement is about. */
export function actionsOf(statement: Statement): readonly string[] {
  const { action } = statement;
  if (action === null) return [];
  return KMS_ACTIONS.filter((name) => selects(action, (pattern) => matchesPattern(pattern, name)));
}

export function selects(selector: Selector, fits: (pattern: string) => boolean): boolean {
  return selector.patterns.some(fits) !== selector.isNegated;
}

type Fields = Readonly<Record<string, unknown>>;

function readPolicy(value: unknown): KeyPolicy {
  const fields = readFields(value, "the policy", POLICY_FIELDS);
  const { Version: version, Id: id, Statement: list } = fields;
  if (!VERSIONS.includes(version)) throw new NotUnderstood("Version is not 2012-10-17");
  if (id !== undefined && typeof id !== "string") throw new NotUnderstood("Id is not a text");
  const items: readonly unknown[] = Array.isArray(list) ? list : [list];
  if (list === undefined) throw new NotUnderstood("there is no Statement");
  return {
    version: typeof version === "string" ? version : null,
    statements: items.map(readStatement).map((statement, index, all) => {
      // Findings go by name: two statements of one name must not become one.
      const isAlone = all.filter(({ name }) => name === statement.name).length === 1;
      return isAlone ? statement : { ...statement, name: `${statement.name} Statement[${index}]` };
    }),
  };
}

function readStatement(value: unknown, index: number): Statement {
  const at = `Statement[${index}]`;
  const fields = readFields(value, at, STATEMENT_FIELDS);
  const { Sid: sid = "", Effect: effect } = fields;
  if (typeof sid !== "string" || !/^[\x20-\x7e]{0,256}$/.test(sid)) {
    throw new NotUnderstood(`${at} has a Sid that is no text`);
  }
  if (effect !== "Allow" && effect !== "Deny") {
    throw new NotUnderstood(`${at} has an Effect that is neither Allow nor Deny`);
  }
  const principal = readSelector(fields, "Principal", at, readPrincipals);
  if (principal === null) throw new NotUnderstood(`${at} has no Principal`);
  return {
    name: sid === "" ? at : sid,
    effect,
    principal,
    action: readSelector(fields, "Action", at, readTexts),
    resource: readSelector(fields, "Resource", at, readTexts),
    conditions: readConditions(fields["Condition"], at),
  };
}

function readSelector(
  fields: Fields,
  name: string,
  at: string,
  read: (value: unknown, at: string) => readonly string[],
): Selector | null {
  const positive = fields[name];
  const negative = fields[`Not${name}`];
  if (positive !== undefined && negative !== undefined) {
    throw new NotUnderstood(`${at} has both ${name} and Not${name}`);
  }
  if (positive !== undefined) {
    return { isNegated: false, patterns: read(positive, `${at}.${name}`) };
  }
  if (negative === undefined) return null;
  return { isNegated: true, patterns: read(negative, `${at}.Not${name}`) };
}

const PRINCIPAL_TEXT = {
  AWS: new RegExp(
    "^(?:\\*|\\d{12}|[A-Z0-9]{16,128}" +
      "|arn:aws[a-z-]*:iam::\\d{12}:(?:root|(?:role|user)/[^*?]+)" +
      "|arn:aws[a-z-]*:sts::\\d{12}:(?:assumed-role/[^*?/]+|federated-user)/[^*?/]+)$",
  ),
  Service: /^[a-z0-9.-]+$/,
} as const;

function readPrincipals(value: unknown, at: string): readonly string[] {
  if (value === "*") return ["*"];
  const fields = readFields(value, at, ["AWS", "Service"]);
  const named = (kind: "AWS" | "Service") => {
    const texts = fields[kind] === undefined ? [] : readTexts(fields[kind], `${at}.${kind}`);
    const wrong = texts.find((text) => !PRINCIPAL_TEXT[kind].test(text));
    // KMS takes no wildcard in a principal but the lone one.
    if (wrong !== undefined) throw new NotUnderstood(`${at}.${kind} is no principal: ${wrong}`);
    return texts;
  };
  const principals = [...named("AWS"), ...named("Service").map((name) => `service:${name}`)];
  if (principals.length === 0) throw new NotUnderstood(`${at} names nobody`);
  return principals;
}

function readConditions(value: unknown, at: string): readonly Condition[] {
  if (value === undefined) return [];
  return Object.entries(readFields(value, `${at}.Condition`, null)).flatMap(([name, keys]) => {
    const operator = parseOperator(name);
    if (operator === undefined) {
      throw new NotUnderstood(`${at}.Condition has an operator that IAM has not: ${name}`);
    }
    const place = `${at}.Condition.${name}`;
    const entries = Object.entries(readFields(keys, place, null));
    const odd = entries.find(([key]) => !isPlain(key));
    if (odd !== undefined) throw new NotUnderstood(`${place} has an odd key: ${odd[0]}`);
    // Two spellings of one key: which of them counts is nobody's to guess.
    if (new Set(entries.map(([key]) => key.toLowerCase())).size !== entries.length) {
      throw new NotUnderstood(`${place} has a key twice`);
    }
    return entries.map(([key, values]) => ({
      operator,
      key,
      values: readTexts(values, `${place}.${key}`),
    }));
  });
}

/** An object with no other names than these; null: any. */
function readFields(value: unknown, at: string, names: readonly string[] | null): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NotUnderstood(`${at} is no object`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  const unknown = [...fields.keys()].find((name) => names !== null && !names.includes(name));
  if (unknown !== undefined) throw new NotUnderstood(`${at} has an unknown element: ${unknown}`);
  return Object.fromEntries(fields);
}

/**
 * Printable ASCII. IAM compares without regard to case, and so do we, but which letters of other
 * alphabets fold to ours (the Kelvin sign to k) is nobody's to guess.
 */
function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** One text or a list of them, never an empty one; booleans and numbers as IAM takes them. */
function readTexts(value: unknown, at: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (items.length === 0) throw new NotUnderstood(`${at} is empty`);
  return items.map((item) => {
    if (typeof item === "boolean" || (typeof item === "string" && isPlain(item))) {
      return String(item);
    }
    if (typeof item === "number" && Number.isSafeInteger(item)) return String(item);
    throw new NotUnderstood(`${at} is no text of printable ASCII`);
  });
}
