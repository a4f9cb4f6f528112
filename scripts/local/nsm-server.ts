// Serves a simulated NSM on a unix socket: frames of a 4-byte big-endian length and raw NSM CBOR,
// in both directions, answered in order. The registers belong to the server's process, as those of
// hardware belong to one boot of an enclave.

import { existsSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { NSM_REQUEST_BYTES_MAX } from "../../shared/limits.ts";
import { encodeFrame, FrameReader } from "../../shared/wire/frame.ts";
import type { NsmSimulator } from "./nsm-simulator.ts";

/** Resolves when it listens. A socket file that an earlier run left behind is replaced. */
export async function serveNsm(simulator: NsmSimulator, path: string): Promise<Server> {
  if (existsSync(path) && lstatSync(path).isSocket()) unlinkSync(path);
  const server = createServer((socket) => serveConnection(simulator, socket));
  const { promise, resolve, reject } = Promise.withResolvers<null>();
  server.once("error", reject);
  server.listen(path, () => resolve(null));
  await promise;
  return server;
}

function serveConnection(simulator: NsmSimulator, socket: Socket): void {
  const reader = new FrameReader(NSM_REQUEST_BYTES_MAX);
  // A peer that goes away in the middle is its own business.
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    const requests = reader.read(Buffer.from(chunk));
    // The kernel answers EMSGSIZE to such a request; here the connection ends.
    if (!requests.ok) return void socket.destroy();
    for (const request of requests.value) socket.write(encodeFrame(simulator.request(request)));
  });
}
