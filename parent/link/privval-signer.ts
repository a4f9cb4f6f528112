// The enclave as the sessions with Tendermint nodes see it, whichever it is at the moment. It must
// never look into a message: what it logs of a signature is what the enclave says that it signed.

import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { AnswerOf, ENCLAVE_METHODS } from "../../shared/wire/methods.ts";
import type { Log } from "../ports.ts";
import type { PrivvalSigner } from "../privval/ports.ts";
import type { ActiveEnclave } from "./active-enclave.ts";

type Answer = AnswerOf<(typeof ENCLAVE_METHODS)["privval"]>;
export type SignedStep = NonNullable<Answer["signed"]>;

/** As operators of tmkms know them. */
const STEPS: Readonly<Record<number, string>> = { 1: "Proposal", 2: "Prevote", 3: "Precommit" };
const BLOCK_DIGITS = 10;

export type PrivvalSignerParts = {
  readonly active: ActiveEnclave;
  /** Null: the only key of the chain. */
  readonly key: Uint8Array | null;
  readonly log: Log;
  /** Told of each signature and each refusal of a chain, with how long it took. */
  readonly observe: (chainId: string, outcome: Refusal | SignedStep | null, ms: number) => void;
};

export class LinkPrivvalSigner implements PrivvalSigner {
  readonly #parts: PrivvalSignerParts;

  constructor(parts: PrivvalSignerParts) {
    this.#parts = parts;
  }

  async answer(
    chainId: string,
    message: Uint8Array,
    deadlineMs: number,
  ): Promise<Result<Uint8Array, Refusal>> {
    const { active, key, observe } = this.#parts;
    const startMs = performance.now();
    // While an enclave is replaced by another.
    if (active.held !== null) await active.held;
    const leftMs = Math.max(1, deadlineMs - (performance.now() - startMs));
    const params = { chainId, key, message };
    const answer = await active.present.link.call("privval", params, leftMs);
    const tookMs = performance.now() - startMs;
    observe(chainId, answer.ok ? answer.value.signed : answer.error, tookMs);
    if (!answer.ok) {
      this.#parts.log.warn("privval.refused", { chain: chainId, code: answer.error.code });
      return answer;
    }
    const { signed } = answer.value;
    if (signed !== null) this.#say(chainId, signed, tookMs);
    // Not a view of a frame that is used again.
    return ok(answer.value.answer.slice());
  }

  #say(chain: string, { position, blockHash }: SignedStep, tookMs: number): void {
    const { height, round, step } = position;
    const block =
      blockHash.length === 0
        ? "nil"
        : encodeHex(blockHash.subarray(0, BLOCK_DIGITS / 2)).toUpperCase();
    this.#parts.log.info("privval.signed", {
      chain,
      kind: `${STEPS[step] ?? step}:${block}`,
      position: `${height}/${round}/${step}`,
      durationMs: Math.round(tookMs),
    });
  }
}
