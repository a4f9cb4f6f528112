// Node streams over descriptors that libuv does not know (nitro-kms.md §7). `uv_pipe_open` looks at
// no address family, so the class that Node uses for unix sockets carries any stream socket: that
// class, and the way in which a server takes its handle, are not documented, and this file is the
// only one that relies on them. `verifyVsock` tries all of it at start. It must never read a byte,
// and never close a descriptor that it has not opened.

/** The parts of `node:net` that are used; shared code has no types of Node. */
export type NetModule<Socket extends StreamSocket, Server extends StreamServer> = {
  readonly Socket: new (options: SocketOptions) => Socket;
  readonly createServer: (
    options: { readonly allowHalfOpen: boolean },
    onSocket: (socket: Socket) => void,
  ) => Server;
};

type SocketOptions = { readonly fd?: number; readonly allowHalfOpen?: boolean };

export interface StreamSocket {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "close" | "end" | "error", listener: () => void): unknown;
  end(bytes: Uint8Array): unknown;
  destroy(): unknown;
}

export interface StreamServer {
  once(event: "listening", listener: () => void): unknown;
  close(): unknown;
}

/** A handle of libuv for one descriptor. `open` answers 0, or takes nothing. */
type PipeHandle = { open(fd: number): number; close(): void };
type PipeClass = new (kind: number) => PipeHandle;

/** Where a server gets its descriptors from. */
export type Source = { readonly stop: () => void };

/** Gives a connected descriptor away; true when it has been taken. */
export type Deliver = (fd: number) => boolean;

const KIND_SOCKET = 0;

export class DescriptorStreams<Socket extends StreamSocket, Server extends StreamServer> {
  readonly #net: NetModule<Socket, Server>;
  readonly #pipe: PipeClass;

  private constructor(net: NetModule<Socket, Server>, pipe: PipeClass) {
    this.#net = net;
    this.#pipe = pipe;
  }

  /**
   * Learns the class from a unix socket: Node makes one for a descriptor without the right to use
   * the network, but neither names the class nor listens without that right. Null when this Node
   * has no such class. `pair` offers both ends of a unix socket.
   */
  static learn<Socket extends StreamSocket, Server extends StreamServer>(
    net: NetModule<Socket, Server>,
    pair: (offer: (code: string | null, fd: number) => boolean) => void,
  ): DescriptorStreams<Socket, Server> | null {
    let pipe: unknown = null;
    pair((_code, fd) => {
      try {
        const socket = new net.Socket({ fd });
        const handle: unknown = Reflect.get(socket, "_handle");
        pipe = isObject(handle) ? handle.constructor : null;
        socket.destroy();
        return true;
      } catch {
        // Of a descriptor that it does not know. Beyond the addon it would be uncaught.
        return false;
      }
    });
    return isPipeClass(pipe) ? new DescriptorStreams(net, pipe) : null;
  }

  /** A stream over a connected descriptor, which it owns from then on. Null: nothing was taken. */
  adopt(fd: number, allowHalfOpen: boolean): Socket | null {
    const handle = this.#open(fd);
    if (handle === null) return null;
    const options = { handle, allowHalfOpen };
    return new this.#net.Socket(options);
  }

  /**
   * A server over descriptors that somebody else accepts: limits on connections, `drop` and closing
   * are those of every server of Node. `start` is given what to hand connections to.
   */
  serve(
    start: (deliver: Deliver) => Source,
    onSocket: (socket: Socket) => void,
    allowHalfOpen: boolean,
  ): Promise<Server> {
    const server = this.#net.createServer({ allowHalfOpen }, onSocket);
    let isClosed = false;
    const source = start((fd) => {
      const connection = isClosed ? null : this.#open(fd);
      if (connection === null) return false;
      // Node has set it in `_listen2`, before anything can be accepted.
      const onConnection: unknown = Reflect.get(handle, "onconnection");
      if (typeof onConnection === "function") Reflect.apply(onConnection, handle, [0, connection]);
      else connection.close();
      return true;
    });
    const close = () => {
      isClosed = true;
      source.stop();
    };
    const handle = { listen: () => 0, close, ref: () => {}, unref: () => {} };
    return new Promise((settle, reject) => {
      server.once("listening", () => settle(server));
      const listen: unknown = Reflect.get(server, "_listen2");
      if (typeof listen !== "function") {
        close();
        reject(new Error("this Node's servers take no handle"));
        return;
      }
      Reflect.set(server, "_handle", handle);
      Reflect.apply(listen, server, [null, -1, -1, 0]);
    });
  }

  #open(fd: number): PipeHandle | null {
    const Pipe = this.#pipe;
    const handle = new Pipe(KIND_SOCKET);
    if (handle.open(fd) === 0) return handle;
    handle.close();
    return null;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isPipeClass(value: unknown): value is PipeClass {
  if (typeof value !== "function" || value.name !== "Pipe") return false;
  const prototype: unknown = value.prototype;
  return isObject(prototype) && hasMethods(prototype, ["open", "close", "readStart"]);
}

export function hasMethods(value: object, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}
