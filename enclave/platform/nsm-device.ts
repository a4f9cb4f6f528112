// `/dev/nsm`: one request at a time, off the main thread, in the order in which they were made. The
// kernel serialises them anyway; a queue here keeps a slow device from taking all of Node's
// threads. It must never wait without bound: what does not fit into the queue is refused.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { NsmDevice } from "../core/ports.ts";
import type { NsmBinding } from "./native.ts";

type Unavailable = Refusal<"NSM_UNAVAILABLE">;

const DEVICE_PATH = "/dev/nsm";
/** Requests that wait; each attestation asked for over a link is one. */
const WAITING_COUNT_MAX = 64;

/** Opens the device once; it stays open for the life of the process. */
export function openNsmDevice(binding: NsmBinding): Result<NsmDevice, Unavailable> {
  let descriptor: number;
  try {
    descriptor = binding.open(DEVICE_PATH);
  } catch {
    return err(refusal("NSM_UNAVAILABLE"));
  }
  let waitingCount = 0;
  let last: Promise<unknown> = Promise.resolve();
  return ok({
    request: (bytes) => {
      if (waitingCount >= WAITING_COUNT_MAX)
        return Promise.resolve(err(refusal("NSM_UNAVAILABLE")));
      waitingCount += 1;
      const answer = last.then(() => ask(binding, descriptor, bytes));
      last = answer.then(() => {
        waitingCount -= 1;
      });
      return answer;
    },
  });
}

async function ask(
  binding: NsmBinding,
  descriptor: number,
  bytes: Uint8Array,
): Promise<Result<Uint8Array, Unavailable>> {
  try {
    return ok(await binding.request(descriptor, bytes));
  } catch {
    return err(refusal("NSM_UNAVAILABLE"));
  }
}
