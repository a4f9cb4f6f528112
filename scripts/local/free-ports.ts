// Ports that nobody listens on now, and that the system gives to no outgoing connection: a port of
// its own choice is soon taken by one, between our look and the listener that it is meant for.
// Another program may still take one before we do; then a second run picks others.

import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below what Linux (32,768), macOS and Windows (49,152) choose for outgoing connections. */
const FIRST_PORT = 12_000;
const LAST_PORT = 31_999;
const TRY_COUNT_MAX = 1000;

/** No port is given again before all others were; programs side by side begin at different ones. */
let next = randomInt(FIRST_PORT, LAST_PORT);

/** The first of two neighbours: the signer's operations listen on the port after its API's. */
export function freePortPair(): Promise<number> {
  return freeRow(2);
}

export function freePorts(count: number): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: count }, () => freeRow(1)));
}

/** The first of `length` neighbours. */
async function freeRow(length: number): Promise<number> {
  for (let tries = 0; tries < TRY_COUNT_MAX; tries += 1) {
    const first = next + length - 1 > LAST_PORT ? FIRST_PORT : next;
    next = first + length;
    const row = Array.from({ length }, (_, index) => isFree(first + index));
    if ((await Promise.all(row)).every(Boolean)) return first;
  }
  throw new Error("no port is free");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once("error", () => settle(false));
    server.listen(port, "127.0.0.1", () => server.close(() => settle(true)));
  });
}
