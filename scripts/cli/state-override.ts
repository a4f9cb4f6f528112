// `redoubt state override sign` and `apply`: an order to lower what is recorded of one key is
// signed by several operators, and applied. The enclave decides. It must never let anybody sign
// what was not shown in words.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { comparePositions, positionOfWire } from "../../enclave/core/chains/tendermint/position.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { readSourceFile } from "./attestation-source.ts";
import type { Ending } from "./chain-family.ts";
import type { ExitCode } from "./command.ts";
import { isConfirmedByWord } from "./confirmation.ts";
import { keyPositionOf } from "./consensus-keys.ts";
import { consensusView } from "./consensus-text.ts";
import type { StateView } from "./import-report.ts";
import { type OrderFile, orderWords } from "./override-file.ts";
import { orderText, readOrder, writeOrder } from "./override-text.ts";
import type { StateOptions } from "./state-options.ts";
import { ethereumView, note, print, printJson } from "./state-text.ts";

export function checkSign({ operatorKey }: StateOptions): string | null {
  return operatorKey === null ? "override sign takes --operator-key" : null;
}

export async function signOverride(options: StateOptions): Promise<ExitCode> {
  const file = await readOrder(options.file ?? "");
  const key = await readOperatorKey(options.operatorKey ?? "");
  if (file === null || key === null) return 1;
  if (file.named.order.expiresMs <= Date.now()) {
    note("the order has expired");
    return 1;
  }
  const words = orderText(file.named);
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
    printJson({ order: orderWords(file.named), operators });
  }
  return exitCode;
}

/** The record that the enclave answers, and whether it is the order's. */
type Applied = { readonly json: unknown; readonly text: string; readonly isDone: boolean };

export async function applyOverride(admin: Admin, options: StateOptions): Promise<Ending> {
  const file = await readOrder(options.file ?? "");
  if (file === null) return ok(1);
  const applied = await apply(admin, file);
  if (!applied.ok) return applied;
  const { json, text, isDone } = applied.value;
  if (options.isJson) printJson(json);
  else print(text);
  if (!isDone) note("the enclave answered another record than the order's");
  else note("other enclaves refuse this key until they boot again");
  return ok(isDone ? 0 : 1);
}

async function apply(
  admin: Admin,
  { bytes, named, signatures }: OrderFile,
): Promise<Result<Applied, Refusal>> {
  const params = { order: bytes, signatures };
  switch (named.family) {
    case "ethereum": {
      const answer = await admin.call("state.override", params);
      if (!answer.ok) return answer;
      const { key, blockSlot, source, target } = named.order;
      const state = answer.value;
      const isDone =
        isEqualBytes(state.key, key) &&
        state.blockSlot === blockSlot &&
        state.source === source &&
        state.target === target;
      return ok(appliedOf(state, ethereumView, isDone));
    }
    case "tendermint": {
      const answer = await admin.call("consensus.override", params);
      if (!answer.ok) return answer;
      const state = keyPositionOf(answer.value);
      const isDone =
        isEqualBytes(state.key, named.order.key) &&
        state.chainId === named.chainId &&
        state.last !== null &&
        comparePositions(state.last, positionOfWire(named.order.last)) === 0;
      return ok(appliedOf(state, consensusView, isDone));
    }
  }
}

function appliedOf<State extends { readonly key: Uint8Array }>(
  state: State,
  view: StateView<State>,
  isDone: boolean,
): Applied {
  const text = `${encodePrefixedHex(state.key)} ${view.text(state)}`;
  return { json: view.json(state), text, isDone };
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
