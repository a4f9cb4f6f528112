// How the configuration names a Tendermint chain and a key of it. It must never take a text that a
// chain could not have: chain ids are labels of metrics.

import { z } from "zod";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { CHAIN_ID_BYTES_MAX } from "../../shared/limits.ts";

/** Of every scheme at most; which one it is the enclave knows. */
const PUBLIC_KEY_BYTES_MAX = 200;

/** Printable ASCII, at most as much as CometBFT takes (tendermint.md §4.1). */
export const chainId = z
  .string()
  .max(CHAIN_ID_BYTES_MAX, "expected a chain id")
  .regex(/^[\x21-\x7e]+$/, "expected a chain id");

/** Of a key, where its chain has several: `0x` and hex. */
export const publicKey = z.string().transform((text, context) => {
  const key = parsePrefixedHex(text);
  if (key.ok && key.value.length > 0 && key.value.length <= PUBLIC_KEY_BYTES_MAX) return key.value;
  context.addIssue("expected a public key");
  return z.NEVER;
});
