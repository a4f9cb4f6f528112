// A PrivvalSigner that answers when and what a test says, and keeps what it was asked.

import type { PrivvalSigner } from "../../parent/privval/ports.ts";
import type { Refusal } from "../../shared/errors.ts";
import { encodePrivvalAnswer, openPrivvalMessage } from "../../shared/privval.ts";
import { ok, type Result } from "../../shared/result.ts";

export type PrivvalAsk = {
  readonly chainId: string;
  readonly message: Uint8Array;
  readonly deadlineMs: number;
};

export type PrivvalAnswer = Result<Uint8Array, Refusal>;

/** The arm that belongs to a request, with a body that nobody looks into. */
export function answerTo(message: Uint8Array, body: Uint8Array = new Uint8Array(0)): PrivvalAnswer {
  const opened = openPrivvalMessage(message);
  return ok(opened.ok ? encodePrivvalAnswer(opened.value.arm, body) : new Uint8Array(0));
}

export class ScriptedPrivval implements PrivvalSigner {
  readonly asks: PrivvalAsk[] = [];
  /** Codes of what the asker itself refused. */
  readonly refusals: string[] = [];
  /** What the next asks get; without any, an answer at once. */
  readonly script: ((message: Uint8Array) => PrivvalAnswer | Promise<PrivvalAnswer>)[] = [];

  answer(chainId: string, message: Uint8Array, deadlineMs: number): Promise<PrivvalAnswer> {
    this.asks.push({ chainId, message, deadlineMs });
    const answer = this.script.shift() ?? ((asked: Uint8Array) => answerTo(asked));
    return Promise.resolve(answer(message));
  }

  refused(_chainId: string, { code }: Refusal): void {
    this.refusals.push(code);
  }

  /** The next ask waits until the answer is given. */
  holdNext(): (answer: PrivvalAnswer) => void {
    const held = Promise.withResolvers<PrivvalAnswer>();
    this.script.push(() => held.promise);
    return held.resolve;
  }
}
