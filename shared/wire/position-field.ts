// A place in the consensus of a Tendermint chain, as messages and signed statements have it. It
// must never take one that no node can claim.

import { HEIGHT_MAX, ROUND_MAX } from "../limits.ts";
import { countField, type Field, recordField, u64Field, type ValueOf } from "./field.ts";

const heightField: Field<bigint> = {
  encode: (value) => value,
  parse: (value) => {
    const height = u64Field.parse(value);
    return height !== undefined && height > 0n && height <= HEIGHT_MAX ? height : undefined;
  },
};

/** 1 is a proposal, 2 a prevote, 3 a precommit. */
const stepField: Field<number> = {
  encode: (value) => value,
  parse: (value) => {
    const step = countField(3).parse(value);
    return step === 0 ? undefined : step;
  },
};

export const positionField = recordField({
  height: heightField,
  round: countField(ROUND_MAX),
  step: stepField,
});

export type WirePosition = ValueOf<typeof positionField>;
