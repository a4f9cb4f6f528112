// AF_VSOCK for real, over the loopback transport (CID 1) of a Linux guest: runs where the modules
// vsock, vmw_vsock_virtio_transport_common and vsock_loopback are loaded, and never on a host.
// `--connections N` says how many connections the search for leaks makes.

import { parseArgs } from "node:util";
import { checkLeaks } from "./vsock-leaks.ts";
import { checkPeers } from "./vsock-peers.ts";
import { check, printSummary, vsock } from "./vsock-rig.ts";
import { checkStreams } from "./vsock-streams.ts";

const { values } = parseArgs({ options: { connections: { type: "string" } } });

await check("the smoke test at start passes", async () => {
  await vsock();
});
await checkStreams();
await checkPeers();
await checkLeaks(Number(values.connections ?? "1000"));
// Whatever a check that failed has left open.
process.exit(printSummary() ? 0 : 1);
