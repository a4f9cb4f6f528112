// Ethereum, for histories: two keys of one small network, hostile validators, and another signer
// that takes over what was retired.

import type { EthereumFloor } from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import { describeSigned, isSlashablePair, type Signed } from "../fakes/slashable-pair.ts";
import type { Clock } from "./enclave-life.ts";
import type { Random } from "./random.ts";
import { type Pairs, Slashed } from "./recorder.ts";
import type { SimulatedChain, Sober } from "./simulated-chain.ts";
import { KEYS, type Sabotage, SimulatedEnclave } from "./simulated-enclave.ts";
import {
  blockRequest,
  duelRequest,
  hostileRequest,
  type Request,
  SLOTS_PER_EPOCH,
  slotOf,
  voteRequest,
} from "./validator.ts";

export const ETHEREUM_PAIRS: Pairs<Signed> = {
  harmOf: (first, second) =>
    isSlashablePair(first, second)
      ? new Slashed(`${describeSigned(first)} and then ${describeSigned(second)}`)
      : null,
  describe: describeSigned,
};

const NO_FLOOR: EthereumFloor = { slot: 0n, source: 0n, target: 0n };
/** On a shared table: every record is the newest. */
export const WITHOUT_FLOOR: Sabotage = { floorAt: () => NO_FLOOR };

export class EthereumChain implements SimulatedChain<SimulatedEnclave, Request, Signed> {
  readonly keys = KEYS;
  readonly pairs = ETHEREUM_PAIRS;
  readonly #sabotage: Sabotage;

  constructor(sabotage: Sabotage) {
    this.#sabotage = sabotage;
  }

  boot(clock: Clock, random: Random): SimulatedEnclave {
    return new SimulatedEnclave(clock, random, this.#sabotage);
  }

  async ask(
    enclave: SimulatedEnclave,
    key: BundleKey,
    request: Request,
  ): Promise<Result<Signed, Refusal>> {
    const answer = await enclave.request(key, request);
    if (!answer.ok) return answer;
    return ok({ claim: request.claim, root: encodeHex(answer.value.signature) });
  }

  hostile(random: Random, unixMs: number, known: Request | undefined): Request {
    return hostileRequest(random, unixMs, known?.claim);
  }

  duel(random: Random, unixMs: number): Request {
    return duelRequest(random, unixMs);
  }

  sober(unixMs: number): readonly Sober<Request>[] {
    const slot = slotOf(unixMs);
    const epoch = BigInt(Math.floor(slot / SLOTS_PER_EPOCH));
    const requests = [blockRequest(BigInt(slot), 0), voteRequest(epoch - 1n, epoch, 0)];
    return [{ requests, contradiction: blockRequest(BigInt(slot), 1) }];
  }

  amend(
    enclave: SimulatedEnclave,
    key: BundleKey,
    random: Random,
    unixMs: number,
  ): Promise<Result<unknown, Refusal>> {
    const slot = Math.max(0, slotOf(unixMs) + random.between(-8, 1));
    const target = BigInt(Math.floor(slot / SLOTS_PER_EPOCH));
    const source = target === 0n ? 0n : target - 1n;
    const maxima = { blockSlot: BigInt(slot), source, target };
    return random.chance(0.5) ? enclave.init(key) : enclave.raise(key, maxima);
  }

  async retire(enclave: SimulatedEnclave, key: BundleKey): Promise<readonly Signed[] | null> {
    const retired = await enclave.retire(key);
    if (!retired.ok) return null;
    const state = retired.value[0]?.state;
    invariant(state?.isRetired === true, "the proof is of a tombstone");
    return signedAbove(state);
  }

  isBelowFloor(enclave: SimulatedEnclave, key: BundleKey, unixMs: number): boolean {
    const slot = BigInt(slotOf(unixMs));
    return (enclave.floorOf(key)?.slot ?? slot) > slot;
  }
}

/** Another signer, that was told this last record of a key, signs as much above it as it may. */
function signedAbove(
  last: Pick<EthereumState, "blockSlot" | "source" | "target">,
): readonly Signed[] {
  const source = last.source ?? 0n;
  return [1n, 2n, 3n, 4n].flatMap((above): readonly Signed[] => [
    {
      claim: { kind: "block", slot: (last.blockSlot ?? -1n) + above },
      root: "another signer's",
    },
    {
      claim: { kind: "attestation", source, target: (last.target ?? 0n) + above },
      root: "another signer's",
    },
  ]);
}
