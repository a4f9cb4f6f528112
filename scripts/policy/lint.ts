// Judges a key policy: does it release data keys to the measured enclave with the measured
// manifest, and to nobody else? It judges each statement as if it stood alone, so that a hole in an
// Allow is named although a Deny covers it: the two layers are there to survive the loss of one. It
// must never find less because something else was found.

import { isKnownKey } from "./condition.ts";
import { type Finding, type FindingCode, finding } from "./finding.ts";
import { type Guard, guardOf } from "./guard.ts";
import {
  DECRYPT,
  DESTROYING_ACTIONS,
  FOREIGN_ACTIONS,
  hasWildcard,
  isReadOnly,
  KMS_ACTIONS,
  matchesPattern,
  OPENING_ACTIONS,
  PUT_KEY_POLICY,
  SEALING_ACTIONS,
} from "./kms-actions.ts";
import { lintContext, lintDecrypt, lintValues, pinsOf } from "./lint-register.ts";
import { actionsOf, type KeyPolicy, parseKeyPolicy, type Statement } from "./statement.ts";

/** Of text: what can't be parsed is a finding too. */
export function lintKeyPolicy(bytes: Uint8Array): readonly Finding[] {
  const policy = parseKeyPolicy(bytes);
  if (!policy.ok) return [finding("POLICY_NOT_UNDERSTOOD", null, policy.error)];
  return lintParsed(policy.value);
}

/** Who may change the policy, as the policy says it; null when it can't be judged. */
export function policyAdministrators(bytes: Uint8Array): readonly string[] | null {
  const policy = parseKeyPolicy(bytes);
  if (!policy.ok) return null;
  const names = policy.value.statements
    .filter(({ effect }) => effect === "Allow")
    .filter((statement) => actionsOf(statement).includes(PUT_KEY_POLICY))
    .flatMap(({ principal: { isNegated, patterns } }) =>
      isNegated ? [`everybody but ${patterns.join(", ")}`] : patterns,
    );
  return [...new Set(names)];
}

/** The values that decrypt, of each register that an Allow of Decrypt pins. */
export function policyRegisters(bytes: Uint8Array): ReadonlyMap<number, readonly string[]> {
  const policy = parseKeyPolicy(bytes);
  const registers = new Map<number, readonly string[]>();
  for (const pins of policy.ok ? readersOf(policy.value).map(pinsOf) : []) {
    for (const [index, values] of pins) {
      registers.set(index, [...new Set([...(registers.get(index) ?? []), ...values])]);
    }
  }
  return registers;
}

function readersOf(policy: KeyPolicy): readonly Statement[] {
  return policy.statements.filter(
    (statement) =>
      statement.effect === "Allow" &&
      statement.resource !== null &&
      actionsOf(statement).includes(DECRYPT),
  );
}

function lintParsed(policy: KeyPolicy): readonly Finding[] {
  const guard = guardOf(policy);
  const findings = [
    ...(policy.version === "2012-10-17" ? [] : [finding("VERSION_MISSING", null)]),
    ...policy.statements.flatMap(lintStatement),
    ...lintPowers(policy),
    ...guard.findings,
    ...lintGuard(guard),
    ...lintLists(policy, guard),
  ];
  const named = findings.map((each) => [JSON.stringify(each), each] as const);
  return [...new Map(named).values()];
}

function lintStatement(statement: Statement): readonly Finding[] {
  const { name, effect, action, resource, conditions } = statement;
  const isAllow = effect === "Allow";
  if (action === null || resource === null) {
    return [finding(isAllow ? "STATEMENT_EMPTY" : "DENY_EMPTY", name)];
  }
  const findings: Finding[] = [];
  if (resource.isNegated) findings.push(finding("NOT_RESOURCE", name));
  else if (!resource.patterns.includes("*")) {
    findings.push(finding(isAllow ? "RESOURCE_NARROW" : "DENY_NARROW", name));
  }
  for (const pattern of action.patterns) {
    if (KMS_ACTIONS.some((known) => matchesPattern(pattern, known))) continue;
    const code = isAllow ? "ACTION_UNKNOWN_ALLOWED" : "ACTION_UNKNOWN_DENIED";
    findings.push(finding(code, name, pattern));
  }
  for (const { key } of conditions) {
    if (!isKnownKey(key)) findings.push(finding("CONDITION_KEY_UNKNOWN", name, key));
  }
  findings.push(...lintValues(statement));
  return isAllow ? [...findings, ...lintAllow(statement)] : findings;
}

/** Each of these actions is a finding of its own in an Allow. */
const FINDING_OF_ACTION: Readonly<Record<string, FindingCode>> = {
  "kms:ReEncryptFrom": "REENCRYPT_ALLOWED",
  "kms:ReEncryptTo": "REENCRYPT_ALLOWED",
  "kms:CreateGrant": "GRANT_ALLOWED",
  "kms:ReplicateKey": "REPLICATE_ALLOWED",
  "kms:ImportKeyMaterial": "IMPORT_ALLOWED",
};

