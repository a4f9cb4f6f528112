// The SDK's HTTP handler, with a bound on the answer: it reads the whole body before anybody parses
// it and must never hold more of it than KMS could have meant.

import { NodeHttpHandler } from "@smithy/node-http-handler";
import { KMS_ANSWER_BYTES_MAX } from "../../shared/limits.ts";

type Handle = NodeHttpHandler["handle"];

export class BoundedHandler extends NodeHttpHandler {
  override async handle(...call: Parameters<Handle>): ReturnType<Handle> {
    const { response } = await super.handle(...call);
    // The handler's body is the IncomingMessage; the SDK takes bytes in its place.
    const body: AsyncIterable<Uint8Array> = response.body; // oxlint-disable-line typescript/no-unsafe-assignment
    response.body = await readBounded(body);
    return { response };
  }
}

/** Leaving the loop early destroys the stream. */
async function readBounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of body) {
    byteCount += chunk.length;
    if (byteCount > KMS_ANSWER_BYTES_MAX) throw new RangeError("the answer is too large");
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
