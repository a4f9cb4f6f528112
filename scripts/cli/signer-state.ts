// The state files of other signers of Tendermint chains: FilePV's `priv_validator_state.json`,
// tmkms's and horcrux's. Each says in a height, a round and a step what was signed last, and they
// number the steps in two ways: it must never guess which, because a step off by one is a double
// sign. What was signed there is not taken over (docs/decisions/0005-imports-carry-no-roots.md).

import {
  isHeight,
  isRound,
  type Position,
  positionBefore,
  STEP_NUMBERS,
  stepOfNumber,
} from "../../enclave/core/chains/tendermint/position.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { readSignerState, type WrittenState } from "./signer-state-text.ts";

/** The longest, with a signature of ML-DSA-65 in base64, have less than 8 KB. */
export const SIGNER_STATE_BYTES_MAX = 64 * 1024;

export const STATE_FORMATS = ["filepv", "tmkms", "horcrux"] as const;
export type StateFormat = (typeof STATE_FORMATS)[number];

export type SignerStateFault =
  | "no state file of a signer of Tendermint chains"
  | "no state file of the format that --format names"
  | "tmkms and horcrux write such a file, and number the steps otherwise: say --format"
  | "a height, round or step that there is not"
  | "a round or a step at height 0";

export type SignerState = {
  readonly format: StateFormat;
  /** Null: nothing was signed. */
  readonly position: Position | null;
};

type Form = {
  /** What it may have beside height, round and step. */
  readonly names: readonly string[];
  /** What no other has: any of these tells it. */
  readonly ownNames: readonly string[];
  readonly hasTextHeight: boolean | "either";
  readonly hasTextRound: boolean | "either";
  /** The number of the proposal's step; the others follow. */
  readonly firstStep: 0 | 1;
};

const FORMS: Readonly<Record<StateFormat, Form>> = {
  // cometbft privval/file.go, FilePVLastSignState: an int64 is text in its JSON, an int32 is not.
  filepv: {
    names: ["signature", "signbytes"],
    ownNames: [],
    hasTextHeight: true,
    hasTextRound: false,
    firstStep: 1,
  },
  // tmkms src/privval.rs, consensus_state.
  tmkms: {
    names: ["block_id"],
    ownNames: ["block_id"],
    hasTextHeight: true,
    hasTextRound: true,
    firstStep: 0,
  },
  // horcrux signer/sign_state.go, SignState: both int64. Its own import takes what people type.
  horcrux: {
    names: ["nonce_public", "ephemeral_public", "signature", "signbytes", "vote_ext_signature"],
    ownNames: ["nonce_public", "ephemeral_public", "vote_ext_signature"],
    hasTextHeight: "either",
    hasTextRound: "either",
    firstStep: 1,
  },
};

/** `wanted` is null when the operator did not say. */
export function parseSignerState(
  bytes: Uint8Array,
  wanted: StateFormat | null,
): Result<SignerState, SignerStateFault> {
  const written = bytes.length > SIGNER_STATE_BYTES_MAX ? null : readSignerState(bytes);
  if (written === null) return err("no state file of a signer of Tendermint chains");
  const format = wanted === null ? recognise(written) : ok(wanted);
  if (!format.ok) return format;
  const form = FORMS[format.value];
  if (!fits(form, written)) return err("no state file of the format that --format names");
  const position = positionOf(form, written);
  return position.ok ? ok({ format: format.value, position: position.value }) : position;
}

/** A round that is a number is FilePV's; should another have written it, it means the same. */
function recognise(written: WrittenState): Result<StateFormat, SignerStateFault> {
  const fitting = STATE_FORMATS.filter((format) => fits(FORMS[format], written));
  const own = fitting.find((format) =>
    FORMS[format].ownNames.some((name) => written.names.has(name)),
  );
  if (own !== undefined) return ok(own);
  if (fitting.includes("filepv")) return ok("filepv");
  return fitting.length === 0
    ? err("no state file of a signer of Tendermint chains")
    : err("tmkms and horcrux write such a file, and number the steps otherwise: say --format");
}

function fits(form: Form, { names, height, round }: WrittenState): boolean {
  return (
    [...names].every((name) => form.names.includes(name)) &&
    (form.hasTextHeight === "either" || form.hasTextHeight === height.isText) &&
    (form.hasTextRound === "either" || form.hasTextRound === round.isText)
  );
}

function positionOf(
  { firstStep }: Form,
  written: WrittenState,
): Result<Position | null, SignerStateFault> {
  const height = BigInt(written.height.digits);
  const round = Number(written.round.digits);
  const number = Number(written.step);
  if (height === 0n) {
    return round === 0 && number === 0 ? ok(null) : err("a round or a step at height 0");
  }
  if (!isHeight(height) || !isRound(round)) {
    return err("a height, round or step that there is not");
  }
  // FilePV's "nothing yet at this height and round", as `horcrux state set` writes it: all below.
  if (number === 0 && firstStep === 1) {
    return ok(positionBefore({ height, round, step: "proposal" }));
  }
  const step = stepOfNumber(number + STEP_NUMBERS.proposal - firstStep);
  return step === undefined
    ? err("a height, round or step that there is not")
    : ok({ height, round, step });
}

/**
 * tmkms signs at the last step once more what has the same block, and without a block that is a
 * vote for nil: after a vote for a block, which it would not know of, a double sign. So it is told
 * of a block that there can't be, and refuses both.
 */
const NO_SUCH_HASH = "0".repeat(64);
const NO_SUCH_BLOCK = {
  hash: NO_SUCH_HASH,
  part_set_header: { total: 1, hash: NO_SUCH_HASH },
};

/**
 * What was signed there is in no format: FilePV and horcrux answer a request for the same step with
 * an error then (`no SignBytes found`), and tmkms with `DoubleSign`.
 */
export function encodeSignerState({ format, position }: SignerState): string {
  const height = (position?.height ?? 0n).toString();
  const round = position?.round ?? 0;
  const step = position === null ? 0 : STEP_NUMBERS[position.step];
  const { firstStep } = FORMS[format];
  const document = {
    filepv: { height, round, step },
    tmkms: {
      height,
      round: round.toString(),
      step: position === null ? 0 : step - STEP_NUMBERS.proposal + firstStep,
      block_id: position === null ? null : NO_SUCH_BLOCK,
    },
    horcrux: { height, round: round.toString(), step, nonce_public: null },
  }[format];
  return `${JSON.stringify(document, null, 2)}\n`;
}
