// Typed fields of a message: each knows how to encode its value and how to parse it, strictly. The
// methods' parameters and answers are put together from these, so that no handler looks at CBOR.

import { type CborValue, isArray } from "../bytes/cbor.ts";

/** `parse` answers undefined for anything that is not exactly a value of the field. */
export interface Field<T> {
  encode(value: T): CborValue;
  parse(value: CborValue | undefined): T | undefined;
}

export type ValueOf<F> = F extends Field<infer T> ? T : never;

/** Byte strings of `bytesMin` to `bytesMax`. Parsed values are views into the frame. */
export function bytesField(bytesMin: number, bytesMax: number): Field<Uint8Array> {
  return {
    encode: (value) => value,
    parse: (value) =>
      value instanceof Uint8Array && value.length >= bytesMin && value.length <= bytesMax
        ? value
        : undefined,
  };
}

export function textField(lengthMax: number): Field<string> {
  return {
    encode: (value) => value,
    parse: (value) => (typeof value === "string" && value.length <= lengthMax ? value : undefined),
  };
}

/** Whole numbers from 0 to `max` (at most 2^53 - 1). */
export function countField(max: number = Number.MAX_SAFE_INTEGER): Field<number> {
  return {
    encode: (value) => value,
    parse: (value) => (typeof value === "number" && value >= 0 && value <= max ? value : undefined),
  };
}

/** Unsigned integers of 64 bits, always as bigint. */
export const u64Field: Field<bigint> = {
  encode: (value) => value,
  parse: (value) => {
    if (typeof value === "number") return value >= 0 ? BigInt(value) : undefined;
    return typeof value === "bigint" && value >= 0n ? value : undefined;
  },
};

export const flagField: Field<boolean> = {
  encode: (value) => value,
  parse: (value) => (typeof value === "boolean" ? value : undefined),
};

export function nullableField<T>(field: Field<T>): Field<T | null> {
  return {
    encode: (value) => (value === null ? null : field.encode(value)),
    parse: (value) => (value === null ? null : field.parse(value)),
  };
}

export function listField<T>(item: Field<T>, countMax: number): Field<readonly T[]> {
  return {
    encode: (values) => values.map((value) => item.encode(value)),
    parse: (value) => {
      if (!isArray(value) || value.length > countMax) return undefined;
      const items: T[] = [];
      for (const element of value) {
        const parsed = item.parse(element);
        if (parsed === undefined) return undefined;
        items.push(parsed);
      }
      return items;
    },
  };
}

type Shape<F> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** A record of fields, on the wire an array in the order of the names as written. */
export function recordField<F extends Readonly<Record<string, Field<unknown>>>>(
  fields: F,
): Field<Shape<F>> {
  const entries = Object.entries(fields);
  return {
    encode: (value) => {
      const values: Readonly<Record<string, unknown>> = value;
      return entries.map(([name, field]) => field.encode(values[name]));
    },
    parse: (value) => {
      if (!isArray(value) || value.length !== entries.length) return undefined;
      const parsed: Record<string, unknown> = {};
      let index = 0;
      for (const [name, field] of entries) {
        const part = field.parse(value[index]);
        if (part === undefined) return undefined;
        parsed[name] = part;
        index += 1;
      }
      // Each name of F was parsed by its own field just above: this restates the loop as a type.
      return parsed as Shape<F>; // oxlint-disable-line typescript/no-unsafe-type-assertion
    },
  };
}
