// Logs: JSON lines on standard output. Only the fields of LogFields are written, each by name, so
// that whatever else an object carries can't leak; it must never log a body, a secret or a stack.
// It is bounded: a flood of refusals is counted, and costs one line a second.

import { type DestinationStream, pino } from "pino";
import type { Log, LogFields } from "../ports.ts";
import type { LogLevel } from "./config.ts";

/** The allow-list. A table, so that a new field of LogFields does not compile without its line. */
const IS_LOGGED: Readonly<Record<keyof LogFields, true>> = {
  code: true,
  client: true,
  key: true,
  kind: true,
  status: true,
  durationMs: true,
  phase: true,
  bundle: true,
  count: true,
  slot: true,
  epoch: true,
  address: true,
  host: true,
  path: true,
  reason: true,
  version: true,
  chain: true,
  position: true,
  peer: true,
};

const TEXT_LENGTH_MAX = 512;
const LINES_PER_SECOND_MAX = 500;

type Line = Record<string, string | number>;

/** Writes to standard output, unless another destination is given. */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ fd: 1, sync: false }),
  );
  const budget = new LineBudget();
  const write = (at: LogLevel, event: string, fields: LogFields | undefined): void => {
    if (!logger.isLevelEnabled(at)) return;
    const suppressedCount = budget.take(event, Date.now());
    if (suppressedCount === null) return;
    if (suppressedCount > 0) logger.warn({ count: suppressedCount }, "log.suppressed");
    logger[at](lineOf(fields), event);
  };
  return {
    info: (event, fields) => write("info", event, fields),
    warn: (event, fields) => write("warn", event, fields),
    error: (event, fields) => write("error", event, fields),
  };
}

function isLogged(name: string): name is keyof LogFields {
  return Object.hasOwn(IS_LOGGED, name);
}

function lineOf(fields: LogFields | undefined): Line {
  const line: Line = {};
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (!isLogged(name)) continue;
    // Callers are typed, but an object that came through a wider type may carry anything.
    if (typeof value === "number") line[name] = value;
    if (typeof value === "string") line[name] = value.slice(0, TEXT_LENGTH_MAX);
  }
  return line;
}

/**
 * So many lines of an event in each second of the clock; those above are counted. Each event has
 * its own: a flood of refusals must not hide the one line that says why nothing is signed, or which
 * enclave signs from now on. Events are names in the code, so there are few.
 */
class LineBudget {
  #second = 0;
  readonly #lineCounts = new Map<string, number>();
  #suppressedCount = 0;

  /** How many lines were suppressed before this one; null when this one is to be suppressed. */
  take(event: string, nowMs: number): number | null {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lineCounts.clear();
    }
    const lineCount = this.#lineCounts.get(event) ?? 0;
    if (lineCount >= LINES_PER_SECOND_MAX) {
      this.#suppressedCount += 1;
      return null;
    }
    this.#lineCounts.set(event, lineCount + 1);
    const suppressedCount = this.#suppressedCount;
    this.#suppressedCount = 0;
    return suppressedCount;
  }
}
