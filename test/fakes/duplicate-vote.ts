// What CometBFT takes for evidence, written from its specification (`DuplicateVoteEvidence`) and
// not from our rule: it knows no order, no watermarks, no floors and no roots, only pairs of what
// was signed. Proposals are no evidence, and are held to the same here.

export type SignedMessage = {
  readonly type: "proposal" | "prevote" | "precommit";
  readonly height: number;
  readonly round: number;
  /** "nil", or the name of a block; of a proposal with its pol_round. */
  readonly block: string;
  /** The time that the signature states. */
  readonly time: number;
};

/** One validator, one height, one round, one type, two blocks (or one and none). */
export function isDuplicate(first: SignedMessage, second: SignedMessage): boolean {
  return isSamePlace(first, second) && first.block !== second.block;
}

/** Not slashable, but a fault to its peers (`ErrVoteNonDeterministicSignature`). */
export function isRetimed(first: SignedMessage, second: SignedMessage): boolean {
  const isVote = first.type !== "proposal";
  return isVote && isSamePlace(first, second) && first.time !== second.time;
}

function isSamePlace(first: SignedMessage, second: SignedMessage): boolean {
  return (
    first.type === second.type && first.height === second.height && first.round === second.round
  );
}

export function describeMessage({ type, height, round, block, time }: SignedMessage): string {
  return `${type} ${height}/${round} ${block} @${time}`;
}
