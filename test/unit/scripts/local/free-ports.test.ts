import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { freePortPair, freePorts } from "../../../../scripts/local/free-ports.ts";

/** Where Linux begins to choose ports for outgoing connections. */
const FIRST_CHOSEN = 32_768;

test("ports that are asked for at once are different, below what the system chooses, and can be listened on", async () => {
  const [first, single, second] = await Promise.all([freePortPair(), freePorts(3), freePortPair()]);
  const ports = [first, first + 1, ...single, second, second + 1];
  assert.equal(new Set(ports).size, ports.length);
  for (const port of ports) {
    assert(port < FIRST_CHOSEN);
    const server = createServer();
    await new Promise<void>((settle, fail) => {
      server.once("error", fail);
      server.listen(port, "127.0.0.1", settle);
    });
    await new Promise((settle) => server.close(settle));
  }
});

test("a port that somebody listens on is passed over, alone and as one of two", async () => {
  const [last = 0] = await freePorts(1);
  const server = createServer();
  await new Promise<void>((settle) => {
    server.listen(last + 2, "127.0.0.1", settle);
  });
  const pair = await freePortPair();
  assert(pair !== last + 1 && pair !== last + 2);
  await new Promise((settle) => server.close(settle));
});
