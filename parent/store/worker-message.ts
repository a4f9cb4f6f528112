// What the store's thread and the main thread tell each other: the task at the start, then one
// report a second. Requests of the enclave never cross threads; pages of the log for an audit do.

import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";
import type { LoggedLine } from "../../shared/wire/methods.ts";
import { isPeerCells, type PeerCells } from "../link/enclave-peer.ts";
import type { DatabaseStats } from "./database.ts";
import type { StoreFault } from "./fault.ts";

export type WorkerTask = {
  readonly path: string;
  readonly listen: string;
  /** The CID that may connect over vsock, in memory of both threads. */
  readonly peerCells: PeerCells;
};

/** To the thread: stop, or read a page of the log and answer with its number. */
export type WorkerOrder =
  | { readonly kind: "close" }
  | { readonly kind: "receipts"; readonly number: number; readonly after: number };

export type WorkerMessage =
  | {
      readonly kind: "receipts";
      readonly number: number;
      readonly answer: Result<readonly LoggedLine[], Refusal>;
    }
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
  const kinds: readonly unknown[] = ["refused", "listening", "report", "receipts"];
  return kinds.includes(value.kind);
}

export function isWorkerOrder(value: unknown): value is WorkerOrder {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  return value.kind === "close" || value.kind === "receipts";
}
