// Child programs of `npm start`: started with the pinned Node, their output kept in a log file,
// ended with us. A program is ready when it prints a line that its caller knows.

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT_FOLDER = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const PRELOAD = join(ROOT_FOLDER, "scripts/local/end-with-parent.ts");
const STOP_DEADLINE_MS = 12_000;

export type ProgramWish = {
  readonly name: string;
  /** From the repository's folder. */
  readonly file: string;
  readonly args: readonly string[];
  readonly logFolder: string;
  /** What it answers of the ready line, or null while the line is another one. */
  readonly readReady: (line: string) => string | null;
};

export class Program {
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly #exited: Promise<number>;
  readonly ready: Promise<string>;
  #isStopping = false;
  #lastLines = "";

  constructor(wish: ProgramWish) {
    this.#log = createWriteStream(join(wish.logFolder, `${wish.name}.log`), { flags: "a" });
    this.#child = spawn(
      process.execPath,
      ["--no-warnings", "--import", PRELOAD, join(ROOT_FOLDER, wish.file), ...wish.args],
      { stdio: ["ignore", "pipe", "pipe", "ipc"] },
    );
    this.#exited = new Promise((settle) => {
      this.#child.once("exit", (code) => settle(code ?? -1));
    });
    this.ready = this.#awaitReady(wish);
    // Whoever starts a program may look at its readiness later.
    this.ready.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get exited(): Promise<number> {
    return this.#exited;
  }

  /** The end of what it printed. */
  get lastLines(): string {
    return this.#lastLines;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#exited;
    clearTimeout(timer);
    this.#log.end();
  }

  #awaitReady(wish: ProgramWish): Promise<string> {
    return new Promise((settle, fail) => {
      let pending = "";
      const read = (chunk: Buffer) => {
        this.#log.write(chunk);
        pending += chunk.toString("utf8");
        for (let end = pending.indexOf("\n"); end >= 0; end = pending.indexOf("\n")) {
          const line = pending.slice(0, end);
          pending = pending.slice(end + 1);
          this.#lastLines = `${this.#lastLines}${line}\n`.slice(-2000);
          const ready = wish.readReady(line);
          if (ready !== null) settle(ready);
        }
      };
      this.#child.stdout?.on("data", read);
      this.#child.stderr?.on("data", read);
      this.#child.once("exit", (code) =>
        fail(new Error(`${wish.name} ended with ${code ?? "a signal"}:\n${this.#lastLines}`)),
      );
    });
  }
}

/** Ready at the first line that contains `text`. */
export function readyAt(text: string): (line: string) => string | null {
  return (line) => (line.includes(text) ? line : null);
}

/** `{ "kms-key": "x" }` as `["--kms-key", "x"]`. */
export function argumentsOf(options: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
}
