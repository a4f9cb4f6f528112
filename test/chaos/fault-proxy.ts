// Between a parent's relay and the store, as a network would be: it passes bytes on, until it is
// told to hold them, to lose them, or to cut every connection. A connection that has lost bytes is
// half-open from then on: whatever either side sends or closes, the other hears nothing more.

import { connect, createServer, type Server, type Socket } from "node:net";

export type Direction = "requests" | "answers";

class Pair {
  readonly relay: Socket;
  readonly store: Socket;
  readonly held: Record<Direction, Uint8Array[]> = { requests: [], answers: [] };
  readonly lost = new Set<Direction>();

  constructor(relay: Socket, store: Socket) {
    this.relay = relay;
    this.store = store;
  }

  pass(direction: Direction): void {
    const to = direction === "requests" ? this.store : this.relay;
    for (const bytes of this.held[direction].splice(0)) if (to.writable) to.write(bytes);
  }

  destroy(): void {
    this.relay.destroy();
    this.store.destroy();
  }
}

export class FaultProxy {
  /** Where the store listens now. */
  target = 0;
  #port = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #holding = new Set<Direction>();
  readonly #losing = new Set<Direction>();

  constructor() {
    this.#server = createServer((relay) => this.#join(relay));
  }

  get port(): number {
    return this.#port;
  }

  listen(): Promise<void> {
    return new Promise((settle) => {
      this.#server.listen({ host: "127.0.0.1", port: 0 }, () => {
        const bound = this.#server.address();
        this.#port = bound !== null && typeof bound === "object" ? bound.port : 0;
        settle();
      });
    });
  }

  hold(direction: Direction): void {
    this.#holding.add(direction);
  }

  get heldCount(): number {
    let count = 0;
    for (const { held } of this.#pairs) count += held.requests.length + held.answers.length;
    return count;
  }

  /** Connections that are there and new ones; bytes only, so that both sides stay connected. */
  lose(...directions: readonly Direction[]): void {
    for (const direction of directions) {
      this.#losing.add(direction);
      for (const pair of this.#pairs) pair.lost.add(direction);
    }
  }

  /** What was held is passed on now; what has lost bytes stays as it is. */
  pass(): void {
    this.#holding.clear();
    this.#losing.clear();
    for (const pair of this.#pairs) {
      pair.pass("requests");
      pair.pass("answers");
    }
  }

  cut(): void {
    for (const pair of this.#pairs) pair.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  #join(relay: Socket): void {
    const pair = new Pair(relay, connect({ host: "127.0.0.1", port: this.target }));
    for (const direction of this.#losing) pair.lost.add(direction);
    this.#pairs.add(pair);
    this.#carry(pair, "requests");
    this.#carry(pair, "answers");
  }

  #carry(pair: Pair, direction: Direction): void {
    const from = direction === "requests" ? pair.relay : pair.store;
    from.on("data", (bytes: Buffer) => {
      if (pair.lost.has(direction)) return;
      pair.held[direction].push(bytes);
      if (!this.#holding.has(direction)) pair.pass(direction);
    });
    from.on("error", () => from.destroy());
    from.on("close", () => {
      if (pair.lost.size === 0) pair.destroy();
      if (pair.relay.destroyed && pair.store.destroyed) this.#pairs.delete(pair);
    });
  }
}
