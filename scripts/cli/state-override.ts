// `redoubt state override`: an order to lower one key's floor is drafted, signed by several
// operators, and applied. The enclave decides. It must never let anybody sign what was not shown in
// words, nor lower a height that was not named.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { encodeOverrideOrder, type OverrideOrder } from "../../shared/override-order.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { showStates } from "./admin-keys.ts";
import { writeFilesAtomically } from "./atomic-file.ts";
import { readSourceFile } from "./attestation-source.ts";
import { readEthereum } from "./chain-family.ts";
import type { ExitCode } from "./command.ts";
import { isConfirmedByWord } from "./confirmation.ts";
import { encodeOrderFile, type OrderFile, orderWords, parseOrderFile } from "./override-file.ts";
import { chosenKeys } from "./state-choice.ts";
import { maximaOf } from "./state-export.ts";
import type { StateOptions } from "./state-options.ts";
import { height, note, print, printJson, stateJson, stateText } from "./state-text.ts";

export function checkDraft(options: StateOptions): string | null {
  if (options.keys.length !== 1) return "override draft takes one --key";
  if (options.slot === null && options.target === null) {
    return "say --slot, or --source and --target";
  }
  if (options.validMs === null || options.out === null) {
    return "override draft takes --valid-minutes and --out";
  }
  return null;
}

export function checkSign({ operatorKey }: StateOptions): string | null {
  return operatorKey === null ? "override sign takes --operator-key" : null;
}

export async function draftOverride(
  admin: Admin,
  options: StateOptions,
): Promise<Result<ExitCode, Refusal>> {
  const enclave = await readEthereum(admin);
  if (!enclave.ok) return enclave;
  const { scope, status } = enclave.value;
  const { bootId } = status;
  const keys = await chosenKeys(admin, options);
  if (!keys.ok) return keys;
  const states = await showStates(admin, keys.value);
  if (!states.ok) return states;
  const [state] = states.value;
  if (state === undefined) return err(refusal("KEY_UNKNOWN"));
  if (!state.hasRecord) return err(refusal("STATE_MISSING"));
  if (state.isRetired) return err(refusal("KEY_RETIRED"));
  // What is not named stays: the record, and what the boot floor makes up for.
  const present = maximaOf(state);
  const order: OverrideOrder = {
    scope,
    key: state.key,
    seq: state.seq,
    blockSlot: options.slot ?? present.blockSlot,
    source: options.source ?? present.source,
    target: options.target ?? present.target,
    bootId,
    expiresMs: Date.now() + (options.validMs ?? 0),
  };
  const bytes = encodeOverrideOrder(order);
  const exitCode = await writeOrder(options.out ?? "", { bytes, order, signatures: [] });
  if (options.isJson) printJson({ now: stateJson(state), order: orderWords(order) });
  else {
    print(`now: ${stateText(state)}`);
    print(wordsOf(order));
  }
  return ok(exitCode);
}

export async function signOverride(options: StateOptions): Promise<ExitCode> {
  const file = await readOrder(options.file ?? "");
  const key = await readOperatorKey(options.operatorKey ?? "");
  if (file === null || key === null) return 1;
  if (file.order.expiresMs <= Date.now()) {
    note("the order has expired");
    return 1;
  }
  const words = wordsOf(file.order);
  if (!options.isConfirmed && !(await isConfirmedByWord(words, "lower"))) {
    note("not confirmed: nothing was signed");
    return 1;
  }
  const operator = publicBytesOf(key);
  const others = file.signatures.filter((signed) => !isEqualBytes(signed.operator, operator));
  const signature = new Uint8Array(sign(null, file.bytes, key));
  const signatures = [...others, { operator, signature }];
  const exitCode = await writeOrder(options.file ?? "", { ...file, signatures });
  if (options.isJson) {
    const operators = signatures.map((signed) => encodePrefixedHex(signed.operator));
    printJson({ order: orderWords(file.order), operators });
  }
  return exitCode;
}

export async function applyOverride(
  admin: Admin,
  options: StateOptions,
): Promise<Result<ExitCode, Refusal>> {
  const file = await readOrder(options.file ?? "");
  if (file === null) return ok(1);
  const { bytes, order, signatures } = file;
  const answer = await admin.call("state.override", { order: bytes, signatures });
  if (!answer.ok) return answer;
  const state = answer.value;
  if (options.isJson) printJson(stateJson(state));
  else print(`${encodePrefixedHex(state.key)} ${stateText(state)}`);
  const isDone =
    isEqualBytes(state.key, order.key) &&
    state.blockSlot === order.blockSlot &&
    state.source === order.source &&
    state.target === order.target;
  if (!isDone) note("the enclave answered another record than the order's");
  else note("other enclaves refuse this key until they boot again");
  return ok(isDone ? 0 : 1);
}

function wordsOf(order: OverrideOrder): string {
  return [
    `The record of key ${encodePrefixedHex(order.key)}`,
    `in version ${order.seq}, of network ${encodePrefixedHex(order.scope)},`,
    `is replaced by: last block at slot ${height(order.blockSlot)}, last vote with source`,
    `${height(order.source)} and target ${height(order.target)} (-: none).`,
    "What was signed above that can be contradicted, and the validator slashed.",
    `The order can be applied until ${encodeUtc(order.expiresMs)},`,
    `and only in boot ${encodePrefixedHex(order.bootId)} of the enclave.`,
  ].join("\n");
}

async function readOrder(path: string): Promise<OrderFile | null> {
  const bytes = await readSourceFile(path);
  const file = bytes.ok ? parseOrderFile(bytes.value) : null;
  if (!bytes.ok) note(bytes.error);
  else if (file === null) note(`${path} is no order, or its words are not those of its bytes`);
  return file;
}

async function writeOrder(path: string, file: OrderFile): Promise<ExitCode> {
  try {
    await writeFilesAtomically([{ path, bytes: encodeOrderFile(file) }]);
  } catch {
    note(`can't write ${path}`);
    return 1;
  }
  note(`${path} has ${file.signatures.length} signatures`);
  return 0;
}

/** Null for anything else than an Ed25519 private key in PEM. */
async function readOperatorKey(path: string): Promise<KeyObject | null> {
  const pem = await readSourceFile(path);
  if (pem.ok) {
    try {
      const key = createPrivateKey(Buffer.from(pem.value));
      if (key.asymmetricKeyType === "ed25519") return key;
    } catch {
      // Said below.
    } finally {
      pem.value.fill(0);
    }
  }
  note(`${path} is not an Ed25519 private key in PEM (PKCS#8)`);
  return null;
}

/** The key itself: the last 32 bytes of its SubjectPublicKeyInfo (RFC 8410 §4). */
function publicBytesOf(key: KeyObject): Uint8Array {
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(-32));
}
