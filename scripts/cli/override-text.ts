// An order to lower a record, as its operators read and pass it on. It must never show an order in
// other words than those of its bytes.

import { positionOfWire } from "../../enclave/core/chains/tendermint/position.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { writeFilesAtomically } from "./atomic-file.ts";
import { readSourceFile } from "./attestation-source.ts";
import type { ExitCode } from "./command.ts";
import { stepText } from "./consensus-text.ts";
import {
  encodeOrderFile,
  type NamedOrder,
  type OrderFile,
  parseOrderFile,
} from "./override-file.ts";
import { height, note } from "./state-text.ts";

export function orderText(named: NamedOrder): string {
  const { order } = named;
  return [
    `The record of key ${encodePrefixedHex(order.key)}`,
    ...replacementText(named),
    "What was signed above that can be contradicted, and the validator slashed.",
    `The order can be applied until ${encodeUtc(order.expiresMs)},`,
    `and only in boot ${encodePrefixedHex(order.bootId)} of the enclave.`,
  ].join("\n");
}

function replacementText(named: NamedOrder): readonly string[] {
  switch (named.family) {
    case "ethereum": {
      const { seq, scope, blockSlot, source, target } = named.order;
      return [
        `in version ${seq}, of network ${encodePrefixedHex(scope)},`,
        `is replaced by: last block at slot ${height(blockSlot)}, last vote with source`,
        `${height(source)} and target ${height(target)} (-: none).`,
      ];
    }
    case "tendermint": {
      const { seq, last } = named.order;
      return [
        `in version ${seq}, of chain ${named.chainId},`,
        `is replaced by: last signed at ${stepText(positionOfWire(last))} (height/round/step).`,
        "Heights that a signer has reserved are free for others then: it must have ended for good.",
      ];
    }
  }
}

export async function readOrder(path: string): Promise<OrderFile | null> {
  const bytes = await readSourceFile(path);
  const file = bytes.ok ? parseOrderFile(bytes.value) : null;
  if (!bytes.ok) note(bytes.error);
  else if (file === null) note(`${path} is no order, or its words are not those of its bytes`);
  return file;
}

export async function writeOrder(path: string, file: OrderFile): Promise<ExitCode> {
  try {
    await writeFilesAtomically([{ path, bytes: encodeOrderFile(file) }]);
  } catch {
    note(`can't write ${path}`);
    return 1;
  }
  note(`${path} has ${file.signatures.length} signatures`);
  return 0;
}
