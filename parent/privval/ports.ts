// What the sessions with Tendermint nodes need of the rest of the parent, and what they tell it.
// The parent carries requests as they came: whoever answers reads them whole, and decides.

import type { ErrorCode, Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";

/** Answers what nodes ask; several nodes of a chain may ask the same at once. */
export interface PrivvalSigner {
  /**
   * `message` is a whole `Message` without its length, in one of the arms PubKeyRequest,
   * SignVoteRequest, SignProposalRequest and SignBytesRequest; so is the answer, in the arm that
   * belongs to it. Never rejects. After the deadline the answer is thrown away and the node asks
   * the same again on a new connection: it must get the same answer.
   */
  answer(
    chainId: string,
    message: Uint8Array,
    deadlineMs: number,
  ): Promise<Result<Uint8Array, Refusal>>;
  /** Counts and logs a refusal that it has not made itself: of an answer that is not passed on. */
  refused(chainId: string, cause: Refusal): void;
}

/** Why there is no session with a node; each is a code that is logged. */
export const PRIVVAL_CODES = [
  "PRIVVAL_UNREACHABLE",
  "PRIVVAL_TIMEOUT",
  "PRIVVAL_HANDSHAKE",
  "PRIVVAL_PEER_ID",
  "PRIVVAL_CLOSED",
  "PRIVVAL_IDLE",
  "PRIVVAL_LATE",
  "PRIVVAL_MALFORMED",
  "PRIVVAL_OVERSIZE",
  "PRIVVAL_IDENTITY",
] as const satisfies readonly ErrorCode[];

export type PrivvalCode = (typeof PRIVVAL_CODES)[number];

/** One node, now. Counts are since the start. */
export type PrivvalState = {
  readonly chainId: string;
  /** Without the pinned identity. */
  readonly address: string;
  /** The node has sent a message on the present connection. */
  readonly isConnected: boolean;
  /** Why it is not connected; null before the first failure, and while it is. */
  readonly code: PrivvalCode | null;
  readonly dialCount: number;
  /** Connections on which the node sent something. */
  readonly connectCount: number;
  /** Requests other than pings, and those of them that were answered with an error. */
  readonly requestCount: number;
  readonly refusedCount: number;
};

/** Told of each change of `isConnected` or `code`; the counts are for whoever asks. */
export interface PrivvalObserver {
  changed(state: PrivvalState): void;
}
