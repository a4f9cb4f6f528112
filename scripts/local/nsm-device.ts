// The NSM device of local runs: asks the simulated NSM over a unix socket, one connection for each
// request, so that nothing is held open between them. It stands where `/dev/nsm` stands on Nitro,
// and the nitro entry point must never be able to reach it.

import { createConnection } from "node:net";
import type { NsmDevice } from "../../enclave/core/ports.ts";
import { refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS, NSM_RESPONSE_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { encodeFrame, FrameReader } from "../../shared/wire/frame.ts";

export function connectNsmDevice(path: string): NsmDevice {
  return { request: (bytes) => exchange(path, bytes) };
}

type Answer = Awaited<ReturnType<NsmDevice["request"]>>;

/** Settles once: with the first whole frame, or as unavailable whatever went wrong before it. */
function exchange(path: string, request: Uint8Array): Promise<Answer> {
  return new Promise((resolve) => {
    const reader = new FrameReader(NSM_RESPONSE_BYTES_MAX);
    const socket = createConnection(path);
    const settle = (answer: Answer) => {
      socket.destroy();
      resolve(answer);
    };
    const unavailable: Result<never, { readonly code: "NSM_UNAVAILABLE" }> = err(
      refusal("NSM_UNAVAILABLE"),
    );
    socket.setTimeout(CONNECT_DEADLINE_MS, () => settle(unavailable));
    socket.on("error", () => settle(unavailable));
    socket.on("close", () => settle(unavailable));
    socket.on("data", (chunk) => {
      const frames = reader.read(Buffer.from(chunk));
      if (!frames.ok) return settle(unavailable);
      const [response] = frames.value;
      if (response !== undefined) settle(ok(response.slice()));
    });
    socket.write(encodeFrame(request));
  });
}
