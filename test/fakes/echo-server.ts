// Whatever comes goes back, over the sockets of either zone.

import type { Server, Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Address } from "../../shared/address.ts";

type Listen = (address: Address, onSocket: (socket: Socket) => void) => Promise<Server>;

/** Closed with all its connections when the test ends. */
export async function startEcho(
  context: TestContext,
  listenOn: Listen,
  address: Address,
): Promise<Server> {
  const sockets: Socket[] = [];
  const server = await listenOn(address, (socket) => {
    sockets.push(socket);
    socket.pipe(socket);
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}
