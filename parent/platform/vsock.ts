// AF_VSOCK of this instance, opened once in each thread that uses it: the addon is loaded, and what
// Node's streams over it rely on is tried, before the first socket. It must never fall back to
// another kind of socket: without the addon a `vsock:` address is refused.

import type { Server, Socket } from "node:net";
import * as net from "node:net";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, type Result } from "../../shared/result.ts";
import type { Vsock, VsockBinding } from "../../shared/wire/vsock.ts";
import { verifyVsock } from "../../shared/wire/vsock-check.ts";
import { loadVsock } from "./native.ts";

export type VsockRefusal = Refusal<"VSOCK_UNAVAILABLE" | "BOOT_ADDON">;
export type OpenVsock = () => Promise<Result<Vsock<Socket, Server>, VsockRefusal>>;

/** VSOCK_UNAVAILABLE without the addon, BOOT_ADDON when it does not work on this Node. */
export async function openVsockOver(
  binding: VsockBinding | null,
): Promise<Result<Vsock<Socket, Server>, VsockRefusal>> {
  if (binding === null) return err(refusal("VSOCK_UNAVAILABLE"));
  return verifyVsock<Socket, Server>({
    binding,
    net,
    nowMs: () => performance.now(),
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    random: Math.random,
  });
}

let opened: ReturnType<OpenVsock> | null = null;

export const openVsock: OpenVsock = () => {
  opened ??= openVsockOver(loadVsock());
  return opened;
};
