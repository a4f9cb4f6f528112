// A program of others, whose output goes to a file, and which ends no later than we do. It must
// never be left behind: what it listens on would be in the way of the next run.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

const STOP_DEADLINE_MS = 10_000;
const LOG_LINES = 12;

export class LoggedProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  /** Null when a signal ended it, or it never ran. */
  readonly exited: Promise<number | null>;
  #isOver = false;

  constructor(program: string, args: readonly string[], logFile: string) {
    this.#logFile = logFile;
    const log = openSync(logFile, "a");
    const child = spawn(program, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    const killWithUs = (): void => void child.kill("SIGKILL");
    process.once("exit", killWithUs);
    this.#child = child;
    this.exited = new Promise((settle) => {
      const over = (code: number | null): void => {
        this.#isOver = true;
        process.off("exit", killWithUs);
        settle(code);
      };
      child.once("error", () => over(null));
      child.once("exit", over);
    });
  }

  /** 0 when it never ran. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_DEADLINE_MS);
    this.#child.kill("SIGTERM");
    await this.exited;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  logCount(text: string): number {
    return readFileSync(this.#logFile, "utf8").split(text).length - 1;
  }

  logEnd(): string {
    const lines = readFileSync(this.#logFile, "utf8").trimEnd().split("\n");
    return lines.slice(-LOG_LINES).join("\n");
  }
}
