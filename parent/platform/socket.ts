// Stream sockets of the parent, one function each for listening and for connecting over every kind
// of address. It must never open a socket file to other users, never take over the socket file of a
// program that still listens on it, and never let a peer in over vsock that nobody allowed.
// Every socket has a listener for `error` already: a failed stream shows as `close`.

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { isMainThread } from "node:worker_threads";
import type { Address, AddressKind } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type OpenVsock, openVsock, type VsockRefusal } from "./vsock.ts";

/** Whether a peer on vsock, whose CID the hypervisor vouches for, may stay. */
type IsPeerAllowed = (cid: number) => boolean;

export type SocketOptions = {
  /** Keep our side open after the peer has ended its own (the relay passes half-closes on). */
  readonly allowHalfOpen?: boolean;
  /** For tests: another AF_VSOCK than this machine's. */
  readonly openVsock?: OpenVsock;
};

export type ListenOptions = SocketOptions & {
  /** Over vsock, where without it nobody is let in. Other kinds have no CIDs. */
  readonly isPeerAllowed?: IsPeerAllowed;
};

export type ConnectRefusal = Refusal<"LINK_DOWN" | "LINK_TIMEOUT"> | VsockRefusal;

type AddressOf<Kind extends AddressKind> = Extract<Address, { readonly kind: Kind }>;

type OnSocket = (socket: Socket) => void;
type Connected = Result<Socket, ConnectRefusal>;

type Transport<Kind extends AddressKind> = {
  readonly listen: (
    address: AddressOf<Kind>,
    onSocket: OnSocket,
    options: ListenOptions,
  ) => Promise<Server>;
  readonly connect: (
    address: AddressOf<Kind>,
    deadlineMs: number,
    options: SocketOptions,
  ) => Promise<Connected>;
};

const SOCKET_FILE_UMASK = 0o177;
const SOCKET_FILE_MODE = 0o600;
const BACKLOG_COUNT = 511;

/** How each kind of address listens and connects. */
const TRANSPORTS: { readonly [Kind in AddressKind]: Transport<Kind> } = {
  unix: {
    listen: async ({ path }, onSocket, { allowHalfOpen = false }) => {
      await removeStaleFile(path);
      const server = createServer({ allowHalfOpen }, onSocket);
      return listening(server, () => {
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
    connect: ({ path }, deadlineMs, { allowHalfOpen = false }) =>
      connecting(connect({ path, allowHalfOpen }), deadlineMs),
  },
  tcp: {
    listen: ({ host, port }, onSocket, { allowHalfOpen = false }) => {
      const server = createServer({ noDelay: true, allowHalfOpen }, onSocket);
      return listening(server, () => server.listen({ host, port, backlog: BACKLOG_COUNT }));
    },
    connect: ({ host, port }, deadlineMs, { allowHalfOpen = false }) =>
      connecting(connect({ host, port, noDelay: true, allowHalfOpen }), deadlineMs),
  },
  vsock: {
    listen: async ({ cid, port }, onSocket, options) => {
      const vsock = await (options.openVsock ?? openVsock)();
      if (!vsock.ok) throw new ListenError(vsock.error);
      const { isPeerAllowed = () => false, allowHalfOpen = false } = options;
      const server = await vsock.value.listen(cid, port, onSocket, {
        isPeerAllowed,
        allowHalfOpen,
        backlog: BACKLOG_COUNT,
      });
      server.on("error", ignore);
      return server;
    },
    connect: async ({ cid, port }, deadlineMs, { allowHalfOpen = false, ...options }) => {
      const vsock = await (options.openVsock ?? openVsock)();
      if (!vsock.ok) return vsock;
      return vsock.value.connect(cid, port, { deadlineMs, allowHalfOpen });
    },
  },
};

/** An address that this system can't listen on at all. */
class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: VsockRefusal["code"];

  constructor({ code }: VsockRefusal) {
    super(code);
    this.code = code;
  }
}

function transportOf<Kind extends AddressKind>(address: AddressOf<Kind>): Transport<Kind> {
  const kind: Kind = address.kind;
  return TRANSPORTS[kind];
}

/** Rejects when the address can't be listened on: a fault of configuration, met at start. */
export function listenOn(
  address: Address,
  onSocket: OnSocket,
  options: ListenOptions = {},
): Promise<Server> {
  const serve = (socket: Socket): void => {
    socket.on("error", ignore);
    onSocket(socket);
  };
  return transportOf(address).listen(address, serve, options);
}

/** A connected socket, LINK_DOWN when there is none to connect to, LINK_TIMEOUT when it is late. */
export async function connectTo(
  address: Address,
  deadlineMs: number = CONNECT_DEADLINE_MS,
  options: SocketOptions = {},
): Promise<Connected> {
  const connected = await transportOf(address).connect(address, deadlineMs, options);
  if (connected.ok) connected.value.on("error", ignore);
  return connected;
}

/**
 * Ends a TCP connection with a reset, an error that the peer sees at its next read or write; what
 * has not left yet is thrown away. After the peer's own end it only closes: libuv refuses a reset
 * while our side is being shut down, and Node 26 then keeps the descriptor for ever.
 */
export function resetTcp(socket: Socket): void {
  if (socket.writableEnded || socket.destroyed) socket.destroy();
  else socket.resetAndDestroy();
}

function connecting(socket: Socket, deadlineMs: number): Promise<Connected> {
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

function listening(server: Server, start: () => void): Promise<Server> {
  return new Promise((settle, reject) => {
    // Stays: a failed accept (no descriptors left) must not end the program.
    server.on("error", reject);
    server.once("listening", () => settle(server));
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
