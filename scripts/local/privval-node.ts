// A Tendermint node as its remote signer sees it (tendermint.md §1): listens, serves one signer at
// a time while others queue, asks one thing at a time, pings, and repeats a request on the next
// connection when the present one fails. It makes the mistakes that Go's node makes: a clean end of
// the signer's side, or an answer that it can't read, does not make it drop the connection.

import { randomBytes } from "node:crypto";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { listenOn } from "../../parent/platform/socket.ts";
import { DelimitedReader } from "../../parent/privval/delimited-reader.ts";
import { peerIdOfEd25519 } from "../../parent/privval/peer-id.ts";
import { identityOfSeed, type PrivvalIdentity } from "../../parent/privval/privval-identity.ts";
import { openSecretConnection } from "../../parent/privval/secret-connection.ts";
import { type Address, encodeAddress } from "../../shared/address.ts";
import { encodeDelimited } from "../../shared/bytes/protobuf.ts";
import { PRIVVAL_ANSWER_BYTES_MAX } from "../../shared/limits.ts";
import { openPrivvalMessage } from "../../shared/privval.ts";
import { acceptNoise } from "./noise-stream.ts";
import { encodePing, readAnswer } from "./privval-request.ts";

export type PrivvalNodeTiming = {
  /** How long a request waits for a signer to connect. */
  readonly acceptMs: number;
  /** For a handshake, and for each read and write. */
  readonly ioMs: number;
  readonly pingMs: number;
  readonly retryMs: number;
  readonly retryCount: number;
};

/** Go's (§1.5). */
const TIMING: PrivvalNodeTiming = {
  acceptMs: 3000,
  ioMs: 5000,
  pingMs: 3333,
  retryMs: 100,
  retryCount: 50,
};

/** Why a try failed. `dropped`: of the kind after which the node takes the next signer. */
class TryError extends Error {
  override readonly name = "TryError";
  readonly isDropped: boolean;

  constructor(reason: string, isDropped: boolean) {
    super(reason);
    this.isDropped = isDropped;
  }
}

type Connection = {
  readonly socket: Socket;
  readonly stream: Duplex;
  readonly reader: DelimitedReader;
};

export class PrivvalNode {
  readonly #listen: Address;
  readonly #timing: PrivvalNodeTiming;
  readonly #admitted: string | null;
  #server: Server | null = null;
  #identity = freshIdentity();
  #live: Connection | null = null;
  #isAccepting = false;
  #queue: Socket[] = [];
  #sockets = new Set<Socket>();
  #waiting: (() => void)[] = [];
  /** Requests and pings, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #pingTimer: NodeJS.Timeout | null = null;
  /** Tries that failed, in words. */
  readonly failures: string[] = [];
  signerId: string | null = null;
  pingCount = 0;
  acceptCount = 0;

  /** `admitted` is the only signer, by its libp2p name, over Noise; null: any, without Noise. */
  constructor(
    listen: Address,
    timing: Partial<PrivvalNodeTiming> = {},
    admitted: string | null = null,
  ) {
    this.#listen = listen;
    this.#timing = { ...TIMING, ...timing };
    this.#admitted = admitted;
  }

