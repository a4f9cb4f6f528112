// What must be true unless the program is wrong. A violated invariant ends the process: it must
// never be caught to carry on, because the state it guards is no longer what the code believes.

export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

export function invariant(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new InvariantError(claim);
}
