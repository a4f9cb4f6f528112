// Waits for what happens elsewhere in its own time. In vain it fails, long after it should have
// happened.

import assert from "node:assert/strict";

const POLL_MS = 2;
const WAIT_MS_MAX = 15_000;

export async function until(isTrue: () => boolean, waitMsMax = WAIT_MS_MAX): Promise<void> {
  const startMs = performance.now();
  while (!isTrue()) {
    assert.ok(performance.now() - startMs < waitMsMax, `in vain: ${isTrue.toString()}`);
    await new Promise((settle) => setTimeout(settle, POLL_MS));
  }
}
