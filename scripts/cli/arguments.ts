// The arguments of a command, split by Node's parser, with one rule more: an option that takes one
// value is given once. Which of two was meant is nobody's to guess.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { err, ok, type Result } from "../../shared/result.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What `parseArguments` answers for these options. */
export type Arguments<O extends Options> = Pick<
  ReturnType<typeof parseArgs<{ options: O; allowPositionals: true; strict: true }>>,
  "values" | "positionals"
>;

/** The error is one line for people; the exit code is 2. */
export function parseArguments<const O extends Options>(
  args: readonly string[],
  options: O,
): Result<Arguments<O>, string> {
  try {
    const how = { options, allowPositionals: true, strict: true, tokens: true } as const;
    const { values, positionals, tokens } = parseArgs({ ...how, args: [...args] });
    const names = tokens.flatMap((token) => (token.kind === "option" ? token.name : []));
    const twice = names.find(
      (name, index) => options[name]?.multiple !== true && names.indexOf(name) !== index,
    );
    return twice === undefined ? ok({ values, positionals }) : err(`--${twice} is given twice`);
  } catch (error) {
    return err(error instanceof Error ? error.message : "wrong options");
  }
}

/** As `parseArguments`, for a command that takes nothing but options. */
export function parseOptions<const O extends Options>(
  args: readonly string[],
  options: O,
): Result<Arguments<O>["values"], string> {
  const parsed = parseArguments(args, options);
  if (!parsed.ok) return parsed;
  const [stray] = parsed.value.positionals;
  return stray === undefined ? ok(parsed.value.values) : err(`takes no argument ${stray}`);
}
