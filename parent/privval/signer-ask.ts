// A node's request given to the signer, whichever protocol it came by: asked once, and what comes
// back is looked at before it goes on. It must never pass on what a node can't read, or does not
// expect in answer to what it asked: that would stay in the stream, or stall the node
// (tendermint.md §1.5).

import { bytesIn, parseProto } from "../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { PRIVVAL_ANSWER_BYTES_MAX } from "../../shared/limits.ts";
import { PRIVVAL_ARMS, type PrivvalArm } from "../../shared/privval.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { PrivvalSigner } from "./ports.ts";

export type SignerAsk = {
  readonly chainId: string;
  /** Of the message: which request it is. */
  readonly arm: PrivvalArm;
  readonly message: Uint8Array;
  readonly deadlineMs: number;
  /** What the node reads of one message; PRIVVAL_ANSWER_BYTES_MAX for every version. */
  readonly answerBytesMax?: number;
};

export type SignerAnswer = {
  readonly message: Uint8Array;
  /** What stands in the message's one arm. */
  readonly body: Uint8Array;
};

/** Never rejects, whatever the signer does. */
export async function askSigner(
  signer: PrivvalSigner,
  ask: SignerAsk,
): Promise<Result<SignerAnswer, Refusal>> {
  const answer = await answerOf(signer, ask);
  if (answer !== null && !answer.ok) return answer;
  const body = answer === null ? null : bodyOf(ask, answer.value);
  if (answer !== null && body !== null) return ok({ message: answer.value, body });
  const cause = refusal("PRIVVAL_ANSWER");
  signer.refused(ask.chainId, cause);
  return err(cause);
}

/** Null when there is none at all. */
async function answerOf(
  signer: PrivvalSigner,
  { chainId, message, deadlineMs }: SignerAsk,
): Promise<Result<Uint8Array, Refusal> | null> {
  try {
    return await signer.answer(chainId, message, deadlineMs);
  } catch (error) {
    // A bug must end the process, and whoever asks would outlive it.
    if (error instanceof InvariantError) {
      queueMicrotask(() => {
        throw error;
      });
    }
    return null;
  }
}

/** Null when the answer is not one to this request, or too long. */
function bodyOf(
  { arm, answerBytesMax = PRIVVAL_ANSWER_BYTES_MAX }: SignerAsk,
  answer: Uint8Array,
): Uint8Array | null {
  if (answer.length > answerBytesMax) return null;
  const number = PRIVVAL_ARMS[arm].answer;
  const values = parseProto(answer, { [number]: "bytes" }, "refuse");
  return values?.has(number) === true ? bytesIn(values, number) : null;
}
