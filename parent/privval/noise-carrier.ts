// The stream of a connection as the libp2p packages want it. It hands over whole frames (two bytes
// of length, then that many), each when it is asked for, so that the packages never buffer what
// nobody has asked for, and never read past a handshake. It must never hold more than one frame.

import type { Duplex } from "node:stream";
import type { Logger } from "@libp2p/interface";
import { AbstractMessageStream } from "@libp2p/utils";
import { concatBytes } from "../../shared/bytes/compare.ts";

/** `cut`: the stream has ended in the middle. `short`: what can't hold a tag. */
export type Handed = "handed" | "waiting" | "cut" | "short";

const LENGTH_BYTES = 2;
const TAG_BYTES = 16;

/** The packages would log keys, were one enabled and the environment to say so. */
export const SILENT: Logger = Object.assign(ignore, {
  enabled: false,
  error: ignore,
  trace: ignore,
  newScope: () => SILENT,
});

export class NoiseCarrier extends AbstractMessageStream {
  readonly #carrier: Duplex;
  #length: Uint8Array | null = null;
  /** Called when the carrier has taken what was sent last, or has failed. */
  onTaken: (error?: Error | null) => void = ignore;

  constructor(carrier: Duplex) {
    super({ log: SILENT, direction: "outbound" });
    this.#carrier = carrier;
  }

  /** The next frame, if it is there as a whole. */
  handOver(): Handed {
    this.#length ??= this.#read(LENGTH_BYTES);
    if (this.#length === null) return "waiting";
    const [high = 0, low = 0] = this.#length;
    const byteCount = high * 256 + low;
    if (this.#length.length < LENGTH_BYTES) return "cut";
    if (byteCount < TAG_BYTES) return "short";
    const body = this.#read(byteCount);
    if (body === null) return "waiting";
    if (body.length < byteCount) return "cut";
    // A frame is opened in its place: it must be a copy.
    const frame = concatBytes(this.#length, body);
    this.#length = null;
    this.onData(frame);
    return "handed";
  }

  /** Never says that the carrier is full: whoever sends waits for `onTaken`. */
  sendData(data: { readonly byteLength: number; subarray(): Uint8Array }): {
    readonly sentBytes: number;
    readonly canSendMore: boolean;
  } {
    this.#carrier.write(data.subarray(), this.onTaken);
    return { sentBytes: data.byteLength, canSendMore: true };
  }

  sendReset(): void {
    this.#carrier.destroy();
  }

  /** Nothing is handed over that was not asked for. */
  sendPause(): void {}

  sendResume(): void {}

  close(): Promise<void> {
    this.#carrier.destroy();
    return Promise.resolve();
  }

  /** Fewer at the end of the stream. */
  #read(byteCount: number): Uint8Array | null {
    const bytes: unknown = this.#carrier.read(byteCount);
    return bytes instanceof Uint8Array ? bytes : null;
  }
}

function ignore(): void {}
