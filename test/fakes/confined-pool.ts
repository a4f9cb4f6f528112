// A program that is confined as the image's: signs over a pool with a thread, then tells which
// rights a thread of such a pool still has.

import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { SecretKey } from "@chainsafe/blst";
import { startSignPool } from "../../enclave/platform/sign-pool.ts";
import { rootOf } from "./ledger-rig.ts";
import { secretOf } from "./sealed-keys.ts";

/** Enough for the thread to be worth its messages. */
const JOB_COUNT = 60;
const RIGHTS: readonly (readonly [string, string?])[] = [
  ["fs.read"],
  ["fs.read", import.meta.filename],
  ["addon"],
  ["worker"],
  ["net"],
];

async function signedCount(): Promise<number> {
  const secretKey = SecretKey.fromBytes(secretOf(1));
  const shared = new SharedArrayBuffer(32);
  new Uint8Array(shared).set(secretOf(1));
  const pool = startSignPool(1, (cause) => {
    throw cause;
  });
  const [handle] = await pool.add([{ sign: (root) => secretKey.sign(root).toBytes() }], shared);
  if (handle === undefined) return 0;
  const roots = Array.from({ length: JOB_COUNT }, (_, index) => rootOf(`root ${index}`));
  const signatures = await Promise.all(roots.map((root) => pool.sign(handle, root)));
  await pool.close();
  return signatures.length;
}

if (isMainThread) {
  const count = await signedCount();
  const thread = new Worker(new URL(import.meta.url));
  const messages: readonly unknown[] = await once(thread, "message");
  await thread.terminate();
  process.stdout.write(JSON.stringify({ count, rights: messages[0] }));
} else {
  await import("../../enclave/platform/sign-worker.ts");
  const rights = RIGHTS.filter((right) => process.permission?.has(...right) ?? true);
  parentPort?.postMessage(rights);
}
