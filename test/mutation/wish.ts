// How a trial is told which mutant to load: the module, and the part of its text (in UTF-16 units)
// that is replaced. An empty part replaced by nothing is the module as it is.

export const MUTANT_VARIABLE = "REDOUBT_MUTANT";
/** After how many ms a trial ends itself and what it has started. */
export const LIMIT_VARIABLE = "REDOUBT_MUTANT_LIMIT_MS";
/** Exit code of a process of tests that has not loaded the module in question. */
export const NOT_LOADED = 79;
/** Exit code of a process of tests in which one has failed. */
export const TEST_FAILED = 78;

export type Wish = {
  readonly url: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
};

export function encodeWish(wish: Wish): string {
  return JSON.stringify([wish.url, wish.start, wish.end, wish.text]);
}

export function parseWish(encoded: string): Wish {
  const fields: unknown = JSON.parse(encoded);
  if (!Array.isArray(fields)) throw new Error("a mutant is a list");
  const [url, start, end, text] = fields as readonly unknown[];
  const isWish = typeof url === "string" && typeof text === "string";
  if (!isWish || typeof start !== "number" || typeof end !== "number") {
    throw new Error("a mutant is [url, start, end, text]");
  }
  return { url, start, end, text };
}
