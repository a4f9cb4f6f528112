// Ports that nobody listens on now. Another program may take one before we do: a check that then
// fails does so because of that alone, and a second run picks others.

import { createServer, type Server } from "node:net";

/** The first of two neighbours: the signer's operations listen on the port after its API's. */
export async function freePortPair(): Promise<number> {
  for (;;) {
    const first = await listen(0);
    const port = portOf(first);
    const second = port < 65_535 ? await listen(port + 1).catch(() => null) : null;
    await close(first);
    if (second === null) continue;
    await close(second);
    return port;
  }
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  const ports = servers.map((server) => portOf(server));
  await Promise.all(servers.map((server) => close(server)));
  return ports;
}

function listen(port: number): Promise<Server> {
  return new Promise((settle, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(port, "127.0.0.1", () => settle(server));
  });
}

function portOf(server: Server): number {
  const bound = server.address();
  return bound !== null && typeof bound === "object" ? bound.port : 0;
}

function close(server: Server): Promise<void> {
  return new Promise((settle) => {
    server.close(() => settle());
  });
}
