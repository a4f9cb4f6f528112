// Acts on many keys, some at a time: a store that writes each key alone has a deadline for each
// write, which would pass in the queue if a thousand began at once. It must never leave one out.

/** As many writes as a store has connections. */
const ACT_COUNT_MAX = 64;

/** Outcomes in the order of the items. `run` never rejects. */
export async function inTurns<Item, Outcome>(
  items: readonly Item[],
  run: (item: Item) => Promise<Outcome>,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  // One iterator for all of them: what one takes no other does.
  const left = items.entries();
  const work = async (): Promise<void> => {
    for (const [at, item] of left) outcomes[at] = await run(item);
  };
  await Promise.all(Array.from({ length: ACT_COUNT_MAX }, work));
  return outcomes;
}
