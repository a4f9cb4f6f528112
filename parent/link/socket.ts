// Stream sockets of the parent, one function each for listening and for connecting over every kind
// of address. It must never open a socket file to other users, and never take over the socket file
// of a program that still listens on it.
// Every socket has a listener for `error` already: a failed stream shows as `close`.

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import type { Address, AddressKind } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type SocketOptions = {
  /** Keep our side open after the peer has ended its own (the relay passes half-closes on). */
  readonly allowHalfOpen?: boolean;
};

type AddressOf<Kind extends AddressKind> = Extract<Address, { readonly kind: Kind }>;

type Transport<Kind extends AddressKind> = {
  readonly listen: (server: Server, address: AddressOf<Kind>) => Promise<void>;
  readonly connect: (address: AddressOf<Kind>, options: SocketOptions) => Socket | null;
};

const SOCKET_FILE_UMASK = 0o177;
const SOCKET_FILE_MODE = 0o600;
const BACKLOG_COUNT = 511;

/** How each kind of address listens and connects. */
const TRANSPORTS: { readonly [Kind in AddressKind]: Transport<Kind> } = {
  unix: {
    listen: async (server, { path }) => {
      await removeStaleFile(path);
      await listening(server, () => {
        // The file is made inside `listen`, before it returns: nobody else's file gets this mask.
        // A thread can't set it (Node refuses): there the process's own mask holds, see main.ts.
        const umask = isMainThread ? process.umask(SOCKET_FILE_UMASK) : null;
        try {
          server.listen({ path, backlog: BACKLOG_COUNT });
          if (umask === null) chmodSync(path, SOCKET_FILE_MODE);
        } finally {
          if (umask !== null) process.umask(umask);
        }
      });
    },
    connect: ({ path }, options) => connect({ path, ...options }),
  },
  tcp: {
    listen: (server, { host, port }) =>
      listening(server, () => server.listen({ host, port, backlog: BACKLOG_COUNT })),
    connect: ({ host, port }, options) => connect({ host, port, noDelay: true, ...options }),
  },
  vsock: {
    listen: () => Promise.reject(new Error("vsock is not available on this system")),
    connect: () => null,
  },
};

function transportOf<Kind extends AddressKind>(address: AddressOf<Kind>): Transport<Kind> {
  const kind: Kind = address.kind;
  return TRANSPORTS[kind];
}

/** Rejects when the address can't be listened on: a fault of configuration, met at start. */
export async function listenOn(
  address: Address,
  onSocket: (socket: Socket) => void,
  options: SocketOptions = {},
): Promise<Server> {
  const server = createServer({ noDelay: true, ...options }, (socket) => {
    socket.on("error", ignore);
    onSocket(socket);
  });
  await transportOf(address).listen(server, address);
  return server;
}

/** A connected socket, LINK_DOWN when there is none to connect to, LINK_TIMEOUT when it is late. */
export function connectTo(
  address: Address,
  deadlineMs: number = CONNECT_DEADLINE_MS,
  options: SocketOptions = {},
): Promise<Result<Socket, Refusal<"LINK_DOWN" | "LINK_TIMEOUT">>> {
  const socket = transportOf(address).connect(address, options);
  if (socket === null) return Promise.resolve(err(refusal("LINK_DOWN")));
  return new Promise((settle) => {
    const timer = setTimeout(() => {
      settle(err(refusal("LINK_TIMEOUT")));
      socket.destroy();
    }, deadlineMs);
    socket.on("error", ignore);
    socket.once("connect", () => {
      clearTimeout(timer);
      settle(ok(socket));
    });
    socket.once("close", () => {
      clearTimeout(timer);
      settle(err(refusal("LINK_DOWN")));
    });
  });
}

function ignore(): void {}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((settle, reject) => {
    // Stays: a failed accept (no descriptors left) must not end the program.
    server.on("error", reject);
    server.once("listening", settle);
    start();
  });
}

/** Removes a socket file that a dead program left. Anything else makes the listening fail. */
async function removeStaleFile(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined || !file.isSocket()) return;
  if (await isRefused(path)) unlinkSync(path);
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((settle) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      settle(false);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => settle(error.code === "ECONNREFUSED"));
  });
}