function lintAllow(statement: Statement): readonly Finding[] {
  const { name, principal, action } = statement;
  const allowed = actionsOf(statement);
  const findings: Finding[] = [];
  if (principal.isNegated) findings.push(finding("NOT_PRINCIPAL", name));
  else if (principal.patterns.includes("*")) findings.push(finding("PRINCIPAL_ANYONE", name));
  else if (principal.patterns.some(isAccount)) {
    const code = allowed.every(isReadOnly) ? "ACCOUNT_READS" : "ACCOUNT_ROOT";
    findings.push(finding(code, name));
  }
  if (principal.patterns.some(isService) && !allowed.every(isReadOnly)) {
    findings.push(finding("PRINCIPAL_SERVICE", name));
  }
  if (action?.isNegated === true) findings.push(finding("NOT_ACTION", name));
  else for (const pattern of action?.patterns ?? []) findings.push(...lintPattern(name, pattern));
  for (const each of allowed) {
    const code = FINDING_OF_ACTION[each];
    if (code !== undefined) findings.push(finding(code, name));
    if (DESTROYING_ACTIONS.includes(each)) findings.push(finding("KEY_DELETION", name));
    if (FOREIGN_ACTIONS.includes(each)) findings.push(finding("ACTION_FOREIGN", name));
  }
  if (allowed.includes(DECRYPT)) findings.push(...lintDecrypt(statement));
  if (allowed.some((each) => each === DECRYPT || SEALING_ACTIONS.includes(each))) {
    findings.push(...lintContext(statement));
  }
  return findings;
}

function lintPattern(name: string, pattern: string): readonly Finding[] {
  if (!hasWildcard(pattern)) return [];
  const taken = KMS_ACTIONS.filter((action) => matchesPattern(pattern, action));
  if (taken.every(isReadOnly)) return [];
  const opens = taken.some((action) => OPENING_ACTIONS.includes(action));
  return [finding(opens ? "ACTION_WILDCARD" : "ACTION_PATTERN", name, pattern)];
}

/** An account, by number or as its root: whoever the account's IAM policies name. */
function isAccount(principal: string): boolean {
  return /^(?:\d{12}|arn:[a-z-]+:iam::\d{12}:root)$/.test(principal);
}

function isService(principal: string): boolean {
  return principal.startsWith("service:");
}

/** Whoever that is, somebody else decides. */
function isAnyone(principal: string): boolean {
  return principal === "*" || isAccount(principal) || isService(principal);
}

/** What one principal may do in all statements together. */
function lintPowers(policy: KeyPolicy): readonly Finding[] {
  const allows = policy.statements.filter(
    ({ effect, resource }) => effect === "Allow" && resource !== null,
  );
  const holders = (...actions: readonly string[]) =>
    new Set(
      allows
        .filter((statement) => actionsOf(statement).some((action) => actions.includes(action)))
        .flatMap(({ principal }) =>
          principal.isNegated ? [] : principal.patterns.map(identityOf),
        ),
    );
  const readers = holders(DECRYPT);
  const users = holders(DECRYPT, ...SEALING_ACTIONS);
  const administrators = holders(PUT_KEY_POLICY);
  return allows.flatMap((statement) => {
    const { name, principal } = statement;
    const allowed = actionsOf(statement);
    const who = principal.isNegated ? [] : principal.patterns.map(identityOf);
    const isOpen = principal.isNegated || who.some(isAnyone);
    const findings: Finding[] = [];
    if (allowed.includes(PUT_KEY_POLICY)) {
      if (isOpen) findings.push(finding("POLICY_BY_ANYONE", name));
      else if (who.some((each) => users.has(each))) findings.push(finding("POLICY_BY_USER", name));
    }
    if (allowed.some((each) => SEALING_ACTIONS.includes(each))) {
      if (who.some((each) => readers.has(each))) findings.push(finding("SEAL_BY_READER", name));
    }
    if (allowed.includes("kms:DisableKey") && !who.every((each) => administrators.has(each))) {
      findings.push(finding("KEY_DISABLE", name));
    }
    return findings;
  });
}

/** A session of a role is the role, whatever the role's path. */
function identityOf(principal: string): string {
  const session = /^arn:([a-z-]+):sts::(\d{12}):assumed-role\/([^/]+)\/.+$/.exec(principal);
  if (session !== null) return `arn:${session[1]}:iam::${session[2]}:role/${session[3]}`;
  return principal.replace(/^(arn:[a-z-]+:iam::\d{12}:role\/)(?:.*\/)?([^/]+)$/, "$1$2");
}

/** The registers without which nothing may be decrypted. */
const GUARDED_REGISTERS = [0, 16] as const;

function lintGuard({ actions, registers, attempted }: Guard): readonly Finding[] {
  const findings: Finding[] = [];
  for (const register of GUARDED_REGISTERS) {
    if (actions.has(DECRYPT) || registers.has(register) || attempted.has(register)) continue;
    findings.push(finding("DECRYPT_NOT_DENIED", null, `PCR${register}`));
  }
  const isReEncryptDenied = actions.has("kms:ReEncryptFrom") && actions.has("kms:ReEncryptTo");
  if (!isReEncryptDenied) findings.push(finding("REENCRYPT_NOT_DENIED", null));
  if (!actions.has("kms:CreateGrant")) findings.push(finding("GRANT_NOT_DENIED", null));
  return findings;
}

/** The values that an Allow lets in and those that the Deny statements spare should be the same. */
function lintLists(policy: KeyPolicy, guard: Guard): readonly Finding[] {
  const readers = readersOf(policy);
  if (readers.length === 0 || guard.actions.has(DECRYPT)) return [finding("NOBODY_DECRYPTS", null)];
  const pins = readers.map(pinsOf);
  const findings: Finding[] = [];
  for (const [register, lists] of guard.registers) {
    const allowed = new Set(pins.flatMap((each) => [...(each.get(register) ?? [])]));
    if (allowed.size === 0) continue;
    const isSame = lists.every((list) => {
      const spared = new Set(list.map((value) => value.toLowerCase()));
      return spared.size === allowed.size && [...spared].every((value) => allowed.has(value));
    });
    if (!isSame) findings.push(finding("PCR_LISTS_DIFFER", null, `PCR${register}`));
  }
  return findings;
}
