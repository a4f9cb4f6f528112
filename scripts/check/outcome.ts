// What a check found, in the form that the summary adds up.

export type Failure = { readonly name: string; readonly output: string };

export type Outcome = {
  readonly passedCount: number;
  readonly skippedCount: number;
  /** One for each failed case. */
  readonly failures: readonly Failure[];
  /** What a stranger should know although it passed (how many vectors ran). */
  readonly notes: readonly string[];
};

const OUTPUT_LINES_MAX = 200;

/** The end of a long output: the reason of a failure comes last. */
export function lastLines(text: string): string {
  const lines = text.trimEnd().split("\n");
  if (lines.length <= OUTPUT_LINES_MAX) return lines.join("\n");
  const left = lines.length - OUTPUT_LINES_MAX;
  return [`(${left} lines before this)`, ...lines.slice(left)].join("\n");
}
