// Hours of an enclave that comes and goes, in a moment: whatever is opened again and again must be
// closed as often.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EnclaveLink } from "../../../../parent/link/enclave-link.ts";
import { createFixedLocator } from "../../../../parent/link/enclave-locator.ts";
import { listEnclaves } from "../../../../parent/link/nitro-cli.ts";
import { listenOn } from "../../../../parent/platform/socket.ts";
import { CID_ANY } from "../../../../shared/wire/vsock.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { FakeNitroCli, listedEnclave } from "../../../fakes/fake-nitro-cli.ts";
import { PairVsock, VSOCK_MISSING } from "../../../fakes/pair-vsock.ts";
import { until } from "../../../fakes/until.ts";

const ROUND_COUNT = 30;
const LONG_MS = 60_000;
const pairs = await PairVsock.load();

function descriptorCount(): number {
  return readdirSync("/proc/self/fd").length;
}

/** The first rounds may open what stays: a pool, an epoll descriptor. */
async function repeat(round: (index: number) => Promise<void>): Promise<void> {
  for (let index = 0; index < 3; index++) await round(index);
  const before = descriptorCount();
  for (let index = 0; index < ROUND_COUNT; index++) await round(index);
  // Closing takes a turn or two of the event loop.
  await until(() => descriptorCount() <= before);
}

test("a link whose enclave comes and goes leaves no descriptor behind", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "leak-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "enclave.sock");
  const link = new EnclaveLink(createFixedLocator({ kind: "unix", path }), {
    reconnect: { minMs: 1, maxMs: 2 },
    heartbeatMs: 5,
  });
  context.after(() => link.close());
  link.start(() => undefined);
  await repeat(async () => {
    const enclave = new FakeEnclave(path);
    await enclave.listen();
    await until(() => link.status() !== null);
    // In flight when the enclave dies.
    enclave.silent.add("sign");
    const params = { dialect: 0, key: new Uint8Array(48), kinds: 0, body: new Uint8Array(9) };
    const signing = link.call("sign", params, LONG_MS);
    await enclave.stop();
    const answer = await signing;
    assert.equal(answer.ok ? "signed" : answer.error.code, "LINK_DOWN");
    await until(() => link.status() === null);
  });
});

const NITRO_CLI: readonly (readonly [what: string, script: string | null, deadlineMs: number])[] = [
  ["answers", null, LONG_MS],
  ["fails", "exit 36\n", LONG_MS],
  ["hangs", "exec sleep 600\n", 10],
  ["leaves a child behind", "sleep 1 &\nexit 0\n", 10],
];

for (const [what, script, deadlineMs] of NITRO_CLI) {
  test(`a nitro-cli that ${what} leaves no descriptor behind`, async (context) => {
    const cli = fakeCli(context);
    if (script === null) cli.answer([listedEnclave()]);
    else cli.script(script);
    await repeat(async () => {
      const list = await listEnclaves(cli.path, deadlineMs);
      assert.equal(list.ok, script === null);
    });
  });
}

test("a nitro-cli that can't be started leaves no descriptor behind", async (context) => {
  const cli = fakeCli(context);
  cli.answer([]);
  await repeat(async (index) => {
    const path = index % 2 === 0 ? `${cli.path}/nitro-cli` : `${cli.path}.none`;
    assert.ok(!(await listEnclaves(path)).ok);
  });
});

function fakeCli(context: TestContext): FakeNitroCli {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  return cli;
}

test("peers over vsock that are let in, turned away or dropped leave no descriptor behind", {
  skip: pairs === null ? VSOCK_MISSING : false,
}, async (context) => {
  assert.ok(pairs !== null);
  const sockets = new Set<Socket>();
  const address = { kind: "vsock", cid: CID_ANY, port: 8001 } as const;
  const server = await listenOn(
    address,
    (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    },
    { openVsock: pairs.open, isPeerAllowed: (cid) => cid === 16 },
  );
  context.after(() => server.close());
  server.maxConnections = 1;
  await repeat(async () => {
    const near = [16, 16, 17].map((cid) => pairs.connectFrom(cid, address.port));
    assert.equal(near[2], null);
    for (const socket of near) socket?.destroy();
    await until(() => sockets.size === 0);
  });
});
