// Explores every state that a model can reach, breadth first, so that a harm is found by a shortest
// way. States are told apart by their names alone: two with one name must behave alike.

export type Step<S> = { readonly action: string; readonly state: S };

export type Model<S> = {
  readonly start: S;
  readonly nameOf: (state: S) => string;
  /** Every state that follows this one, with what has to happen for it. */
  readonly follow: (state: S) => Iterable<Step<S>>;
  /** What must never be; null when all is well. */
  readonly harmOf: (state: S) => string | null;
};

export type Exploration = {
  readonly stateCount: number;
  readonly transitionCount: number;
  /** Length of the longest of the shortest ways. */
  readonly depth: number;
  /** How often each kind of action was taken, by the first word of its name. */
  readonly actions: ReadonlyMap<string, number>;
  readonly harm: { readonly what: string; readonly way: readonly string[] } | null;
};

type Seen = { readonly from: string | null; readonly action: string };

/** Throws when there are more states than `stateCountMax`: then nothing was shown. */
export function explore<S>(model: Model<S>, stateCountMax: number): Exploration {
  const seen = new Map<string, Seen>();
  const actions = new Map<string, number>();
  let transitionCount = 0;
  let depth = 0;
  seen.set(model.nameOf(model.start), { from: null, action: "" });
  let level: readonly S[] = [model.start];
  while (level.length > 0) {
    const next: S[] = [];
    for (const state of level) {
      const from = model.nameOf(state);
      for (const { action, state: after } of model.follow(state)) {
        transitionCount += 1;
        const kind = action.split(" ", 1)[0] ?? "";
        actions.set(kind, (actions.get(kind) ?? 0) + 1);
        const name = model.nameOf(after);
        if (seen.has(name)) continue;
        seen.set(name, { from, action });
        const what = model.harmOf(after);
        if (what !== null) {
          const harm = { what, way: wayTo(seen, name) };
          return { stateCount: seen.size, transitionCount, depth, actions, harm };
        }
        if (seen.size > stateCountMax) throw new Error(`more than ${stateCountMax} states`);
        next.push(after);
      }
    }
    if (next.length > 0) depth += 1;
    level = next;
  }
  return { stateCount: seen.size, transitionCount, depth, actions, harm: null };
}

function wayTo(seen: ReadonlyMap<string, Seen>, name: string): readonly string[] {
  const way: string[] = [];
  for (let at = seen.get(name); at !== undefined && at.from !== null; at = seen.get(at.from)) {
    way.push(at.action);
  }
  return way.toReversed();
}
