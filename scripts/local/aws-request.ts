// The headers of a request to a stand-in of AWS, as its signature covers them. It must never leave
// one out: what is not covered could be anything.

import type { IncomingMessage } from "node:http";

export function headersOf(request: IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(",") : value;
  }
  return headers;
}
