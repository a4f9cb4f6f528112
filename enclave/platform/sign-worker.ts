// One thread of the sign pool. It holds secret keys and answers batches of roots with signatures.
// It must never keep a copy of the key bytes it was handed: they are wiped by whoever sent them.

import { parentPort } from "node:worker_threads";
import { SecretKey } from "@chainsafe/blst";
import { dropRights } from "./node-flags.ts";
import {
  JOB_BYTES,
  ROOT_BYTES,
  SECRET_BYTES,
  SIGNATURE_BYTES,
  type ToWorker,
} from "./sign-messages.ts";

const keys = new Map<number, SecretKey>();
const port = parentPort;
if (port === null) throw new Error("sign-worker runs as a worker thread only");
dropRights();

port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "add": {
      const secrets = new Uint8Array(message.secrets);
      message.handles.forEach((handle, index) => {
        const at = index * SECRET_BYTES;
        keys.set(handle, SecretKey.fromBytes(secrets.subarray(at, at + SECRET_BYTES)));
      });
      return port.postMessage({ kind: "done", id: message.id });
    }
    case "remove":
      for (const handle of message.handles) keys.delete(handle);
      return port.postMessage({ kind: "done", id: message.id });
    case "sign": {
      const signatures = signBatch(message.jobs);
      return port.postMessage({ kind: "signed", signatures }, [signatures]);
    }
  }
});

function signBatch(jobs: ArrayBuffer): ArrayBuffer {
  const count = jobs.byteLength / JOB_BYTES;
  const view = new DataView(jobs);
  const signatures = new Uint8Array(new ArrayBuffer(count * SIGNATURE_BYTES));
  for (let index = 0; index < count; index++) {
    const key = keys.get(view.getUint32(index * JOB_BYTES));
    if (key === undefined) throw new Error("a job for a key that was never added");
    const root = new Uint8Array(jobs, index * JOB_BYTES + 4, ROOT_BYTES);
    signatures.set(key.sign(root).toBytes(), index * SIGNATURE_BYTES);
  }
  return signatures.buffer;
}
