// A public key as manifests write it. Which scheme it is of the file need not say: a bundle states
// it, and keys are compared by their bytes. But it must never pass for a key of a family of chains
// when no key of that family can have its length: what is misspelt would not be retired.

import { SCHEMES } from "../../shared/scheme.ts";
import { JsonMismatch, readHexUpTo } from "./json.ts";

export type KeyLengths = ReadonlySet<number>;

export const ETHEREUM_KEY_BYTES: KeyLengths = new Set([SCHEMES["bls12381-pop"].publicKeyBytes]);

export const TENDERMINT_KEY_BYTES: KeyLengths = new Set(
  Object.entries(SCHEMES).flatMap(([scheme, { publicKeyBytes }]) =>
    scheme === "bls12381-pop" ? [] : [publicKeyBytes],
  ),
);

/** `0x` and one of these numbers of bytes. */
export function readPublicKey(value: unknown, at: string, lengths: KeyLengths): Uint8Array {
  const key = readHexUpTo(value, at, Math.max(...lengths));
  if (!lengths.has(key.length)) throw new JsonMismatch(at);
  return key;
}
