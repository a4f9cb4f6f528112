// What a method of the contract is: its parameters and its answer, each a field.

import { bytesField, type Field } from "./field.ts";

export type Method<Params, Answer> = {
  readonly params: Field<Params>;
  readonly answer: Field<Answer>;
};

export function method<Params, Answer>(
  params: Field<Params>,
  answer: Field<Answer>,
): Method<Params, Answer> {
  return { params, answer };
}

/** A public key of any scheme. */
export const keyField = bytesField(1, 200);
