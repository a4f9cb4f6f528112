// What SecretConnection and Noise have in common: a stream over a carrier, whose peer has proved
// who it is, and the time that the proof may take. The session above does not know which of them
// carries it. Nothing here may hand out a stream before its handshake is over.

import type { Duplex } from "node:stream";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, type Result } from "../../shared/result.ts";
import type { PrivvalCode } from "./ports.ts";
import type { PrivvalIdentity } from "./privval-identity.ts";
import { SYSTEM_TIMERS, type Timers } from "./timers.ts";

/** Every one has a listener for `error` already: why it failed is in `errored`. */
export type SecuredStream = Duplex & { readonly peerId: string };

export type SecureOptions = {
  readonly identity: PrivvalIdentity;
  readonly deadlineMs: number;
  readonly timers?: Timers;
};

export type SecureRefusal = Refusal<
  "PRIVVAL_TIMEOUT" | "PRIVVAL_HANDSHAKE" | "PRIVVAL_PEER_ID" | "PRIVVAL_CLOSED"
>;

/** Data that waits for a reader: small, as each byte of it may have come in a frame of its own. */
export const SECURED_BUFFER_BYTES = 16 * 1024;

/** Why a stream ended, for whoever looks at its `errored`. */
export class StreamFault extends Error {
  override readonly name = "StreamFault";
  readonly code: PrivvalCode;

  constructor(code: PrivvalCode) {
    super(code);
    this.code = code;
  }
}

/** After a refusal the carrier is destroyed; after success it belongs to the stream. */
export async function secureInTime<Stream extends SecuredStream>(
  carrier: Duplex,
  { deadlineMs, timers = SYSTEM_TIMERS }: Pick<SecureOptions, "deadlineMs" | "timers">,
  shakeHands: () => Promise<Result<Stream, SecureRefusal>>,
): Promise<Result<Stream, SecureRefusal>> {
  // A failed carrier shows as `close`.
  carrier.on("error", ignore);
  let isLate = false;
  const cancel = timers.after(deadlineMs, () => {
    isLate = true;
    carrier.destroy();
  });
  const secured = await shakeHands();
  cancel();
  if (isLate) return err(refusal("PRIVVAL_TIMEOUT"));
  if (!secured.ok) carrier.destroy();
  return secured;
}

function ignore(): void {}
