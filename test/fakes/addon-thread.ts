// A thread that ends in the middle of what the vsock addon does for it: while a callback has just
// taken a descriptor, or has closed it already, or while a listener and connections are open.

import { Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { loadNsm, loadVsock } from "../../enclave/platform/native.ts";
import { CID_ANY, PORT_ANY } from "../../shared/wire/vsock.ts";

/** This machine itself, where it can be reached over vsock at all: never another one. */
const CID_NOBODY = 1;

const binding = loadVsock();
const nsm = loadNsm();
if (binding === null) throw new Error("build/vsock.node is not built");

if (workerData === "take and exit") {
  binding.pair((_code, fd) => {
    const socket = new Socket({ fd });
    process.exit(socket.destroyed ? 1 : 0);
  });
} else if (workerData === "close and exit") {
  binding.pair((_code, fd) => {
    new Socket({ fd }).destroy();
    // Opened by an addon, so that Node does not close it with the thread.
    parentPort?.postMessage({ offered: fd, other: nsm?.open("/dev/null") });
    process.exit(0);
  });
} else {
  binding.accept(binding.listen(CID_ANY, PORT_ANY, 1), () => false);
  for (let count = 0; count < 20; count++) {
    try {
      binding.connect(CID_NOBODY, 7, 600_000, () => false);
    } catch {
      // A kernel without a transport refuses at once.
    }
  }
  if (workerData === "connect and exit") process.exit(0);
  parentPort?.postMessage("connecting");
}
