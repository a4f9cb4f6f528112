// A Tendermint chain, for histories: two keys, hostile nodes that ask for votes and proposals, and
// another signer that takes over what was retired.

import {
  comparePositions,
  type Position,
  positionOfWire,
} from "../../enclave/core/chains/tendermint/position.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import {
  describeMessage,
  isDuplicate,
  isRetimed,
  type SignedMessage,
} from "../fakes/duplicate-vote.ts";
import { ConsensusEnclave } from "./consensus-enclave.ts";
import {
  CONSENSUS_KEYS,
  type ConsensusRequest,
  duelMessage,
  hostileMessage,
  nearPosition,
  placesOf,
  soberRound,
} from "./consensus-validator.ts";
import type { Clock } from "./enclave-life.ts";
import type { Random } from "./random.ts";
import { type Pairs, Slashed } from "./recorder.ts";
import type { SimulatedChain, Sober } from "./simulated-chain.ts";

/** One vote was released with two times: peers take it for a fault. */
export class Retimed extends Error {
  override readonly name = "Retimed";
}

export type SignedConsensus = { readonly message: SignedMessage; readonly root: string };

export const CONSENSUS_PAIRS: Pairs<SignedConsensus> = {
  harmOf: ({ message: first }, { message: second }) => {
    const both = `${describeMessage(first)} and then ${describeMessage(second)}`;
    if (isDuplicate(first, second)) return new Slashed(both);
    return isRetimed(first, second) ? new Retimed(both) : null;
  },
  describe: ({ message }) => describeMessage(message),
};

export class ConsensusChain
  implements SimulatedChain<ConsensusEnclave, ConsensusRequest, SignedConsensus>
{
  readonly keys = CONSENSUS_KEYS;
  readonly pairs = CONSENSUS_PAIRS;

  #bootCount = 0;

  boot(clock: Clock): ConsensusEnclave {
    this.#bootCount += 1;
    const bootId = new Uint8Array(16);
    new DataView(bootId.buffer).setUint32(12, this.#bootCount);
    return new ConsensusEnclave(clock, bootId);
  }

  async ask(
    enclave: ConsensusEnclave,
    key: BundleKey,
    request: ConsensusRequest,
  ): Promise<Result<SignedConsensus, Refusal>> {
    const signed = await enclave.request(key, request);
    return signed.ok ? ok({ message: signed.value, root: request.root }) : signed;
  }

  hostile(random: Random, unixMs: number, known: ConsensusRequest | undefined): ConsensusRequest {
    return hostileMessage(random, unixMs, known);
  }

  duel(random: Random, unixMs: number): ConsensusRequest {
    return duelMessage(random, unixMs);
  }

  sober(unixMs: number): readonly Sober<ConsensusRequest>[] {
    return soberRound(unixMs);
  }

  amend(
    enclave: ConsensusEnclave,
    key: BundleKey,
    random: Random,
    unixMs: number,
  ): Promise<Result<unknown, Refusal>> {
    const position = nearPosition(random, unixMs);
    return random.chance(0.5) ? enclave.init(key) : enclave.raise(key, position);
  }

  async retire(
    enclave: ConsensusEnclave,
    key: BundleKey,
  ): Promise<readonly SignedConsensus[] | null> {
    const retired = await enclave.retire(key);
    if (!retired.ok) return null;
    const state = retired.value[0]?.state;
    invariant(state?.isRetired === true, "the proof is of a tombstone");
    return signedAbove(this.lastOf(state));
  }

  /** What the other signer is told. */
  lastOf({ last }: ConsensusState): Position | null {
    return last === null ? null : positionOfWire(last);
  }

  /** Heights do not follow the clock: there is no floor by time. */
  isBelowFloor(): boolean {
    return false;
  }
}

/** More than a history goes through. */
const HEIGHT_COUNT = 60;

/** Another signer, that was told this last place of a key, signs everything near above it. */
function signedAbove(last: Position | null): readonly SignedConsensus[] {
  const from = last === null ? 1 : Number(last.height);
  const to = last === null ? HEIGHT_COUNT : from + 2;
  return placesOf(from, to)
    .filter((place) => last === null || comparePositions(place, last) > 0)
    .map(({ height, round, step }) => {
      const place = { type: step, height: Number(height), round };
      const root = "another signer's";
      return { message: { ...place, block: root, time: 0 }, root };
    });
}
