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
  let first: Uint8Array = EMPTY;
  let rest: Uint8Array[] | null = null;
  let byteCount = 0;
  let isDone = false;
  incoming.on("data", (chunk: Uint8Array) => {
    if (isDone) return;
    byteCount += chunk.length;
    const isOversize = byteCount > bytesMax;
    if (isOversize || !book(chunk.length)) {
      isDone = true;
      first = EMPTY;
      rest = null;
      onBody(isOversize ? "oversize" : "overbooked");
    } else if (first.length === 0) {
      first = chunk;
    } else {
      rest ??= [first];
      rest.push(chunk);
    }
  });
  incoming.on("end", () => {
    if (isDone) return;
    isDone = true;
    onBody(rest === null ? first : Buffer.concat(rest, byteCount));
  });
  // Emitted when the connection is lost before the end, and only then.
  incoming.on("error", () => {
    if (isDone) return;
    isDone = true;
    onBody("aborted");
  });
}
