// AF_VSOCK for both sides: listens for and connects to peers by CID and port, and answers with
// ordinary Node sockets. Everything of the platform is handed in. It must never accept a peer whose
// CID was not asked for, and never keep trying beyond its deadline.

import { type Refusal, refusal } from "../errors.ts";
import { err, ok, type Result } from "../result.ts";
import {
  type Deliver,
  DescriptorStreams,
  hasMethods,
  type NetModule,
  type StreamServer,
  type StreamSocket,
} from "./descriptor-stream.ts";

/**
 * Called with a descriptor that is connected to `cid`, or with the name of an errno. Answers true
 * when it has taken the descriptor; else the addon closes it.
 */
export type Offer = (code: string | null, fd: number, cid: number) => boolean;

/** What `accept` answers; only the addon knows what is in it. */
export type Acceptor = object;

/** `build/vsock.node` (enclave/platform/native/vsock.c). Throws errors whose code is an errno. */
export interface VsockBinding {
  listen(cid: number, port: number, backlog: number): number;
  /** Takes the listening descriptor. After an `offer` with a code it rests until `resume`. */
  accept(fd: number, offer: Offer): Acceptor;
  resume(acceptor: Acceptor): void;
  stop(acceptor: Acceptor): void;
  /** Calls `offer` once, after it has returned; not at all when it throws. */
  connect(cid: number, port: number, timeoutMs: number, offer: Offer): void;
  peer(fd: number): { readonly cid: number; readonly port: number };
  localPort(fd: number): number;
  localCid(): number;
  /** Offers the two ends of a unix stream, before it returns. */
  pair(offer: Offer): void;
  /** Only what neither a stream nor an acceptor has taken. */
  close(fd: number): void;
}

const BINDING_METHODS: readonly (keyof VsockBinding)[] = [
  "listen",
  "accept",
  "resume",
  "stop",
  "connect",
  "peer",
  "localPort",
  "localCid",
  "pair",
  "close",
];

export function isVsockBinding(value: unknown): value is VsockBinding {
  return typeof value === "object" && value !== null && hasMethods(value, BINDING_METHODS);
}

/** The platform. `random` is for jitter only. */
export type VsockPorts<Socket extends StreamSocket, Server extends StreamServer> = {
  readonly binding: VsockBinding;
  readonly net: NetModule<Socket, Server>;
  readonly nowMs: () => number;
  /** Runs something once, later; answers what calls it off. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** At least 0, less than 1. */
  readonly random: () => number;
};

export type VsockListenOptions = {
  /** Asked for every connection, before it becomes a stream; false closes it. */
  readonly isPeerAllowed: (cid: number) => boolean;
  readonly allowHalfOpen?: boolean;
  readonly backlog?: number;
};

export type VsockConnectOptions = {
  readonly deadlineMs: number;
  readonly allowHalfOpen?: boolean;
};

export interface Vsock<Socket, Server> {
  /** Rejects with the error of the system when the port can't be listened on. */
  listen(
    cid: number,
    port: number,
    onSocket: (socket: Socket) => void,
    options: VsockListenOptions,
  ): Promise<Server>;
  /** Tries again until the deadline when the peer is not ready yet, or its backlog is full. */
  connect(
    cid: number,
    port: number,
    options: VsockConnectOptions,
  ): Promise<Result<Socket, Refusal<"LINK_DOWN" | "LINK_TIMEOUT">>>;
}

/** For listening: under every CID that this machine has; on a port that the kernel chooses. */
export const CID_ANY = 0xffff_ffff;
export const PORT_ANY = 0xffff_ffff;

/** The kernel's own default for a listener (nitro-kms.md §7). */
const BACKLOG_COUNT = 128;
/** How long an acceptor rests when the process has no descriptor or memory for a connection. */
const ACCEPT_REST_MS = 100;

/** One attempt; a packet may be lost while the peer boots. The kernel's own default. */
const ATTEMPT_MS_MAX = 2000;
const RETRY_MS_MIN = 4;
const RETRY_MS_MAX = 250;
/** No listener, a full backlog, full queues on the way: may be otherwise in a moment. */
const RETRIED_CODES: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ENOBUFS",
  "ETIMEDOUT",
  "EAGAIN",
  "EINTR",
]);

