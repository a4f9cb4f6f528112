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
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      const item = items[at];
      if (item !== undefined) outcomes[at] = await run(item);
    }
  };
  await Promise.all(Array.from({ length: ACT_COUNT_MAX }, work));
  return outcomes;
}