  /** Of this start: over SecretConnection a node has another at the next. */
  get id(): string {
    if (this.#admitted !== null) return peerIdOfEd25519(this.#identity.publicKey);
    return this.#identity.id;
  }

  get isConnected(): boolean {
    return this.#live !== null;
  }

  get queuedCount(): number {
    return this.#queue.length;
  }

  /** Where signers dial; over Noise with the name that they have to pin. */
  async start(): Promise<string> {
    const serve = (socket: Socket): void => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      this.#queue.push(socket);
      void this.#accept();
    };
    const server = await listenOn(this.#listen, serve, { allowHalfOpen: true });
    this.#server = server;
    this.#armPing();
    const bound = server.address();
    const isTcp = this.#listen.kind === "tcp" && bound !== null && typeof bound === "object";
    const text = encodeAddress(isTcp ? { ...this.#listen, port: bound.port } : this.#listen);
    return this.#admitted === null ? text : text.replace("tcp://", `noise://${this.id}@`);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (this.#pingTimer !== null) clearTimeout(this.#pingTimer);
    this.#cut();
    for (const wake of this.#waiting.splice(0)) wake();
    await new Promise<void>((settle) => {
      if (server === null) settle();
      else server.close(() => settle());
    });
    await this.#turn;
  }

  /** The end of one process and the start of the next, over a listener that stays. */
  restart(): void {
    this.#cut();
    // Over Noise it is the one of its `node_key.json`.
    if (this.#admitted === null) this.#identity = freshIdentity();
  }

  /** A whole answer; fails after as many tries as Go's node makes. */
  async ask(message: Uint8Array): Promise<Uint8Array> {
    for (let count = 0; count < this.#timing.retryCount && this.#server !== null; count++) {
      try {
        return await this.askOnce(message);
      } catch (error) {
        if (!(error instanceof TryError)) throw error;
        this.failures.push(error.message);
        await new Promise((settle) => setTimeout(settle, this.#timing.retryMs));
      }
    }
    throw new TryError("exhausted all attempts", true);
  }

  /** As at a node's start, where a failure makes it exit. */
  askOnce(message: Uint8Array): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const connection = await this.#connection();
      try {
        const answer = await this.#exchange(connection, message);
        const asked = openPrivvalMessage(message);
        if (asked.ok && readAnswer(asked.value.arm, answer) !== null) return answer;
        throw new TryError("empty response", false);
      } catch (error) {
        if (error instanceof TryError && error.isDropped) this.#drop(connection);
        throw error;
      } finally {
        this.#armPing();
      }
    });
  }

  /** Bytes that are no request, on the present connection. */
  async sendRaw(bytes: Uint8Array): Promise<void> {
    const connection = await this.#connection();
    connection.stream.write(bytes);
  }

  /** No pings until the next request, as of a process that hangs while its kernel goes on. */
  freeze(): void {
    if (this.#pingTimer !== null) clearTimeout(this.#pingTimer);
    this.#pingTimer = null;
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#queue = [];
    this.#live = null;
  }

  /** The next signer of the queue, unless one is served. */
  async #accept(): Promise<void> {
    if (this.#live !== null || this.#isAccepting) return;
    const socket = this.#queue.shift();
    if (socket === undefined) return;
    this.#isAccepting = true;
    const stream = await this.#secure(socket);
    this.#isAccepting = false;
    if (stream === null || socket.destroyed) return this.#accept();
    this.acceptCount += 1;
    const connection = {
      socket,
      stream,
      reader: new DelimitedReader(stream, PRIVVAL_ANSWER_BYTES_MAX),
    };
    this.#live = connection;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #secure(socket: Socket): Promise<Duplex | null> {
    if (this.#listen.kind !== "tcp") return socket;
    if (this.#admitted !== null) return this.#secureNoise(socket, this.#admitted);
    const opened = await openSecretConnection(socket, {
      identity: this.#identity,
      peerId: null,
      deadlineMs: this.#timing.ioMs,
    });
    if (!opened.ok) return null;
    this.signerId = opened.value.peerId;
    return opened.value;
  }

  async #secureNoise(socket: Socket, admitted: string): Promise<Duplex | null> {
    const accepted = await acceptNoise(socket, this.#identity, this.#timing.ioMs);
    if (accepted === null) return null;
    this.signerId = accepted.peerId;
    if (accepted.peerId === admitted) return accepted.stream;
    socket.destroy();
    return null;
  }

  async #connection(): Promise<Connection> {
    if (this.#live === null) {
      const { promise, resolve } = Promise.withResolvers<null>();
      const timer = setTimeout(resolve, this.#timing.acceptMs, null);
      this.#waiting.push(() => resolve(null));
      await promise;
      clearTimeout(timer);
    }
    if (this.#live === null) throw new TryError("endpoint connection timed out", true);
    return this.#live;
  }

  async #exchange({ stream, reader }: Connection, message: Uint8Array): Promise<Uint8Array> {
    const isWritten = await this.#inTime(
      new Promise<boolean>((settle) => {
        stream.write(encodeDelimited(message), (error) => settle(!(error instanceof Error)));
      }),
    );
    if (isWritten !== true) throw new TryError("write failed", true);
    const answer = await this.#inTime(reader.next());
    if (answer === null) throw new TryError("read timed out", true);
    if (answer.ok) return answer.value;
    // A clean end is io.EOF in Go, which is no timeout and keeps the connection.
    const isEnd = answer.error.code === "PRIVVAL_CLOSED" && stream.destroyed;
    throw new TryError(answer.error.code, isEnd);
  }

  async #inTime<T>(work: Promise<T>): Promise<T | null> {
    const { promise, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(resolve, this.#timing.ioMs, null);
    const outcome = await Promise.race([work, promise]);
    clearTimeout(timer);
    return outcome;
  }

  #drop({ socket }: Connection): void {
    socket.destroy();
    if (this.#live?.socket === socket) this.#live = null;
    void this.#accept();
  }

  #armPing(): void {
    if (this.#pingTimer !== null) clearTimeout(this.#pingTimer);
    this.#pingTimer = null;
    if (this.#server === null) return;
    this.#pingTimer = setTimeout(() => void this.#ping(), this.#timing.pingMs);
  }

  /** Any failed ping makes the node take the next signer. */
  async #ping(): Promise<void> {
    const live = this.#live;
    try {
      if (live !== null) {
        await this.askOnce(encodePing());
        this.pingCount += 1;
      }
    } catch (error) {
      if (!(error instanceof TryError)) throw error;
      this.failures.push(`ping: ${error.message}`);
      if (live !== null) this.#drop(live);
    }
    this.#armPing();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => null);
    return turn;
  }
}

function freshIdentity(): PrivvalIdentity {
  return identityOfSeed(randomBytes(32));
}
