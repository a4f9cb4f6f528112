// How far a long command has come: one line that is redrawn on a terminal, a plain line every few
// seconds otherwise. It must never write to stdout, which belongs to the command's result.

export type ProgressOutput = {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
};

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 10_000;
const BAR_WIDTH = 24;

export class Progress {
  readonly #output: ProgressOutput;
  readonly #label: string;
  readonly #totalCount: number;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #doneCount = 0;
  /** Units that were there before we began: they say nothing about our speed. */
  #freeCount = 0;
  #shownMs: number;

  constructor(
    output: ProgressOutput,
    label: string,
    totalCount: number,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#output = output;
    this.#label = label;
    this.#totalCount = totalCount;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#shownMs = this.#startMs;
  }

  /** `isFree` for what took no time, such as work of an earlier run. */
  advance(count = 1, isFree = false): void {
    this.#doneCount += count;
    if (isFree) this.#freeCount += count;
    const nowMs = this.#nowMs();
    const intervalMs = this.#isTerminal() ? REDRAW_MS : PLAIN_LINE_MS;
    if (nowMs - this.#shownMs < intervalMs) return;
    this.#shownMs = nowMs;
    this.#show(nowMs);
  }

  /** Ends the line of a terminal, so that other output starts on its own. */
  end(): void {
    if (!this.#isTerminal()) return;
    this.#show(this.#nowMs());
    this.#output.write("\n");
  }

  #isTerminal(): boolean {
    return this.#output.isTTY === true;
  }

  #show(nowMs: number): void {
    const line = this.line(nowMs);
    if (!this.#isTerminal()) this.#output.write(`${line}\n`);
    else this.#output.write(`\r\u001B[K${line.slice(0, (this.#output.columns ?? 80) - 1)}`);
  }

  line(nowMs: number): string {
    const share = this.#totalCount === 0 ? 1 : this.#doneCount / this.#totalCount;
    const filled = Math.floor(share * BAR_WIDTH);
    const bar = `[${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}]`;
    const left = formatDuration(this.#leftMs(nowMs));
    const counts = `${this.#doneCount}/${this.#totalCount}`;
    return `${this.#label} ${bar} ${counts} ${Math.floor(share * 100)}%${left}`;
  }

  #leftMs(nowMs: number): number | null {
    const workedCount = this.#doneCount - this.#freeCount;
    const leftCount = this.#totalCount - this.#doneCount;
    if (workedCount <= 0 || leftCount <= 0) return null;
    return ((nowMs - this.#startMs) / workedCount) * leftCount;
  }
}

function formatDuration(ms: number | null): string {
  if (ms === null) return "";
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `, ${seconds} s left`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `, ${minutes} min ${seconds % 60} s left`;
  return `, ${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}
