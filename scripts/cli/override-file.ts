// The file in which an order to lower a floor goes from operator to operator: its bytes, the same
// in words, and the signatures. It must never be taken when the words are not those of the bytes.

import { z } from "zod";
import { encodeHex, encodePrefixedHex, parseHex } from "../../shared/bytes/hex.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { OPERATOR_COUNT_MAX, OVERRIDE_ORDER_BYTES_MAX } from "../../shared/limits.ts";
import { type OverrideOrder, parseOverrideOrder } from "../../shared/override-order.ts";

const text = z.string().max(1024);
const height = z.string().max(20).nullable();
const wordsField = z.strictObject({
  network: text,
  key: text,
  seq: z.number(),
  blockSlot: height,
  source: height,
  target: height,
  bootId: text,
  expires: text,
});
const fileField = wordsField.extend({
  order: z.string().max(2 * OVERRIDE_ORDER_BYTES_MAX),
  signatures: z
    .array(z.strictObject({ operator: z.string().length(64), signature: z.string().length(128) }))
    .max(OPERATOR_COUNT_MAX),
});

export type OrderSignature = { readonly operator: Uint8Array; readonly signature: Uint8Array };

export type OrderFile = {
  readonly bytes: Uint8Array;
  readonly order: OverrideOrder;
  readonly signatures: readonly OrderSignature[];
};

/** An order for people. */
export function orderWords(order: OverrideOrder): z.infer<typeof wordsField> {
  return {
    network: encodePrefixedHex(order.scope),
    key: encodePrefixedHex(order.key),
    seq: order.seq,
    blockSlot: order.blockSlot?.toString() ?? null,
    source: order.source?.toString() ?? null,
    target: order.target?.toString() ?? null,
    bootId: encodePrefixedHex(order.bootId),
    expires: encodeUtc(order.expiresMs),
  };
}

export function encodeOrderFile({ bytes, order, signatures }: OrderFile): Uint8Array {
  const file = {
    order: encodeHex(bytes),
    ...orderWords(order),
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
  const order = bytes.ok ? parseOverrideOrder(bytes.value) : bytes;
  if (!bytes.ok || !order.ok) return null;
  if (!isSameWords(words, orderWords(order.value))) return null;
  const parsed: OrderSignature[] = [];
  for (const { operator, signature } of signatures) {
    const [key, value] = [parseHex(operator, 32), parseHex(signature, 64)];
    if (!key.ok || !value.ok) return null;
    parsed.push({ operator: key.value, signature: value.value });
  }
  return { bytes: bytes.value, order: order.value, signatures: parsed };
}

function isSameWords(a: z.infer<typeof wordsField>, b: z.infer<typeof wordsField>): boolean {
  return (
    a.network === b.network &&
    a.key === b.key &&
    a.seq === b.seq &&
    a.blockSlot === b.blockSlot &&
    a.source === b.source &&
    a.target === b.target &&
    a.bootId === b.bootId &&
    a.expires === b.expires
  );
}

function readJson(file: Uint8Array): z.infer<typeof fileField> | null {
  try {
    const parsed = fileField.safeParse(JSON.parse(new TextDecoder().decode(file)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
