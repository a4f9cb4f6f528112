// Between the enclave and the parent's store, as a hostile parent or a slow disk would be: it
// passes bytes on, until it is told to hold them, in either direction, or to cut the enclave off.
// Requests that were held may reach the store long after.

import { connect, createServer, type Server, type Socket } from "node:net";

export type Direction = "requests" | "answers";

/** How long a store that nobody listens to is still written to, and read. */
const LATE_CLOSE_MS = 500;

class Pair {
  readonly enclave: Socket;
  readonly store: Socket;
  readonly requests: Uint8Array[] = [];
  readonly answers: Uint8Array[] = [];
  isCut = false;

  constructor(enclave: Socket, store: Socket) {
    this.enclave = enclave;
    this.store = store;
  }

  passRequests(): void {
    for (const bytes of this.requests.splice(0)) this.store.write(bytes);
  }

  passAnswers(): void {
    for (const bytes of this.answers.splice(0)) if (!this.isCut) this.enclave.write(bytes);
  }
}

export class StoreProxy {
  readonly #pairs = new Set<Pair>();
  readonly #held = new Set<Direction>();
  #server: Server | null = null;

  listen(path: string, target: string): Promise<void> {
    return new Promise((settle) => {
      this.#server = createServer((enclave) => this.#join(enclave, connect({ path: target })));
      this.#server.listen({ path }, settle);
    });
  }

  hold(direction: Direction): void {
    this.#held.add(direction);
  }

  /** What was held is passed on now. */
  pass(): void {
    this.#held.clear();
    for (const pair of this.#pairs) {
      pair.passRequests();
      pair.passAnswers();
    }
  }

  /** The enclave loses its connection; requests that were held reach the store after so long. */
  cut(lateMs: number): void {
    for (const pair of this.#pairs) {
      pair.isCut = true;
      pair.enclave.destroy();
      this.#pairs.delete(pair);
      setTimeout(() => {
        pair.passRequests();
        setTimeout(() => pair.store.destroy(), LATE_CLOSE_MS);
      }, lateMs);
    }
  }

  close(): void {
    this.#server?.close();
    for (const { enclave, store } of this.#pairs) {
      enclave.destroy();
      store.destroy();
    }
  }

  #join(enclave: Socket, store: Socket): void {
    const pair = new Pair(enclave, store);
    this.#pairs.add(pair);
    enclave.on("data", (bytes: Buffer) => {
      pair.requests.push(bytes);
      if (!this.#held.has("requests")) pair.passRequests();
    });
    store.on("data", (bytes: Buffer) => {
      pair.answers.push(bytes);
      if (!this.#held.has("answers")) pair.passAnswers();
    });
    for (const socket of [enclave, store]) {
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#pairs.delete(pair);
        enclave.destroy();
        if (!pair.isCut) store.destroy();
      });
    }
  }
}
