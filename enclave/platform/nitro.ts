// The enclave program on Nitro: the NSM device, vsock to the parent, the hypervisor's clock and
// entropy. It composes and decides nothing. What differs between the image and its boot test, which
// has no hypervisor, is handed in: who the parent is, and by whom AWS is certified.

import { availableParallelism } from "node:os";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { LINK_PORT, RELAY_PORT, STORE_PORT } from "../../shared/nitro-ports.ts";
import { err, type Result } from "../../shared/result.ts";
import { createNsm } from "../attestation/nsm.ts";
import { type RunningEnclave, startEnclave } from "../program.ts";
import { verifyBoot } from "./boot-check.ts";
import { entropy, monotonicClock, ticker } from "./clock.ts";
import { loadNsm } from "./native.ts";
import { dropRights } from "./node-flags.ts";
import { openNsmDevice } from "./nsm-device.ts";
import { startSignPool } from "./sign-pool.ts";
import { connectTo, listenOn } from "./socket.ts";
import { createClockSetter } from "./system-clock.ts";
import { openVsock } from "./vsock.ts";

export type NitroOptions = {
  /** The only peer that is listened to, and the one that is connected to. */
  readonly parentCid: number;
  /** PEM certificates that AWS endpoints must be certified by. */
  readonly trustAnchors: readonly string[];
  /** DER of the root that NSM documents are certified by. */
  readonly nsmRoot: Uint8Array;
};

/** Refuses when a check at boot fails. Afterwards no thread has a right left that it used. */
export async function startNitro(options: NitroOptions): Promise<Result<RunningEnclave, Refusal>> {
  const native = loadNsm();
  if (native === null) return err(refusal("BOOT_ADDON"));
  native.hardenProcess();
  const vsock = await openVsock();
  if (!vsock.ok) return vsock;
  const device = openNsmDevice(native);
  if (!device.ok) return device;
  const boot = await verifyBoot(createNsm(device.value));
  if (!boot.ok) return boot;
  const { parentCid, trustAnchors, nsmRoot } = options;
  const running = await startEnclave({
    nsmDevice: device.value,
    clock: monotonicClock,
    entropy,
    ticker,
    pool: startSignPool(availableParallelism() - 1, (cause) => {
      throw cause;
    }),
    trustAnchors,
    nsmRoot,
    alignClock: createClockSetter(native),
    connectRelay: () => connectTo({ kind: "vsock", cid: parentCid, port: RELAY_PORT }),
    dialStore: () => connectTo({ kind: "vsock", cid: parentCid, port: STORE_PORT }),
    listen: (onSocket) => listenOn({ kind: "vsock", cid: parentCid, port: LINK_PORT }, onSocket),
  });
  if (running.ok) dropRights();
  return running;
}
