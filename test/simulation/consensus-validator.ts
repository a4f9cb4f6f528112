// A hostile node of a Tendermint chain, and a sober one: requests around one height that goes on
// with the clock, as nodes write them. There are two blocks, three rounds and two times, so
// that places meet often.

import { proposalRoot, voteRoot } from "../../enclave/core/chains/tendermint/canonical.ts";
import type { Position } from "../../enclave/core/chains/tendermint/position.ts";
import { parsePrivvalMessage } from "../../enclave/core/chains/tendermint/privval-message.ts";
import { parseManifest, type TendermintManifest } from "../../enclave/core/manifest.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { blockName } from "../fakes/canonical-message.ts";
import type { SignedMessage } from "../fakes/duplicate-vote.ts";
import {
  CHAIN,
  HASH,
  NIL_BLOCK,
  OTHER_HASH,
  proposalRequest,
  voteRequest,
  type Wire,
  wire,
} from "../fakes/privval-node.ts";
import { KEY_ARN } from "../fakes/sealed-keys.ts";
import type { Random } from "./random.ts";
import type { Sober } from "./simulated-chain.ts";
import { slotOf } from "./validator.ts";

/** No curve has them: what is signed "by" them is told in clear (`ConsensusEnclave`). */
export const CONSENSUS_KEYS: readonly BundleKey[] = [0xa1, 0xa2].map((byte) => ({
  scheme: "ed25519",
  publicKey: new Uint8Array(32).fill(byte),
  secret: new Uint8Array(32).fill(byte),
}));

export const consensusManifest: TendermintManifest = readManifest();

function readManifest(): TendermintManifest {
  const keys = CONSENSUS_KEYS.map(({ publicKey }) => `0x${encodeHex(publicKey)}`);
  const parsed = parseManifest(
    new TextEncoder().encode(
      JSON.stringify({
        redoubt: 1,
        kms: { keyArn: KEY_ARN },
        state: { kind: "parent" },
        tendermint: { bootFloor: "off", chains: [{ chainId: CHAIN, keys }] },
      }),
    ),
  );
  invariant(parsed.ok && parsed.value.family === "tendermint", "the simulation's manifest fits");
  return parsed.value;
}

const SLOTS_PER_HEIGHT = 4;
const ROUND_COUNT = 3;
const TYPES = ["proposal", "prevote", "precommit"] as const;
const VOTE_TYPES = { prevote: 1, precommit: 2 } as const;
const BLOCK_NAMES = ["nil", "a", "b"] as const;
type BlockName = (typeof BLOCK_NAMES)[number];
const BLOCKS: Readonly<Record<BlockName, Wire>> = {
  nil: NIL_BLOCK,
  a: { 1: HASH, 2: { 1: 1, 2: HASH } },
  b: { 1: OTHER_HASH, 2: { 1: 1, 2: HASH } },
};

type Asked = Pick<SignedMessage, "type" | "height" | "round" | "time"> & {
  /** A proposal is never for nil. */
  readonly block: BlockName;
  /** v1 and v2: without a signature of the extension. */
  readonly skipsExtension: boolean;
};

export type ConsensusRequest = {
  readonly asked: Asked;
  /** What is to be signed, with the block's own name. */
  readonly message: SignedMessage;
  readonly bytes: Uint8Array;
  /** That its receipt has to state, in hexadecimal digits. */
  readonly root: string;
};

/** Of a few thousand that there are: they are asked for again and again. */
const REQUESTS = new Map<string, ConsensusRequest>();

function consensusRequest({ type, height, round, block, time, skipsExtension }: Asked) {
  const proposed = type === "proposal" && block === "nil" ? "b" : block;
  const asked: Asked = { type, height, round, block: proposed, time, skipsExtension };
  const name = Object.values(asked).join();
  const known = REQUESTS.get(name) ?? encodeRequest(asked);
  REQUESTS.set(name, known);
  return known;
}

