// What became of one vector, and the frame in which each one runs. A vector must never end the
// runner: an exception, even one of a bug, and silence beyond the deadline are failures of the
// vector during which they came. Carrying on after a bug is right here only: the next vector starts
// with an enclave of its own.

export type VectorResult = {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly detail: string;
};

export type Verdict = Omit<VectorResult, "name">;

const DEADLINE_MS = 60_000;

export function passed(detail: string): Verdict {
  return { outcome: "passed", detail };
}

export function failed(detail: string): Verdict {
  return { outcome: "failed", detail };
}

export async function runCase(
  name: string,
  run: () => Verdict | Promise<Verdict>,
  deadlineMs = DEADLINE_MS,
): Promise<VectorResult> {
  const { promise: crash, reject } = Promise.withResolvers<never>();
  // Nobody waits for it any more when the case has ended by itself.
  crash.catch(() => {});
  // What is thrown in a callback of the enclave reaches no caller: it would end this process.
  const onCrash = (cause: unknown): void => reject(cause);
  process.on("uncaughtException", onCrash);
  const timer = setTimeout(() => reject(new Error("no end within the deadline")), deadlineMs);
  try {
    const running = (async () => run())();
    return { name, ...(await Promise.race([running, crash])) };
  } catch (cause) {
    const text =
      cause instanceof Error ? `${cause.name}: ${cause.message}` : "something was thrown";
    return { name, ...failed(text.split("\n").join(" ")) };
  } finally {
    clearTimeout(timer);
    process.off("uncaughtException", onCrash);
  }
}
