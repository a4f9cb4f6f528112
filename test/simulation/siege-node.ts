// What nodes of two chains would ask of an enclave under siege: votes and proposals around a height
// that goes on, few blocks, rounds and times, so that places meet often. Three keys, of which two
// are of one chain, so that a parent can say the wrong one.

import { createPrivateKey, createPublicKey } from "node:crypto";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import {
  HASH,
  NIL_BLOCK,
  OTHER_HASH,
  proposalRequest,
  voteRequest,
  type Wire,
  wire,
} from "../fakes/privval-node.ts";
import type { Random } from "./random.ts";
import type { Validator } from "./released-votes.ts";

/** PKCS#8 of an Ed25519 key up to the seed itself (RFC 8410 §7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const CHAINS = ["siege-1", "siege-1", "siege-2"] as const;
const ROUND_COUNT = 2;
const FIRST_HEIGHT = 10n;

export const SIEGE_KEYS: readonly BundleKey[] = CHAINS.map((_, index) => keyOf(index + 1));
export const VALIDATORS: readonly Validator[] = SIEGE_KEYS.map(({ publicKey }, index) => ({
  chainId: CHAINS[index] ?? "",
  publicKey,
}));

function keyOf(number: number): BundleKey {
  const secret = new Uint8Array(32).fill(number);
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, secret]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return { scheme: "ed25519", publicKey: new Uint8Array(spki.subarray(-32)), secret };
}

export const RESERVED_CHAIN = CHAINS[0];
const RESERVED_HEIGHTS = 4;

/** Of a manifest: both chains, and that the parent's store may be turned back. */
export function siegeChains(
  bootFloor: "off" | null,
  reserves: boolean,
): Readonly<Record<string, unknown>> {
  const chains = [...new Set(CHAINS)].map((chainId) => ({
    chainId,
    ...(reserves && chainId === RESERVED_CHAIN
      ? { reservation: { heights: RESERVED_HEIGHTS } }
      : {}),
    keys: VALIDATORS.filter((validator) => validator.chainId === chainId).map(
      ({ publicKey }) => `0x${encodeHex(publicKey)}`,
    ),
  }));
  return bootFloor === null ? { chains } : { bootFloor, chains };
}

/** The parameters of `privval`. */
export type Asked = {
  readonly chainId: string;
  readonly key: Uint8Array | null;
  readonly message: Uint8Array;
};

const BLOCKS: Readonly<Record<"nil" | "a" | "b", Wire>> = {
  nil: NIL_BLOCK,
  a: { 1: HASH, 2: { 1: 1, 2: HASH } },
  b: { 1: OTHER_HASH, 2: { 1: 1, 2: HASH } },
};
type BlockName = keyof typeof BLOCKS;
const TYPES = ["proposal", "prevote", "precommit"] as const;
const VOTE_TYPES = { prevote: 1, precommit: 2 } as const;

export type Wanted = {
  readonly type: (typeof TYPES)[number];
  readonly height: bigint;
  readonly round: number;
  readonly block: BlockName;
  readonly time: number;
  readonly extension: string | undefined;
  readonly skipsExtension: boolean;
};

export class SiegeNode {
  readonly #random: Random;
  readonly #heights = new Map<Validator, bigint>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** A validator's own request: right in itself, and often against another one. */
  ask(): Asked {
    const validator = this.#random.pick(VALIDATORS) ?? anyValidator();
    const height = this.#heights.get(validator) ?? FIRST_HEIGHT;
    if (this.#random.chance(0.2)) this.#heights.set(validator, height + 1n);
    return askOf(validator, this.#want(height), this.#random.chance(0.8));
  }

  /** The chain is there by now. */
  learn(validator: Validator, height: bigint): void {
    this.#heights.set(validator, height);
  }

  /** One vote, and another of the same place. */
  soberAsk(validator: Validator, block: "nil" | "a"): Asked {
    const height = this.#heights.get(validator) ?? FIRST_HEIGHT;
    const place = { height, round: ROUND_COUNT, time: 1000 };
    const more = { extension: "x", skipsExtension: false };
    return askOf(validator, { type: "precommit", ...place, block, ...more }, true);
  }

  #want(height: bigint): Wanted {
    const random = this.#random;
    return {
      type: random.pick(TYPES) ?? "prevote",
      height: height + (random.chance(0.7) ? 0n : BigInt(random.between(-1, 2))),
      round: random.below(ROUND_COUNT),
      block: random.pick(["nil", "a", "b"] as const) ?? "nil",
      time: 1000 + random.below(2),
      extension: random.chance(0.5) ? undefined : `extension ${random.below(2)}`,
      skipsExtension: random.chance(0.3),
    };
  }
}

function anyValidator(): Validator {
  const [first] = VALIDATORS;
  if (first === undefined) throw new Error("there are validators");
  return first;
}

function askOf({ chainId, publicKey }: Validator, wanted: Wanted, namesKey: boolean): Asked {
  return { chainId, key: namesKey ? publicKey : null, message: messageOf(chainId, wanted) };
}

function messageOf(chainId: string, wanted: Wanted): Uint8Array {
  const { type, height, round, block, time, extension, skipsExtension } = wanted;
  const place: Wire = { 2: height, 3: round };
  if (type === "proposal") {
    const blockId = BLOCKS[block === "nil" ? "b" : block];
    const changes = { ...place, 4: round - 1, 5: blockId, 6: { 1: time } };
    return proposalRequest(changes, { 2: chainId });
  }
  // Nothing else may carry one.
  const isExtended = type === "precommit" && block !== "nil";
  const changes = { 1: VOTE_TYPES[type], 4: BLOCKS[block], 5: { 1: time } };
  return voteRequest(
    { ...place, ...changes, 9: isExtended ? extension : undefined },
    { 2: chainId, ...(skipsExtension ? { 3: 1 } : {}) },
  );
}

/** The same message in the place of another: what a parent may hope is parsed in two ways. */
export function nestedIn(message: Uint8Array, random: Random): Uint8Array {
  const arm = random.pick([1, 3, 4, 5, 6, 9, 15]) ?? 3;
  switch (random.weighted({ retagged: 4, whole: 2, inner: 2, twice: 2, beside: 2 })) {
    case "retagged":
      return Uint8Array.of(arm * 8 + 2, ...message.subarray(1));
    case "whole":
      return wire({ [arm]: message });
    case "inner":
      return wire({ [arm]: { 1: message, 2: "siege-1" } });
    case "twice":
      return new Uint8Array(Buffer.concat([message, message]));
    case "beside":
      return new Uint8Array(Buffer.concat([message, wire({ [arm]: message })]));
  }
}
