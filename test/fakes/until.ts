// Waits for what happens elsewhere in its own time. The test runner's own limit ends a wait in vain.

const POLL_MS = 2;

export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((settle) => setTimeout(settle, POLL_MS));
}
