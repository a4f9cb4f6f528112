// The store as the main thread sees it: started, counted and closed here, while the thread in
// `store-worker.ts` does the work. A thread that ends by itself ends the parent (see `onFailure`):
// it must never be restarted silently under an enclave that trusts what it wrote.

import { Worker } from "node:worker_threads";
import { type Address, encodeAddress } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { SHUTDOWN_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { LoggedLine } from "../../shared/wire/methods.ts";
import { EnclavePeer } from "../link/enclave-peer.ts";
import type { Log } from "../ports.ts";
import type { DatabaseStats } from "./database.ts";
import type { StoreCode, StoreFault } from "./fault.ts";
import { isWorkerMessage, type WorkerOrder, type WorkerTask } from "./worker-message.ts";

export type StoreOptions = {
  readonly path: string;
  readonly listen: Address;
  readonly log: Log;
  /** Over vsock: who may connect. Without it nobody may. */
  readonly peer?: EnclavePeer;
  /** The thread's program, for tests of what happens when it fails. */
  readonly program?: URL;
};

const PROGRAM = new URL("./store-worker.ts", import.meta.url);

/** Null before the first report. `code` is why the store refuses now, null when it works. */
export type StoreStats = Readonly<DatabaseStats> & { readonly code: StoreCode | null };

export type ReceiptPage = Result<readonly LoggedLine[], Refusal>;

export interface Store {
  /** The last report of the thread, at most a second old. */
  stats(): StoreStats | null;
  /** The next page of the log, from after the line with this id on. */
  receiptsAfter(id: number): Promise<ReceiptPage>;
  /** Called once, when the thread has ended without having been closed. */
  onFailure(listener: (reason: string) => void): void;
  close(): Promise<void>;
}

export function startStore(options: StoreOptions): Promise<Result<Store, Refusal<StoreCode>>> {
  const { path, log, peer = new EnclavePeer() } = options;
  const task: WorkerTask = {
    path,
    listen: encodeAddress(options.listen),
    peerCells: peer.cells,
  };
  const worker = new Worker(options.program ?? PROGRAM, { workerData: task });
  const store = new StoreThread(worker, log);
  return new Promise((settle) => {
    worker.on("message", (message: unknown) => {
      if (!isWorkerMessage(message)) return;
      if (message.kind === "report") return store.report(message.stats, message.fault);
      if (message.kind === "receipts") return store.receive(message.number, message.answer);
      if (message.kind === "listening") return settle(ok(store));
      const { code, reason } = message.fault;
      log.error("store.refused", { code, path, reason });
      settle(err(refusal(code)));
    });
    worker.once("error", (error: unknown) => {
      store.fail(error instanceof Error ? error.message : "unknown");
    });
    worker.once("exit", () => {
      store.end();
      settle(err(refusal("STORE_UNAVAILABLE")));
    });
  });
}

class StoreThread implements Store {
  readonly #worker: Worker;
  readonly #log: Log;
  readonly #ended = Promise.withResolvers<void>();
  #stats: StoreStats | null = null;
  #code: StoreCode | null = null;
  #failure: string | null = null;
  #listener: ((reason: string) => void) | null = null;
  #isClosing = false;
  readonly #reading = new Map<number, (page: ReceiptPage) => void>();
  #readCount = 0;

  constructor(worker: Worker, log: Log) {
    this.#worker = worker;
    this.#log = log;
  }

  stats(): StoreStats | null {
    return this.#stats;
  }

  onFailure(listener: (reason: string) => void): void {
    this.#listener = listener;
    if (this.#failure !== null) listener(this.#failure);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#order({ kind: "close" });
    const timer = setTimeout(() => void this.#worker.terminate(), SHUTDOWN_DEADLINE_MS);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  report(stats: Readonly<DatabaseStats>, fault: StoreFault | null): void {
    const code = fault?.code ?? null;
    this.#stats = { ...stats, code };
    if (code === this.#code) return;
    this.#code = code;
    if (fault === null) this.#log.info("store.recovered");
    else this.#log.error("store.failing", { code: fault.code, reason: fault.reason });
  }

  receiptsAfter(after: number): Promise<ReceiptPage> {
    return new Promise((settle) => {
      this.#readCount += 1;
      this.#reading.set(this.#readCount, settle);
      this.#order({ kind: "receipts", number: this.#readCount, after });
    });
  }

  receive(number: number, page: ReceiptPage): void {
    this.#reading.get(number)?.(page);
    this.#reading.delete(number);
  }

  #order(order: WorkerOrder): void {
    this.#worker.postMessage(order); // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread, not a window
  }

  fail(reason: string): void {
    this.#failure ??= reason;
    this.#log.error("store.thread-failed", { reason });
  }

  end(): void {
    this.#ended.resolve();
    for (const settle of this.#reading.values()) settle(err(refusal("STORE_UNAVAILABLE")));
    this.#reading.clear();
    if (this.#isClosing) return;
    this.#failure ??= "the thread has ended";
    this.#listener?.(this.#failure);
  }
}
