// Sessions with one Tendermint node, one after the other: dials, and dials again for ever, as a
// node that waits in vain for its signer at its start exits (tendermint.md §1.5). What goes wrong
// is a code, logged when it changes and not at each try. It must never hold two connections to a
// node, which serves one signer at a time.

import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { PRIVVAL_ANSWER_BYTES_MAX, PRIVVAL_DIAL_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Backoff, type BackoffBounds } from "../link/backoff.ts";
import { connectTo, resetTcp } from "../platform/socket.ts";
import type { Log } from "../ports.ts";
import type { MessageRoom } from "./message-room.ts";
import type { PrivvalCode, PrivvalObserver, PrivvalSigner, PrivvalState } from "./ports.ts";
import { encodePrivvalAddress, type PrivvalAddress } from "./privval-address.ts";
import type { PrivvalIdentity } from "./privval-identity.ts";
import { securerOf } from "./privval-securer.ts";
import { PrivvalSession, type SessionEnd, type SessionTiming } from "./privval-session.ts";
import { SYSTEM_TIMERS, type Timers } from "./timers.ts";

export type PrivvalNode = { readonly chainId: string; readonly address: PrivvalAddress };

export type DialerOptions = {
  readonly node: PrivvalNode;
  /** Null only where every node is dialled over a socket file. */
  readonly identity: PrivvalIdentity | null;
  readonly signer: PrivvalSigner;
  readonly log: Log;
  readonly observer?: PrivvalObserver;
  readonly timing?: Partial<DialTiming>;
  readonly timers?: Timers;
  readonly answerBytesMax?: number;
  /** Shared by all nodes. */
  readonly room?: MessageRoom;
};

export type DialTiming = SessionTiming & {
  /** For dial and handshake together. */
  readonly dialMs: number;
  readonly redial: BackoffBounds;
};

type DialRefusal = Refusal<PrivvalCode>;
type Line = { readonly stream: Duplex; readonly reset: () => void; readonly peerId?: string };

const REDIAL: BackoffBounds = { minMs: 100, maxMs: 1000 };
const KEEP_ALIVE_MS = 5000;

export class PrivvalDialer {
  readonly #options: DialerOptions;
  readonly #timers: Timers;
  readonly #backoff: Backoff;
  readonly #label: string;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  #socket: Socket | null = null;
  #session: PrivvalSession | null = null;
  /** Ends the wait for the next try. */
  #wake: () => void = () => {};
  #isConnected = false;
  #code: PrivvalCode | null = null;
  #dialCount = 0;
  #connectCount = 0;
  #requestCount = 0;
  #refusedCount = 0;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#timers = options.timers ?? SYSTEM_TIMERS;
    this.#backoff = new Backoff(options.timing?.redial ?? REDIAL);
    this.#label = encodePrivvalAddress(options.node.address);
  }

  /** Once. */
  start(): void {
    this.#running = this.#run();
  }

  /** Gives the answer that is due, then closes. A dial that hangs is waited for: its deadline. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    if (this.#session === null) this.#socket?.destroy();
    this.#session?.close();
    await this.#running;
  }

  state(): PrivvalState {
    return {
      chainId: this.#options.node.chainId,
      address: this.#label,
      isConnected: this.#isConnected,
      code: this.#code,
      dialCount: this.#dialCount,
      connectCount: this.#connectCount,
      requestCount: this.#requestCount,
      refusedCount: this.#refusedCount,
    };
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#dialCount += 1;
      const line = await this.#dial();
      const end = line.ok ? await this.#serve(line.value) : line.error.code;
      this.#socket = null;
      if (this.#isClosed) break;
      if (end !== null) this.#lost(end);
      await this.#pause(this.#backoff.nextMs());
    }
    if (this.#isConnected) this.#change(false, null);
  }

  async #dial(): Promise<Result<Line, DialRefusal>> {
    const { node, identity, timing, timers = SYSTEM_TIMERS } = this.#options;
    const dialMs = timing?.dialMs ?? PRIVVAL_DIAL_DEADLINE_MS;
    // What has to be loaded for it is no part of the handshake's time.
    const secure = await securerOf(node.address);
    const startMs = timers.nowMs();
    const connected = await connectTo(node.address.address, dialMs);
    if (!connected.ok) {
      const isLate = connected.error.code === "LINK_TIMEOUT";
      return err(refusal(isLate ? "PRIVVAL_TIMEOUT" : "PRIVVAL_UNREACHABLE"));
    }
    const socket = connected.value;
    this.#socket = socket;
    if (this.#isClosed) socket.destroy();
    if (secure === null) return ok({ stream: socket, reset: () => socket.destroy() });
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const deadlineMs = Math.max(0, dialMs - (timers.nowMs() - startMs));
    const opened =
      identity === null
        ? err(refusal("PRIVVAL_IDENTITY"))
        : await secure(socket, { identity, deadlineMs, timers });
    if (!opened.ok) {
      socket.destroy();
      return opened;
    }
    return ok({ stream: opened.value, reset: () => resetTcp(socket), peerId: opened.value.peerId });
  }

  async #serve({ stream, reset, peerId }: Line): Promise<SessionEnd> {
    const { node, signer, room, timing = {} } = this.#options;
    const { answerBytesMax = PRIVVAL_ANSWER_BYTES_MAX } = this.#options;
    const session = new PrivvalSession({
      chainId: node.chainId,
      stream,
      reset,
      signer,
      timers: this.#timers,
      timing,
      answerBytesMax,
      ...(room === undefined ? {} : { room }),
      events: {
        message: () => this.#heard(peerId),
        answered: (refused) => {
          this.#requestCount += 1;
          if (refused !== null) this.#refusedCount += 1;
        },
      },
    });
    this.#session = session;
    if (this.#isClosed) session.close();
    const end = await session.run();
    this.#session = null;
    return end;
  }

  /** The first message says that the node serves us: over a socket file anybody may be queueing. */
  #heard(peerId: string | undefined): void {
    if (this.#isConnected) return;
    this.#connectCount += 1;
    this.#backoff.reset();
    const peer = peerId === undefined ? {} : { peer: peerId };
    this.#options.log.info("privval.connected", { ...this.#where(), ...peer });
    this.#change(true, null);
  }

  #lost(code: PrivvalCode): void {
    if (!this.#isConnected && this.#code === code) return;
    this.#options.log.warn("privval.disconnected", { ...this.#where(), code });
    this.#change(false, code);
  }

  #change(isConnected: boolean, code: PrivvalCode | null): void {
    this.#isConnected = isConnected;
    this.#code = code;
    this.#options.observer?.changed(this.state());
  }

  #where(): { readonly chain: string; readonly address: string } {
    return { chain: this.#options.node.chainId, address: this.#label };
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((settle) => {
      const cancel = this.#timers.after(delayMs, settle);
      this.#wake = () => {
        cancel();
        settle();
      };
    });
  }
}

export type PrivvalOptions = Omit<DialerOptions, "node"> & {
  readonly nodes: readonly PrivvalNode[];
};

export type Privval = {
  /** In the order of the nodes. */
  states(): readonly PrivvalState[];
  close(): Promise<void>;
};

/** A dialer for each node, side by side: several sentries of one chain ask the same signer. */
export function startPrivval({ nodes, ...options }: PrivvalOptions): Privval {
  const dialers = nodes.map((node) => new PrivvalDialer({ ...options, node }));
  for (const dialer of dialers) dialer.start();
  return {
    states: () => dialers.map((dialer) => dialer.state()),
    close: async () => {
      await Promise.all(dialers.map((dialer) => dialer.close()));
    },
  };
}
