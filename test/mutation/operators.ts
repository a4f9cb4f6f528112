// What is changed in a program to see whether its tests notice: one change for each mutant, each a
// mistake that somebody could make. Types are never changed: they are gone when the program runs.

import {
  isArrayLiteralExpression,
  isAwaitExpression,
  isBigIntLiteral,
  isBinaryExpression,
  isBlock,
  isBreakStatement,
  isCallExpression,
  isConditionalExpression,
  isContinueStatement,
  isExpressionStatement,
  isForStatement,
  isIfStatement,
  isNewExpression,
  isNumericLiteral,
  isPostfixUnaryExpression,
  isPrefixUnaryExpression,
  isPropertyAccessExpression,
  isReturnStatement,
  isStringLiteral,
  isThrowStatement,
  isWhileStatement,
  type Node,
  type PropertyAccessExpression,
  SyntaxKind,
} from "typescript/unstable/ast";
import { ERRORS } from "../../shared/errors.ts";

/** `node` is replaced by `text`. */
export type Change = { readonly node: Node; readonly text: string };

const SWAPS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  "+=": ["-="],
  "-=": ["+="],
  "|=": ["&="],
  "&=": ["|="],
  "??=": ["="],
  "&&": ["||"],
  "||": ["&&"],
};
const JOINS: ReadonlySet<string> = new Set(["&&", "||", "??"]);
const CALLS: Readonly<Record<string, string>> = {
  min: "max",
  max: "min",
  some: "every",
  every: "some",
};

const THROWN = /(?:Error|Mismatch)$/;
/** Their second argument is for people. */
const TELLING_CALLS: ReadonlySet<string> = new Set([
  "invariant",
  "readArray",
  "readExactObject",
  "readObject",
  "readText",
  "readU64",
]);

/** All changes of this very node; its children have their own. */
export function changesOf(node: Node): readonly Change[] {
  return [...conditions(node), ...textsOf(node).map((text) => ({ node, text }))];
}

function textsOf(node: Node): readonly string[] {
  if (isBinaryExpression(node)) return binary(node.left, node.operatorToken, node.right);
  if (isPrefixUnaryExpression(node)) return prefix(node.operator, node.operand);
  if (isPostfixUnaryExpression(node)) return postfix(node.operator, node.operand);
  if (isNumericLiteral(node)) return isName(node) ? [] : numbers(node.getText(), "");
  if (isBigIntLiteral(node)) return numbers(node.getText().slice(0, -1), "n");
  if (node.kind === SyntaxKind.TrueKeyword) return ["false"];
  if (node.kind === SyntaxKind.FalseKeyword) return ["true"];
  if (isStringLiteral(node)) return isName(node) || isForPeople(node) ? [] : [string(node.text)];
  if (isConditionalExpression(node)) return [inner(node.whenTrue), inner(node.whenFalse)];
  if (isArrayLiteralExpression(node)) return node.elements.length > 0 ? ["[]"] : [];
  if (isPropertyAccessExpression(node)) return access(node);
  if (isStatementToRemove(node)) return [";"];
  // One statement is removed as such.
  if (isBlock(node)) return isEmptied(node.statements) ? ["{}"] : [];
  if (isAwaitExpression(node) && isExpressionStatement(node.parent)) {
    return [node.expression.getText()];
  }
  return [];
}

function inner(node: Node): string {
  return `(${node.getText()})`;
}

function binary(left: Node, operator: Node, right: Node): readonly string[] {
  const name = operator.getText();
  const texts = (SWAPS[name] ?? []).map((swapped) =>
    name.endsWith("=") && !COMPARISONS.has(name)
      ? `${left.getText()} ${swapped} ${right.getText()}`
      : `(${left.getText()} ${swapped} ${right.getText()})`,
  );
  return JOINS.has(name) ? [...texts, inner(left), inner(right)] : texts;
}

const COMPARISONS: ReadonlySet<string> = new Set(["<=", ">=", "===", "!=="]);

function prefix(operator: SyntaxKind, operand: Node): readonly string[] {
  if (operator === SyntaxKind.ExclamationToken) return [inner(operand)];
  if (operator === SyntaxKind.PlusPlusToken) return [`--${operand.getText()}`];
  return operator === SyntaxKind.MinusToken ? [inner(operand)] : [];
}

function postfix(operator: SyntaxKind, operand: Node): readonly string[] {
  return [`${operand.getText()}${operator === SyntaxKind.PlusPlusToken ? "--" : "++"}`];
}

function numbers(digits: string, suffix: "" | "n"): readonly string[] {
  const plain = digits.replaceAll("_", "");
  if (plain.includes(".")) return [`(${plain} + 1)`, `(${plain} - 1)`];
  const value = BigInt(plain);
  return [`(${value + 1n}${suffix})`, `(${value - 1n}${suffix})`];
}

/** A refusal with another code; any other text is one that means nothing. */
function string(value: string): string {
  if (!Object.hasOwn(ERRORS, value)) return '"mutated"';
  return value === "STATE_MISSING" ? '"STATE_CORRUPT"' : '"STATE_MISSING"';
}

/** A field's name in a literal or a class, not a value. */
function isName(node: Node): boolean {
  return "name" in node.parent && node.parent.name === node;
}

/** The text of a false invariant or an exception, or the field that a parser complains of. */
function isForPeople(node: Node): boolean {
  const { parent } = node;
  if (isNewExpression(parent)) return THROWN.test(parent.expression.getText());
  const isSecond = isCallExpression(parent) && parent.arguments[1] === node;
  return isSecond && TELLING_CALLS.has(parent.expression.getText());
}

function access(node: PropertyAccessExpression): readonly string[] {
  const { parent } = node;
  const call = CALLS[node.name.getText()];
  const isCalled = isCallExpression(parent) && parent.expression === node;
  if (!isCalled || call === undefined) return [];
  return [node.getText().slice(0, -node.name.getText().length) + call];
}

function isStatementToRemove(node: Node): boolean {
  if (isExpressionStatement(node) || isThrowStatement(node)) return true;
  if (isBreakStatement(node) || isContinueStatement(node)) return true;
  return isReturnStatement(node) && !isLastOfFunction(node);
}

/** What a function ends with: without it there is no answer, which every test would notice. */
function isLastOfFunction(node: Node): boolean {
  const block = node.parent;
  if (!isBlock(block) || block.statements.at(-1) !== node) return false;
  return "body" in block.parent && block.parent.body === block;
}

function isEmptied(statements: readonly Node[]): boolean {
  const first = statements[0];
  return statements.length > 1 || (first !== undefined && !isStatementToRemove(first));
}

/** What hangs on a condition is done always, or never; never, unless it is removed as well. */
function conditions(node: Node): readonly Change[] {
  if (isIfStatement(node)) {
    const always = { node: node.expression, text: "true" };
    const isRemoved = isBlock(node.thenStatement) || isStatementToRemove(node.thenStatement);
    const isSame = isRemoved && node.elseStatement === undefined;
    return isSame ? [always] : [always, { node: node.expression, text: "false" }];
  }
  if (isWhileStatement(node)) return [{ node: node.expression, text: "false" }];
  if (isForStatement(node) && node.condition !== undefined) {
    return [{ node: node.condition, text: "false" }];
  }
  return [];
}
