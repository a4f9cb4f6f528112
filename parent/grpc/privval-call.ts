// The requests of PrivValidatorAPI as the raw protocol has them (tendermint.md §3): the same bytes,
// in the arm of a `Message`. It must never write a message anew: the enclave judges what the node
// sent, and the node gets what the enclave answered.

import { bytesIn, parseProto, protoMessage } from "../../shared/bytes/protobuf.ts";
import { PRIVVAL_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import { PRIVVAL_ARMS, type PrivvalArm } from "../../shared/privval.ts";

export const PRIVVAL_SERVICE = "tendermint.privval.PrivValidatorAPI";

export type PrivvalMethod = {
  readonly arm: Extract<PrivvalArm, "pubKey" | "vote" | "proposal">;
  /** Where the request has its `chain_id`. */
  readonly chainField: number;
};

export const PRIVVAL_METHODS = {
  GetPubKey: { arm: "pubKey", chainField: 1 },
  SignVote: { arm: "vote", chainField: 2 },
  SignProposal: { arm: "proposal", chainField: 2 },
} as const satisfies Readonly<Record<string, PrivvalMethod>>;

/** Tag and length of a request that is just as long as it may be. */
const ENVELOPE_BYTES = 4;
export const PRIVVAL_REQUEST_BYTES_MAX = PRIVVAL_MESSAGE_BYTES_MAX - ENVELOPE_BYTES;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Which chain a request is for; null when it does not say so. The enclave reads it again. */
export function chainIdOf({ chainField }: PrivvalMethod, request: Uint8Array): string | null {
  const values = parseProto(request, { [chainField]: "bytes" });
  if (values === undefined) return null;
  try {
    const chainId = utf8.decode(bytesIn(values, chainField));
    return chainId === "" ? null : chainId;
  } catch {
    return null;
  }
}

export function wrapRequest({ arm }: PrivvalMethod, request: Uint8Array): Uint8Array {
  return protoMessage(PRIVVAL_ARMS[arm].request, request);
}
