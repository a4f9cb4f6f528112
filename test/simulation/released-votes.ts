// Every signature that left any enclave of a siege, outside of all of them. Whose a signature is,
// and for which chain, is found out by verifying it, never by what was asked or answered. It knows
// no order, no watermark and no root of ours: only which two messages of one place go together.

import type { KeyObject } from "node:crypto";
import { encodeHex } from "../../shared/bytes/hex.ts";
import {
  ed25519KeyOf,
  isSignedBy,
  readSignedAnswer,
  type SignedAnswer,
} from "../fakes/signed-answer.ts";

/** A key that a chain's validator has. */
export type Validator = { readonly chainId: string; readonly publicKey: Uint8Array };

/** A signature left that is over something else than its answer says. */
export class Misstated extends Error {
  override readonly name = "Misstated";
}

export type Contradiction = {
  /** Of the validator's key, in hexadecimal digits. */
  readonly key: string;
  readonly text: string;
  /** When both left, in releases so far. */
  readonly firstAt: number;
  readonly secondAt: number;
};

type Signer = { readonly chainId: string; readonly key: string; readonly verifier: KeyObject };
type Release = { readonly at: number; readonly signed: SignedAnswer };

export class ReleasedVotes {
  readonly #signers: readonly Signer[];
  /** What left first of each block and time, by validator, kind, height and round. */
  readonly #places = new Map<string, Release[]>();
  /** Two votes or proposals of one height, round and kind with different blocks, nil included. */
  readonly contradictions: Contradiction[] = [];
  count = 0;
  extensionCount = 0;
  /** Signed again as before. */
  repeatCount = 0;
  /** Votes that differ in nothing but their time: no evidence, but a fault to peers. */
  retimedCount = 0;

  constructor(validators: readonly Validator[]) {
    this.#signers = validators.map(({ chainId, publicKey }) => ({
      chainId,
      key: encodeHex(publicKey),
      verifier: ed25519KeyOf(publicKey),
    }));
  }

  /** Null for an answer without a signature. */
  take(answer: Uint8Array): SignedAnswer | null {
    const signed = readSignedAnswer(answer);
    if (signed === null) return null;
    const signer = this.#signerOf(signed);
    this.count += 1;
    if (signed.extensionSignature !== null) this.#takeExtension(signed, signer);
    const { type, height, round } = signed;
    const place = [signer.key, signer.chainId, type, height, round].join(" ");
    const earlier = this.#places.get(place) ?? [];
    this.#places.set(place, earlier);
    this.#compare(signer.key, place, earlier, signed);
    return signed;
  }

  #compare(key: string, place: string, earlier: Release[], signed: SignedAnswer): void {
    const isVote = signed.type !== "proposal";
    let isNew = true;
    for (const { at, signed: before } of earlier) {
      const isSameBlock = before.block === signed.block;
      const isSameTime = before.time === signed.time;
      if (isSameBlock && (isSameTime || !isVote)) isNew = false;
      else if (isSameBlock) this.retimedCount += 1;
      else {
        const text = `${place}: ${before.block} and then ${signed.block}`;
        this.contradictions.push({ key, text, firstAt: at, secondAt: this.count });
      }
    }
    if (isNew) earlier.push({ at: this.count, signed });
    else this.repeatCount += 1;
  }

  #takeExtension(signed: SignedAnswer, { chainId, verifier }: Signer): void {
    const { type, block, extensionSignature } = signed;
    const isExpected = type === "precommit" && block !== "nil";
    const bytes = signed.extensionBytes(chainId);
    if (extensionSignature === null || !isExpected) throw new Misstated(`extension of a ${type}`);
    if (!isSignedBy(verifier, bytes, extensionSignature)) {
      throw new Misstated("the extension's signature is over something else");
    }
    this.extensionCount += 1;
  }

  #signerOf(signed: SignedAnswer): Signer {
    const signers = this.#signers.filter(({ chainId, verifier }) =>
      isSignedBy(verifier, signed.signBytes(chainId), signed.signature),
    );
    const [signer] = signers;
    if (signer === undefined || signers.length > 1) {
      throw new Misstated(`${signed.type} ${signed.height}/${signed.round}: nobody signed this`);
    }
    return signer;
  }
}