/** BOOT_ADDON when this Node's streams can't be made over a descriptor. */
export function createVsock<Socket extends StreamSocket, Server extends StreamServer>(
  ports: VsockPorts<Socket, Server>,
): Result<Vsock<Socket, Server>, Refusal<"BOOT_ADDON">> {
  const { binding, net } = ports;
  const streams = orNull(() => DescriptorStreams.learn(net, (offer) => binding.pair(offer)));
  if (streams === null) return err(refusal("BOOT_ADDON"));
  return ok({
    listen: async (cid, port, onSocket, options) =>
      streams.serve(
        (deliver) => startAccepting(ports, cid, port, options, deliver),
        onSocket,
        options.allowHalfOpen ?? false,
      ),
    connect: (cid, port, options) => connect(ports, streams, cid, port, options),
  });
}

function startAccepting<Socket extends StreamSocket, Server extends StreamServer>(
  { binding, after }: VsockPorts<Socket, Server>,
  cid: number,
  port: number,
  { isPeerAllowed, backlog = BACKLOG_COUNT }: VsockListenOptions,
  deliver: Deliver,
): { readonly stop: () => void } {
  let callOff: (() => void) | null = null;
  const fd = binding.listen(cid, port, backlog);
  const offer: Offer = (code, accepted, peerCid) => {
    if (code === null) return isPeerAllowed(peerCid) && deliver(accepted);
    callOff = after(ACCEPT_REST_MS, () => binding.resume(acceptor));
    return false;
  };
  const acceptor = acceptOrClose(binding, fd, offer);
  return {
    stop: () => {
      callOff?.();
      binding.stop(acceptor);
    },
  };
}

function acceptOrClose(binding: VsockBinding, fd: number, offer: Offer): Acceptor {
  try {
    return binding.accept(fd, offer);
  } catch (cause) {
    binding.close(fd);
    throw cause;
  }
}

async function connect<Socket extends StreamSocket, Server extends StreamServer>(
  { binding, nowMs, after, random }: VsockPorts<Socket, Server>,
  streams: DescriptorStreams<Socket, Server>,
  cid: number,
  port: number,
  { deadlineMs, allowHalfOpen = false }: VsockConnectOptions,
): Promise<Result<Socket, Refusal<"LINK_DOWN" | "LINK_TIMEOUT">>> {
  const endMs = nowMs() + deadlineMs;
  let code = "ETIMEDOUT";
  for (let retryMs = RETRY_MS_MIN; ; retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)) {
    const leftMs = Math.floor(endMs - nowMs());
    if (leftMs < 1) break;
    const tried = await attempt(binding, streams, cid, port, {
      deadlineMs: Math.min(leftMs, ATTEMPT_MS_MAX),
      allowHalfOpen,
    });
    if (tried.ok) return tried;
    code = tried.error;
    if (!RETRIED_CODES.has(code)) break;
    // Between half and the whole of it, so that clients that failed together don't come together.
    const waitMs = retryMs * (0.5 + random() / 2);
    if (nowMs() + waitMs >= endMs) break;
    await new Promise<void>((settle) => void after(waitMs, settle));
  }
  return err(refusal(code === "ETIMEDOUT" ? "LINK_TIMEOUT" : "LINK_DOWN"));
}

/** The error is the name of an errno. */
function attempt<Socket extends StreamSocket, Server extends StreamServer>(
  binding: VsockBinding,
  streams: DescriptorStreams<Socket, Server>,
  cid: number,
  port: number,
  { deadlineMs, allowHalfOpen }: Required<VsockConnectOptions>,
): Promise<Result<Socket, string>> {
  return new Promise((settle) => {
    try {
      binding.connect(cid, port, deadlineMs, (code, fd) => {
        const socket = code === null ? streams.adopt(fd, allowHalfOpen) : null;
        settle(socket === null ? err(code ?? "EIO") : ok(socket));
        return socket !== null;
      });
    } catch (cause) {
      settle(err(codeOf(cause)));
    }
  });
}

function codeOf(cause: unknown): string {
  const code: unknown = typeof cause === "object" && cause !== null && Reflect.get(cause, "code");
  return typeof code === "string" ? code : "EIO";
}

function orNull<T>(make: () => T): T | null {
  try {
    return make();
  } catch {
    return null;
  }
}
