// A public key as manifests write it. Which scheme it is of the file need not say: a bundle states
// it, and keys are compared by their bytes.

import { SCHEMES } from "../../shared/scheme.ts";
import { JsonMismatch, readHexUpTo } from "./json.ts";

const LENGTHS: ReadonlySet<number> = new Set(
  Object.values(SCHEMES).map(({ publicKeyBytes }) => publicKeyBytes),
);

/** `0x` and as many bytes as a public key of some scheme has. */
export function readPublicKey(value: unknown, at: string): Uint8Array {
  const key = readHexUpTo(value, at, Math.max(...LENGTHS));
  if (!LENGTHS.has(key.length)) throw new JsonMismatch(at);
  return key;
}
