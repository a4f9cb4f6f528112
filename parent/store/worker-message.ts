// What the store's thread and the main thread tell each other: the task at the start, then one
// report a second. Requests never cross threads.

import { isPeerCells, type PeerCells } from "../link/enclave-peer.ts";
import type { DatabaseStats } from "./database.ts";
import type { StoreFault } from "./fault.ts";

export type WorkerTask = {
  readonly path: string;
  readonly listen: string;
  /** The CID that may connect over vsock, in memory of both threads. */
  readonly peerCells: PeerCells;
};

export type WorkerMessage =
  | { readonly kind: "refused"; readonly fault: StoreFault }
  | { readonly kind: "listening" }
  | {
      readonly kind: "report";
      readonly stats: Readonly<DatabaseStats>;
      /** Why the last operation failed, null after one that did not. */
      readonly fault: StoreFault | null;
    };

export function isWorkerTask(value: unknown): value is WorkerTask {
  if (typeof value !== "object" || value === null) return false;
  if (!("path" in value) || !("listen" in value) || !("peerCells" in value)) return false;
  const { path, listen, peerCells } = value;
  return typeof path === "string" && typeof listen === "string" && isPeerCells(peerCells);
}

/** Both threads run the same code: the kind is all there is to tell apart. */
export function isWorkerMessage(value: unknown): value is WorkerMessage {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  return value.kind === "refused" || value.kind === "listening" || value.kind === "report";
}
