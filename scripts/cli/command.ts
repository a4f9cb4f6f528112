// What a command of `scripts/redoubt` is. Exit codes: 0 ok, 1 refused or failed check, 2 usage.

export type ExitCode = 0 | 1 | 2;

/** What a command prints and how it ends, for commands that do nothing else. */
export type Outcome = {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
};

export type Command = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints: synopsis, options, an example. */
  readonly usage: string;
  /** Gets what follows the command's name. Writes to stdout and stderr itself. */
  readonly run: (args: readonly string[]) => Promise<ExitCode>;
};

export function printOutcome({ exitCode, stdout, stderr }: Outcome): ExitCode {
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  return exitCode;
}
