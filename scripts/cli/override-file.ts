// The file in which an order to lower a record goes from operator to operator: its bytes, the same
// in words, and the signatures. It must never be taken when the words are not those of the bytes.

import { z } from "zod";
import { chainScope } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import { positionOfWire } from "../../enclave/core/chains/tendermint/position.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex, encodePrefixedHex, parseHex } from "../../shared/bytes/hex.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { OPERATOR_COUNT_MAX, OVERRIDE_ORDER_BYTES_MAX } from "../../shared/limits.ts";
import {
  type ConsensusOrder,
  type EthereumOrder,
  encodeConsensusOrder,
  encodeEthereumOrder,
  parseConsensusOrder,
  parseEthereumOrder,
} from "../../shared/override-order.ts";
import { positionJson } from "./consensus-text.ts";
import { isSameWords } from "./stated-words.ts";

const text = z.string().max(1024);
const height = z.string().max(20);
const head = { network: text, key: text, seq: z.number(), bootId: text, expires: text };
const ethereumField = z.strictObject({
  ...head,
  blockSlot: height.nullable(),
  source: height.nullable(),
  target: height.nullable(),
});
const consensusField = z.strictObject({
  ...head,
  chainId: text,
  height: height.nullable(),
  round: z.number().nullable(),
  step: z.string().max(16).nullable(),
});
const signed = {
  order: z.string().max(2 * OVERRIDE_ORDER_BYTES_MAX),
  signatures: z
    .array(z.strictObject({ operator: z.string().length(64), signature: z.string().length(128) }))
    .max(OPERATOR_COUNT_MAX),
};
const fileField = z.union([ethereumField.extend(signed), consensusField.extend(signed)]);

type OrderWords = z.infer<typeof ethereumField> | z.infer<typeof consensusField>;

export type NamedOrder =
  | { readonly family: "ethereum"; readonly order: EthereumOrder }
  /** Its scope is that of this chain id. */
  | { readonly family: "tendermint"; readonly chainId: string; readonly order: ConsensusOrder };

export type OrderSignature = { readonly operator: Uint8Array; readonly signature: Uint8Array };

export type OrderFile = {
  readonly bytes: Uint8Array;
  readonly named: NamedOrder;
  readonly signatures: readonly OrderSignature[];
};

export function unsignedFile(named: NamedOrder): OrderFile {
  const bytes =
    named.family === "ethereum"
      ? encodeEthereumOrder(named.order)
      : encodeConsensusOrder(named.order);
  return { bytes, named, signatures: [] };
}

/** An order for people. */
export function orderWords(named: NamedOrder): OrderWords {
  const { order } = named;
  const ofAll = {
    network: encodePrefixedHex(order.scope),
    key: encodePrefixedHex(order.key),
    seq: order.seq,
  };
  const last = { bootId: encodePrefixedHex(order.bootId), expires: encodeUtc(order.expiresMs) };
  switch (named.family) {
    case "ethereum": {
      const { blockSlot, source, target } = named.order;
      const heights = {
        blockSlot: blockSlot?.toString() ?? null,
        source: source?.toString() ?? null,
        target: target?.toString() ?? null,
      };
      return { ...ofAll, ...heights, ...last };
    }
    case "tendermint": {
      const position = positionJson(positionOfWire(named.order.last));
      return { ...ofAll, chainId: named.chainId, ...position, ...last };
    }
  }
}

export function encodeOrderFile({ bytes, named, signatures }: OrderFile): Uint8Array {
  const file = {
    order: encodeHex(bytes),
    ...orderWords(named),
    signatures: signatures.map(({ operator, signature }) => {
      return { operator: encodeHex(operator), signature: encodeHex(signature) };
    }),
  };
  return new TextEncoder().encode(`${JSON.stringify(file, null, 2)}\n`);
}

/** Null when it is malformed, or its words are not those of its bytes. */
export function parseOrderFile(file: Uint8Array): OrderFile | null {
  const read = readJson(file);
  if (read === null) return null;
  const { order: hex, signatures, ...words } = read;
  const bytes = parseHex(hex);
  if (!bytes.ok) return null;
  const named =
    "chainId" in words ? consensusIn(bytes.value, words.chainId) : ethereumIn(bytes.value);
  if (named === null || !isSameWords(words, orderWords(named))) return null;
  const parsed: OrderSignature[] = [];
  for (const { operator, signature } of signatures) {
    const [key, value] = [parseHex(operator, 32), parseHex(signature, 64)];
    if (!key.ok || !value.ok) return null;
    parsed.push({ operator: key.value, signature: value.value });
  }
  return { bytes: bytes.value, named, signatures: parsed };
}

function ethereumIn(bytes: Uint8Array): NamedOrder | null {
  const order = parseEthereumOrder(bytes);
  return order.ok ? { family: "ethereum", order: order.value } : null;
}

function consensusIn(bytes: Uint8Array, chainId: string): NamedOrder | null {
  const order = parseConsensusOrder(bytes);
  if (!order.ok || !isEqualBytes(order.value.scope, chainScope(chainId))) return null;
  return { family: "tendermint", chainId, order: order.value };
}

function readJson(file: Uint8Array): z.infer<typeof fileField> | null {
  try {
    const parsed = fileField.safeParse(JSON.parse(new TextDecoder().decode(file)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