function encodeRequest(asked: Asked): ConsensusRequest {
  const { type, height, round, time, block } = asked;
  const place: Wire = { 2: height, 3: round };
  const bytes =
    type === "proposal"
      ? proposalRequest({ ...place, 4: round - 1, 5: BLOCKS[block], 6: { 1: time } })
      : voteRequest(
          { ...place, 1: VOTE_TYPES[type], 4: BLOCKS[block], 5: { 1: time }, 9: undefined },
          asked.skipsExtension ? { 3: 1 } : {},
        );
  const isProposal = type === "proposal";
  const blockId = block === "nil" ? new Uint8Array(0) : wire(BLOCKS[block]);
  const named = blockName(blockId, isProposal ? round - 1 : null);
  const message = { type, height, round, time, block: named };
  return { asked, message, bytes, root: rootOf(bytes) };
}

function rootOf(bytes: Uint8Array): string {
  const parsed = parsePrivvalMessage(bytes, "signBytes");
  invariant(parsed.ok, "what the simulation asks for is well-formed");
  const request = parsed.value;
  if (request.kind === "vote") return encodeHex(voteRoot(request.vote, CHAIN));
  invariant(request.kind === "proposal", "the simulation asks for votes and proposals");
  return encodeHex(proposalRoot(request.proposal, CHAIN));
}

/** One height for some slots: boots and rounds fall within it. */
function heightAt(unixMs: number): number {
  return Math.floor(Math.max(0, slotOf(unixMs)) / SLOTS_PER_HEIGHT) + 2;
}

/** Something at the edge of the present, or against what was asked before. */
export function hostileMessage(
  random: Random,
  unixMs: number,
  known: ConsensusRequest | undefined,
): ConsensusRequest {
  const free: Asked = {
    type: random.pick(TYPES) ?? "prevote",
    height: heightAt(unixMs) + (random.chance(0.7) ? 0 : random.between(-1, 1)),
    round: random.below(ROUND_COUNT),
    block: random.pick(BLOCK_NAMES) ?? "nil",
    time: 1000 + random.below(2),
    skipsExtension: random.chance(0.7),
  };
  if (known === undefined) return consensusRequest(free);
  const { asked } = known;
  switch (random.weighted({ double: 6, retimed: 3, step: 4, round: 2, height: 1 })) {
    case "double":
      return consensusRequest({ ...asked, block: free.block, time: free.time });
    case "retimed":
      return consensusRequest({ ...asked, time: free.time });
    case "step":
      return consensusRequest({ ...asked, type: free.type, block: free.block });
    case "round":
      return consensusRequest({ ...asked, round: free.round, block: free.block });
    case "height":
      return consensusRequest({ ...asked, height: free.height });
  }
}

/** A vote of one round, for a block or nil. */
export function duelMessage(random: Random, unixMs: number): ConsensusRequest {
  return consensusRequest({
    type: random.chance(0.5) ? "prevote" : "precommit",
    height: heightAt(unixMs),
    round: random.below(ROUND_COUNT),
    block: random.chance(0.5) ? "nil" : "a",
    time: 1000 + random.below(2),
    skipsExtension: true,
  });
}

/** A round above everything that was asked for; each vote also with another time. */
export function soberRound(unixMs: number): readonly Sober<ConsensusRequest>[] {
  const place = { height: heightAt(unixMs) + 2, round: 0, skipsExtension: false };
  return TYPES.map((type) => ({
    requests: [1000, 1001].map((time) => consensusRequest({ ...place, type, block: "a", time })),
    contradiction: consensusRequest({ ...place, type, block: "nil", time: 1000 }),
  }));
}

/** Where anything may be asked for from the one height to the other. */
export function placesOf(from: number, to: number): readonly Position[] {
  const heights = Array.from({ length: to - from + 1 }, (_, index) => BigInt(from + index));
  const rounds = Array.from({ length: ROUND_COUNT }, (_, round) => round);
  return heights.flatMap((height) =>
    rounds.flatMap((round) => TYPES.map((step) => ({ height, round, step }))),
  );
}

/** Where an import may say that another signer went on. */
export function nearPosition(random: Random, unixMs: number): Position {
  const height = BigInt(Math.max(1, heightAt(unixMs) + random.between(-3, 0)));
  return { height, round: random.below(ROUND_COUNT), step: random.pick(TYPES) ?? "prevote" };
}
