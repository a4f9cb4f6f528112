// What a node checks a signature over (tendermint.md §4.1), and how. It must never take these bytes
// from the signer's own code: a mistake in it would not be seen.

import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { concatBytes } from "../../shared/bytes/compare.ts";
import {
  encodeVarint,
  protoBytes,
  protoFixed64,
  protoMessage,
  protoVarint,
} from "../../shared/bytes/protobuf.ts";

export type Canonical = {
  readonly chainId: string;
  readonly type: bigint;
  readonly height: bigint;
  readonly round: number;
  /** Of a proposal; null in a vote. */
  readonly polRound: bigint | null;
  readonly block: { readonly hash: Uint8Array; readonly total: number } | null;
  readonly seconds: bigint;
};

const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");
const SIGNATURE_BYTES = 64;

export function openValidatorKey(publicKey: Uint8Array): KeyObject {
  const key = Buffer.concat([ED25519_SPKI, publicKey]);
  return createPublicKey({ key, format: "der", type: "spki" });
}

export function isSignedBy(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, bytes, key, signature);
}

export function canonicalBytes({
  chainId,
  type,
  height,
  round,
  polRound,
  block,
  seconds,
}: Canonical): Uint8Array {
  const shift = polRound === null ? 0 : 1;
  const id =
    block === null
      ? new Uint8Array(0)
      : protoMessage(
          4 + shift,
          concatBytes(
            protoBytes(1, block.hash),
            protoMessage(
              2,
              concatBytes(protoVarint(1, BigInt(block.total)), protoBytes(2, block.hash)),
            ),
          ),
        );
  const body = concatBytes(
    protoVarint(1, type),
    protoFixed64(2, height),
    protoFixed64(3, BigInt(round)),
    polRound === null ? new Uint8Array(0) : protoVarint(4, polRound),
    id,
    protoMessage(5 + shift, protoVarint(1, seconds)),
    protoBytes(6 + shift, new TextEncoder().encode(chainId)),
  );
  return concatBytes(encodeVarint(BigInt(body.length)), body);
}
