// Sockets by address. One place decides what each kind of address means, so that a new kind does
// not compile before it can listen and connect. `vsock:` needs the native addon of the Nitro
// target; without it the address is refused, never replaced by another kind.

import { rmSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import type { Address, AddressKind } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { CID_ANY } from "../../shared/wire/vsock.ts";
import { type OpenVsock, openVsock } from "./vsock.ts";

type Connected = Result<Socket, Refusal<"LINK_DOWN">>;
type OnSocket = (socket: Socket) => void;
type NetOptions = { readonly path: string } | { readonly host: string; readonly port: number };
type AddressOf<Kind extends AddressKind> = Extract<Address, { readonly kind: Kind }>;

type Transport<Kind extends AddressKind> = {
  readonly connect: (address: AddressOf<Kind>, open: OpenVsock) => Promise<Connected>;
  readonly listen: (
    address: AddressOf<Kind>,
    onSocket: OnSocket,
    open: OpenVsock,
  ) => Promise<Server>;
};

const BACKLOG_COUNT = 128;

const TRANSPORTS: { readonly [Kind in AddressKind]: Transport<Kind> } = {
  unix: {
    connect: ({ path }) => connectNet({ path }),
    listen: ({ path }, onSocket) => {
      // In the enclave nobody else has this path; on a laptop it is the rest of an earlier run.
      rmSync(path, { force: true });
      return listenNet({ path }, onSocket);
    },
  },
  tcp: {
    connect: ({ host, port }) => connectNet({ host, port }),
    listen: ({ host, port }, onSocket) => listenNet({ host, port }, onSocket),
  },
  vsock: {
    connect: async ({ cid, port }, open) => {
      const vsock = await open();
      if (!vsock.ok) return err(refusal("LINK_DOWN"));
      const socket = await vsock.value.connect(cid, port, { deadlineMs: CONNECT_DEADLINE_MS });
      return socket.ok ? socket : err(refusal("LINK_DOWN"));
    },
    // The CID of the address is who may connect, not who we are: an enclave does not choose its
    // own, and whoever shares the hypervisor could try.
    listen: async ({ cid, port }, onSocket, open) => {
      const vsock = await open();
      if (!vsock.ok) throw new Error(vsock.error.code);
      const isPeerAllowed = (peerCid: number) => peerCid === cid;
      return vsock.value.listen(CID_ANY, port, onSocket, {
        isPeerAllowed,
        backlog: BACKLOG_COUNT,
      });
    },
  },
};

function transportOf<Kind extends AddressKind>(address: AddressOf<Kind>): Transport<Kind> {
  const kind: Kind = address.kind;
  return TRANSPORTS[kind];
}

/** A connected socket, or LINK_DOWN. */
export function connectTo(address: Address, open: OpenVsock = openVsock): Promise<Connected> {
  return transportOf(address).connect(address, open);
}

/** Rejects when the address can't be listened on: an enclave without its listener is no enclave. */
export async function listenOn(
  address: Address,
  onSocket: OnSocket,
  open: OpenVsock = openVsock,
): Promise<Server> {
  return transportOf(address).listen(address, onSocket, open);
}

function connectNet(options: NetOptions): Promise<Connected> {
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

function listenNet(options: NetOptions, onSocket: OnSocket): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, onSocket);
    server.once("error", reject);
    server.listen({ ...options, backlog: BACKLOG_COUNT }, () => {
      server.removeListener("error", reject);
      resolve(server);
    });
  });
}
