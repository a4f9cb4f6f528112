// A store's thread that says that it listens, and then dies of a bug.

import { parentPort } from "node:worker_threads";

parentPort?.postMessage({ kind: "listening" }); // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread, not a window
setTimeout(() => {
  throw new Error("a bug");
}, 10);
