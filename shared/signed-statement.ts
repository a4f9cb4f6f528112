// The form of what enclaves and operators state under a signature: canonical CBOR, an array of a
// domain and the fields of a record in their order. Each kind of statement has a domain of its own:
// what was signed as one is never read as another. It must never take a second encoding of the same
// values.

import { encodeCbor, isArray, parseCbor } from "./bytes/cbor.ts";
import { isEqualBytes } from "./bytes/compare.ts";
import { invariant } from "./invariant.ts";
import type { Field } from "./wire/field.ts";

export type StatementForm<T> = {
  readonly encode: (value: T) => Uint8Array<ArrayBuffer>;
  /** Undefined for anything that `encode` does not make. */
  readonly parse: (bytes: Uint8Array) => T | undefined;
};

/** An order for a Tendermint chain has most: its array, a domain, six fields, three in one. */
const BOUNDS = { depthMax: 2, itemCountMax: 11 } as const;

/** `record` is a field as `recordField` makes it. */
export function statementForm<T>(domain: string, record: Field<T>): StatementForm<T> {
  const encode = (value: T): Uint8Array<ArrayBuffer> => {
    const fields = record.encode(value);
    invariant(isArray(fields), "a record is an array");
    return encodeCbor([domain, ...fields]);
  };
  return {
    encode,
    parse: (bytes) => {
      const item = parseCbor(bytes, BOUNDS);
      if (!item.ok || !isArray(item.value) || item.value[0] !== domain) return undefined;
      const value = record.parse(item.value.slice(1));
      return value !== undefined && isEqualBytes(encode(value), bytes) ? value : undefined;
    },
  };
}
