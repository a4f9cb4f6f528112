import assert from "node:assert/strict";
import { createServer, type Server, Socket, type SocketConstructorOpts } from "node:net";
import { test } from "node:test";
import { verifyVsock } from "../../../../shared/wire/vsock-check.ts";
import { PairVsock, VSOCK_MISSING } from "../../../fakes/pair-vsock.ts";

// What the check finds without the addon: vsock.test.ts.
const pairs = await PairVsock.load();
const skip = pairs === null ? VSOCK_MISSING : false;

/** Sends other bytes than it was given. */
class ChangingSocket extends Socket {
  constructor(options: SocketConstructorOpts) {
    super(options);
    const end = this.end.bind(this);
    Object.assign(this, { end: (bytes: Uint8Array) => end(bytes.map((byte) => byte ^ 1)) });
  }
}

async function codeWith(SocketClass: typeof Socket): Promise<string> {
  assert.ok(pairs !== null);
  const vsock = await verifyVsock<Socket, Server>({
    binding: pairs.binding,
    net: { Socket: SocketClass, createServer },
    nowMs: () => performance.now(),
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    random: () => 0,
  });
  return vsock.ok ? "OK" : vsock.error.code;
}

test("streams that carry every byte pass the check", { skip }, async () => {
  assert.equal(await codeWith(Socket), "OK");
});

test("streams that carry other bytes do not", { skip }, async () => {
  assert.equal(await codeWith(ChangingSocket), "BOOT_ADDON");
});
