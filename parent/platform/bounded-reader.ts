// Files and streams read whole, up to a bound. What a file says of its size is only where it is
// begun with: pipes and devices say nothing, and a file may grow. It must never hold more than the
// bound and one piece, nor leave behind a copy of what a file holds: some hold keys.

import { open } from "node:fs/promises";
import { err, ok, type Result } from "../../shared/result.ts";

/** `TOO_LARGE`, or why it can't be read, as the system names it: `ENOENT`. */
export type ReadFault = string;

export const TOO_LARGE = "TOO_LARGE";
const PIECE_BYTES_MIN = 4096;

export async function readBoundedFile(
  path: string,
  bytesMax: number,
): Promise<Result<Uint8Array, ReadFault>> {
  try {
    await using file = await open(path, "r");
    const status = await file.stat();
    const size = status.isFile() ? status.size : 0;
    if (size > bytesMax) return err(TOO_LARGE);
    // With room for one byte more than there may be: that it comes says that there are too many.
    const firstBytes = Math.max(size, Math.min(PIECE_BYTES_MIN, bytesMax)) + 1;
    let bytes = Buffer.allocUnsafeSlow(firstBytes);
    for (let byteCount = 0; ; ) {
      if (byteCount === bytes.length) bytes = grown(bytes, bytesMax + 1);
      const { bytesRead } = await file.read(bytes, byteCount);
      byteCount += bytesRead;
      if (bytesRead === 0) return ok(bytes.subarray(0, byteCount));
      if (byteCount <= bytesMax) continue;
      bytes.fill(0);
      return err(TOO_LARGE);
    }
  } catch (error) {
    return err(error instanceof Error && "code" in error ? String(error.code) : "UNREADABLE");
  }
}

/** Null when it is larger, or was cut off. */
export async function readBoundedStream(
  stream: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  try {
    for await (const chunk of stream) {
      byteCount += chunk.length;
      if (byteCount > bytesMax) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

function grown(bytes: Buffer, byteCountMax: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.min(2 * bytes.length, byteCountMax));
  larger.set(bytes);
  bytes.fill(0);
  return larger;
}
