// AF_VSOCK of this process: the addon, tried out once, with Node's sockets on top. It must never
// answer with streams that the smoke test has not passed.

import { randomInt } from "node:crypto";
import * as net from "node:net";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, type Result } from "../../shared/result.ts";
import type { Vsock, VsockBinding } from "../../shared/wire/vsock.ts";
import { verifyVsock } from "../../shared/wire/vsock-check.ts";
import { loadVsock } from "./native.ts";

export type OpenedVsock = Result<Vsock<net.Socket, net.Server>, Refusal<"BOOT_ADDON">>;
export type OpenVsock = () => Promise<OpenedVsock>;

const RANDOM_COUNT = 2 ** 32;

let opened: Promise<OpenedVsock> | null = null;

/** BOOT_ADDON when the addon is not there, or this Node is not as it has to be for it. */
export const openVsock: OpenVsock = () => {
  opened ??= openVsockOver(loadVsock());
  return opened;
};

export function openVsockOver(binding: VsockBinding | null): Promise<OpenedVsock> {
  if (binding === null) return Promise.resolve(err(refusal("BOOT_ADDON")));
  return verifyVsock({
    binding,
    net,
    nowMs: () => performance.now(),
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    random: () => randomInt(RANDOM_COUNT) / RANDOM_COUNT,
  });
}
