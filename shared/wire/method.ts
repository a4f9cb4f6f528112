// What a method of the contract is: its parameters and its answer, each a field; and the fields
// that methods of several families of chains have in common.

import { ATTESTATION_BYTES_MAX, OPERATOR_COUNT_MAX, OVERRIDE_ORDER_BYTES_MAX } from "../limits.ts";
import { bytesField, type Field, listField, recordField } from "./field.ts";

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

export const documentField = bytesField(1, ATTESTATION_BYTES_MAX);

/** An order to lower a record, with the operators' signatures of its bytes. */
export const signedOrderField = recordField({
  order: bytesField(1, OVERRIDE_ORDER_BYTES_MAX),
  signatures: listField(
    recordField({ operator: bytesField(32, 32), signature: bytesField(64, 64) }),
    OPERATOR_COUNT_MAX,
  ),
});
