// The body of a request as one piece of bytes, straight from Node's stream: web streams cost more
// than all the rest of the path. It must never hold more than its bound, whatever was announced.

import type { IncomingMessage } from "node:http";

export type BodyOutcome = Uint8Array | "oversize" | "overbooked" | "aborted";

export type BodyBounds = {
  readonly bytesMax: number;
  /** Asked for every piece; false when all bodies together would be too much. */
  readonly book: (byteCount: number) => boolean;
};

const EMPTY = new Uint8Array(0);
const GROWN_BYTES_MIN = 4096;

/** What the headers announce; undefined when they say nothing (chunked, or no body). */
export function announcedLength(incoming: IncomingMessage): number | undefined {
  const length = incoming.headers["content-length"];
  return length === undefined ? undefined : Number(length);
}

/** Calls `onBody` exactly once. In the common case the bytes are those of one read, not copied. */
export function readBody(
  incoming: IncomingMessage,
  { bytesMax, book }: BodyBounds,
  onBody: (outcome: BodyOutcome) => void,
): void {
  let body: Uint8Array = EMPTY;
  let byteCount = 0;
  let isDone = false;
  incoming.on("data", (chunk: Uint8Array) => {
    if (isDone) return;
    const start = byteCount;
    byteCount += chunk.length;
    const isOversize = byteCount > bytesMax;
    if (isOversize || !book(chunk.length)) {
      isDone = true;
      body = EMPTY;
      onBody(isOversize ? "oversize" : "overbooked");
    } else if (start === 0) {
      body = chunk;
    } else {
      // No list of pieces: of a body that comes byte by byte it would be 300 times as large.
      if (body.length < byteCount) body = grown(body, start, byteCount, bytesMax);
      body.set(chunk, start);
    }
  });
  incoming.on("end", () => {
    if (isDone) return;
    isDone = true;
    onBody(body.subarray(0, byteCount));
  });
  // Emitted when the connection is lost before the end, and only then.
  incoming.on("error", () => {
    if (isDone) return;
    isDone = true;
    onBody("aborted");
  });
}

/** A copy with room for more, twice as large so that copying stays in proportion. */
function grown(
  body: Uint8Array,
  filledBytes: number,
  neededBytes: number,
  bytesMax: number,
): Uint8Array {
  const wantedBytes = Math.max(GROWN_BYTES_MIN, 2 * neededBytes);
  const larger = Buffer.allocUnsafeSlow(Math.min(bytesMax, wantedBytes));
  larger.set(body.subarray(0, filledBytes));
  return larger;
}
