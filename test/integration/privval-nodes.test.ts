// What a reload of the configuration does to nodes that call, over the parts that the parent has.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { startPrivvalNodes } from "../../parent/link/privval-nodes.ts";
import { parseAddress } from "../../shared/address.ts";
import { PrivvalGrpcRig } from "../fakes/privval-grpc-rig.ts";
import { activeAt } from "../fakes/served-enclave.ts";
import { SilentLog } from "../fakes/silent-log.ts";

/** Whether somebody listens there. */
async function isOpen(address: string): Promise<boolean> {
  const parsed = parseAddress(address);
  assert(parsed.ok && parsed.value.kind === "tcp");
  const socket = connect(parsed.value.port, parsed.value.host);
  const isConnected = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isConnected;
}

test("a configuration without the listener closes it, and one with it reads it anew", async () => {
  const rig = await PrivvalGrpcRig.start();
  const log = new SilentLog();
  const config = { nodes: [], grpc: rig.config({}) };
  const active = activeAt("nowhere.sock");
  const parts = { active, log, observe: () => undefined, tlsRefused: () => undefined };
  const nodes = await startPrivvalNodes({ ...parts, config });
  assert(nodes.ok);
  const address = String(
    log.lines.find(({ event }) => event === "privval.listening")?.fields.address,
  );
  await nodes.value.reload(config);
  assert.equal(log.lines.at(-1)?.event, "privval.reloaded");
  assert.equal(await isOpen(address), true);
  await nodes.value.reload({ nodes: [] });
  assert.equal(log.lines.at(-1)?.event, "privval.closed");
  assert.equal(await isOpen(address), false);
  // Until the next start, also when it is there again.
  const { length } = log.lines;
  await nodes.value.reload(undefined);
  await nodes.value.reload(config);
  assert.equal(log.lines.length, length);
  assert.equal(await isOpen(address), false);
  await nodes.value.close();
  await rig.close();
});
