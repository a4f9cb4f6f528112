// A request to a stand-in of AWS, as its signature covers it. It must never hold more of a body
// than the service takes.

import type { IncomingMessage } from "node:http";

/** Null when it is too large or was cut off. */
export async function readBody(
  request: IncomingMessage,
  byteCountMax: number,
): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      byteCount += chunk.length;
      if (byteCount > byteCountMax) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

export function headersOf(request: IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(",") : value;
  }
  return headers;
}
