// Signs on the main thread while there is little to do, and on the other cores too once requests
// queue up. A batch that a thread fails on is a bug, and ends the process: a root must never be
// signed by a key that was not asked for.

import { Worker } from "node:worker_threads";
import { InvariantError, invariant } from "../../shared/invariant.ts";
import type { RootSigner, SignPool } from "../core/ports.ts";
import {
  type FromWorker,
  JOB_BYTES,
  SECRET_BYTES,
  SIGNATURE_BYTES,
  type ToWorker,
} from "./sign-messages.ts";

type Job = {
  readonly handle: number;
  readonly root: Uint8Array;
  readonly settle: (signature: Uint8Array) => void;
};

/** Queued jobs from which on other threads are worth the two messages that a batch costs. */
const QUEUE_COUNT_FOR_THREADS = 4;
/** Jobs of one batch: enough to pay for its messages, few enough to keep cores evenly busy. */
const BATCH_COUNT_MAX = 16;
/** Jobs that the main thread signs before it looks at its sockets again. */
const SLICE_COUNT = 8;

class Thread {
  readonly #worker: Worker;
  readonly #done = new Map<number, () => void>();
  #batches: Job[][] = [];
  #nextId = 1;

  constructor(onIdle: () => void, onFailure: (cause: Error) => void) {
    this.#worker = new Worker(new URL("./sign-worker.ts", import.meta.url));
    this.#worker.on("error", onFailure);
    this.#worker.on("message", (message: FromWorker) => {
      if (message.kind === "done") {
        this.#done.get(message.id)?.();
        this.#done.delete(message.id);
        return;
      }
      const batch = this.#batches.shift();
      invariant(batch !== undefined, "signatures answer a batch");
      invariant(
        message.signatures.byteLength === batch.length * SIGNATURE_BYTES,
        "a batch is answered whole",
      );
      onIdle();
      batch.forEach((job, index) =>
        job.settle(new Uint8Array(message.signatures, index * SIGNATURE_BYTES, SIGNATURE_BYTES)),
      );
    });
  }

  get isIdle(): boolean {
    return this.#batches.length < 2;
  }

  sign(batch: Job[]): void {
    const bytes = new Uint8Array(new ArrayBuffer(batch.length * JOB_BYTES));
    const view = new DataView(bytes.buffer);
    batch.forEach((job, index) => {
      view.setUint32(index * JOB_BYTES, job.handle);
      bytes.set(job.root, index * JOB_BYTES + 4);
    });
    this.#batches.push(batch);
    const message: ToWorker = { kind: "sign", jobs: bytes.buffer };
    this.#worker.postMessage(message, [bytes.buffer]);
  }

  /** Settles when the thread has taken the keys, so that the caller may wipe what it shared. */
  add(handles: readonly number[], secrets: SharedArrayBuffer): Promise<void> {
    return this.#ask((id) => ({ kind: "add", id, handles, secrets }));
  }

  remove(handles: readonly number[]): Promise<void> {
    return this.#ask((id) => ({ kind: "remove", id, handles }));
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(make: (id: number) => ToWorker): Promise<void> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#done.set(id, resolve);
      this.#worker.postMessage(make(id));
    });
  }
}

class ThreadedSignPool implements SignPool {
  readonly #signers = new Map<number, RootSigner>();
  #nextHandle = 1;
  readonly #threads: Thread[] = [];
  #queue: Job[] = [];
  #isPlanned = false;

  constructor(threadCount: number, onFailure: (cause: Error) => void) {
    for (let index = 0; index < threadCount; index++) {
      this.#threads.push(new Thread(() => this.#plan(), onFailure));
    }
  }

  async add(
    signers: readonly RootSigner[],
    secrets: SharedArrayBuffer,
  ): Promise<readonly number[]> {
    invariant(secrets.byteLength === signers.length * SECRET_BYTES, "one secret for each signer");
    const handles = signers.map((signer) => {
      const handle = this.#nextHandle++;
      this.#signers.set(handle, signer);
      return handle;
    });
    await Promise.all(this.#threads.map((thread) => thread.add(handles, secrets)));
    new Uint8Array(secrets).fill(0);
    return handles;
  }

  async remove(handles: readonly number[]): Promise<void> {
    // What was asked for before is still signed; the caller asks for nothing more with them.
    const removed = new Set(handles);
    while (this.#queue.some((job) => removed.has(job.handle))) await nextTurn();
    for (const handle of handles) this.#signers.delete(handle);
    await Promise.all(this.#threads.map((thread) => thread.remove(handles)));
  }

  sign(handle: number, root: Uint8Array): Promise<Uint8Array> {
    return new Promise((settle) => {
      this.#queue.push({ handle, root, settle });
      this.#plan();
    });
  }

  async close(): Promise<void> {
    // Of requests that were refused meanwhile, or whose link is gone: nobody waits for them.
    this.#queue = [];
    await Promise.all(this.#threads.map((thread) => thread.close()));
    this.#signers.clear();
  }

  #plan(): void {
    if (this.#isPlanned || this.#queue.length === 0) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      this.#run();
    });
  }

  #run(): void {
    for (const thread of this.#threads) {
      if (this.#queue.length < QUEUE_COUNT_FOR_THREADS) break;
      if (!thread.isIdle) continue;
      // Half of what waits: the main thread and the next one want some too.
      const count = Math.min(BATCH_COUNT_MAX, Math.ceil(this.#queue.length / 2));
      thread.sign(this.#queue.splice(0, count));
    }
    for (const job of this.#queue.splice(0, SLICE_COUNT)) {
      const signer = this.#signers.get(job.handle);
      if (signer === undefined) throw new InvariantError("a job for a key that was never added");
      job.settle(signer.sign(job.root));
    }
    this.#plan();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** `threadCount` threads beside the main one; 0 signs everything on the main thread. */
export function startSignPool(threadCount: number, onFailure: (cause: Error) => void): SignPool {
  return new ThreadedSignPool(threadCount, onFailure);
}
