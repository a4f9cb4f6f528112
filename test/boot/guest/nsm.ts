// The simulated NSM of one boot in the guest, as `scripts/local/nsm-program.ts`, but with the time
// of the hypervisor: the NSM of hardware doesn't read the clock that the enclave sets.

import { openRoot } from "../../../scripts/local/nsm-pki.ts";
import { serveNsm } from "../../../scripts/local/nsm-server.ts";
import {
  LOCAL_IMAGE,
  NsmSimulator,
  sampleMeasurements,
} from "../../../scripts/local/nsm-simulator.ts";
import { hypervisorTimeMs } from "./hypervisor-time.ts";

const [socket = "", pkiFolder = "", mode] = process.argv.slice(2);
const simulator = new NsmSimulator({
  root: openRoot(pkiFolder),
  nowMs: hypervisorTimeMs,
  pcrs: sampleMeasurements(LOCAL_IMAGE),
  isDebug: mode === "--debug-mode",
});
await serveNsm(simulator, socket);
process.stdout.write("nsm: listening\n");
