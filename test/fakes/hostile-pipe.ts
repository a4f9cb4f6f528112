// Between an enclave and the relay, as a hostile parent that carries its TLS: it cuts, delays,
// doubles and bends what passes, and puts in what passed before. It has no key of the sessions.

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Random } from "../simulation/random.ts";

/** The exchange with the relay itself, before TLS. */
const PREFACE_CHUNK_COUNT = 1;
const KEPT_COUNT_MAX = 200;

type Pair = { readonly enclave: Socket; readonly relay: Socket };

export class HostilePipe {
  readonly #random: Random;
  readonly #pairs = new Set<Pair>();
  /** Of earlier sessions, in both directions. */
  readonly #kept: Buffer[];
  #server: Server | null = null;
  /** How likely it is that a piece does not pass as it is. */
  hostility = 0;
  bentCount = 0;

  /** `kept` is what passed through any of its parent's. */
  constructor(random: Random, kept: Buffer[]) {
    this.#kept = kept;
    this.#random = random;
  }

  listen(path: string, relayPath: string): void {
    this.#server = createServer((enclave) => this.#join(enclave, connect({ path: relayPath })));
    this.#server.listen({ path });
  }

  cutAny(): void {
    const pair = this.#random.pick([...this.#pairs]);
    if (pair !== undefined) cut(pair);
  }

  close(): void {
    this.#server?.close();
    for (const pair of this.#pairs) cut(pair);
  }

  #join(enclave: Socket, relay: Socket): void {
    const pair: Pair = { enclave, relay };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [enclave, relay],
      [relay, enclave],
    ] as const) {
      let count = 0;
      from.on("data", (bytes: Buffer) => {
        count += 1;
        if (count <= PREFACE_CHUNK_COUNT) to.write(bytes);
        else this.#pass(pair, to, bytes);
      });
      from.on("error", () => cut(pair));
      from.on("close", () => {
        this.#pairs.delete(pair);
        cut(pair);
      });
    }
  }

  #pass(pair: Pair, to: Socket, bytes: Buffer): void {
    if (this.#kept.length < KEPT_COUNT_MAX) this.#kept.push(bytes);
    if (!this.#random.chance(this.hostility)) return void to.write(bytes);
    this.bentCount += 1;
    switch (this.#random.weighted({ cut: 3, late: 3, twice: 2, flip: 2, replay: 3, lost: 2 })) {
      case "cut":
        return cut(pair);
      case "late":
        return void setTimeout(() => to.write(bytes), this.#random.between(5, 60));
      case "twice":
        return void to.write(Buffer.concat([bytes, bytes]));
      case "flip": {
        const bent = Buffer.from(bytes);
        const at = this.#random.below(bent.length);
        bent[at] = (bent[at] ?? 0) ^ (1 << this.#random.below(8));
        return void to.write(bent);
      }
      case "replay":
        return void to.write(this.#random.pick(this.#kept) ?? bytes);
      case "lost":
        // Passed on, and the answer never comes.
        to.write(bytes);
        return void setTimeout(() => cut(pair), 2);
    }
  }
}

function cut({ enclave, relay }: Pair): void {
  enclave.destroy();
  relay.destroy();
}
