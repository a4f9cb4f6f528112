// Sockets by address. One place decides what each kind of address means, so that a new kind does
// not compile before it can listen and connect. `vsock:` needs the native addon of the Nitro
// target; without it the address is refused, never replaced by another kind.

import { rmSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import type { Address, AddressKind } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";

type NetOptions = { readonly path: string } | { readonly host: string; readonly port: number };

const NET_OPTIONS: { readonly [K in AddressKind]: (address: Address) => NetOptions | null } = {
  unix: (address) => (address.kind === "unix" ? { path: address.path } : null),
  tcp: (address) => (address.kind === "tcp" ? { host: address.host, port: address.port } : null),
  vsock: () => null,
};

/** A connected socket, or LINK_DOWN. */
export function connectTo(address: Address): Promise<Result<Socket, Refusal<"LINK_DOWN">>> {
  const options = NET_OPTIONS[address.kind](address);
  if (options === null) return Promise.resolve(err(refusal("LINK_DOWN")));
  return new Promise((resolve) => {
    const socket = new Socket();
    const fail = () => {
      socket.destroy();
      resolve(err(refusal("LINK_DOWN")));
    };
    socket.setTimeout(CONNECT_DEADLINE_MS, fail);
    socket.once("error", fail);
    socket.once("connect", () => {
      // With `fail`, or a timeout that the owner sets later would run it.
      socket.setTimeout(0, fail);
      socket.removeListener("error", fail);
      socket.setNoDelay(true);
      resolve(ok(socket));
    });
    socket.connect(options);
  });
}

/** Rejects when the address can't be listened on: an enclave without its listener is no enclave. */
export function listenOn(address: Address, onSocket: (socket: Socket) => void): Promise<Server> {
  const options = NET_OPTIONS[address.kind](address);
  if (options === null) return Promise.reject(new Error(`can't listen on ${address.kind}`));
  return new Promise((resolve, reject) => {
    // In the enclave nobody else has this path; on a laptop it is the rest of an earlier run.
    if (address.kind === "unix") rmSync(address.path, { force: true });
    const server = createServer({ noDelay: true }, onSocket);
    server.once("error", reject);
    server.listen({ ...options, backlog: 128 }, () => {
      server.removeListener("error", reject);
      resolve(server);
    });
  });
}
