// A whole enclave that signs for one Tendermint chain, over a scripted store, asked as a node asks.

import assert from "node:assert/strict";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { bytesIn, parseProto } from "../../shared/bytes/protobuf.ts";
import { PRIVVAL_ARMS, type PrivvalArm } from "../../shared/privval.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import { COMETBFT_KEYS } from "./cometbft-keys.ts";
import { MemoryStore } from "./memory-store.ts";
import { CHAIN, fromHex, hexOf } from "./privval-node.ts";
import { type RigWish, ServiceRig } from "./service-rig.ts";

/** Of each scheme one; both forms of secp256k1 with one secret would be one public key. */
export const CONSENSUS_KEYS: readonly BundleKey[] = COMETBFT_KEYS.filter(
  ({ publicKey }, index, all) => all.findIndex((key) => key.publicKey === publicKey) === index,
).map(({ scheme, publicKey, secret }) => ({
  scheme,
  publicKey: fromHex(publicKey),
  secret: fromHex(secret),
}));
const [ED25519] = CONSENSUS_KEYS;
assert(ED25519?.scheme === "ed25519");
export const VALIDATOR: BundleKey = ED25519;

type Json = Readonly<Record<string, unknown>>;

/** A manifest's members beside the usual: this chain with these keys. */
export function chainsOf(keys: readonly BundleKey[] = [VALIDATOR], more: Json = {}): Json {
  const hex = keys.map(({ publicKey }) => `0x${hexOf(publicKey)}`);
  return {
    ethereum: undefined,
    groups: undefined,
    tendermint: { bootFloor: "off", chains: [{ chainId: CHAIN, keys: hex, ...more }] },
  };
}

/** What a node takes of an answer. */
export type Answered = {
  readonly signature: string;
  readonly timestamp: string;
  readonly extensionSignature: string;
  readonly bytes: Uint8Array;
};

const ANSWER_FIELDS = {
  vote: { 5: "bytes", 8: "bytes", 10: "bytes" },
  proposal: { 6: "bytes", 7: "bytes" },
} as const;

export class ConsensusRig extends ServiceRig {
  constructor(store = new MemoryStore(), manifest: Json = chainsOf(), wish: RigWish = {}) {
    super(store, { ...wish, manifest });
  }

  /** With its first record. */
  static async serve(store = new MemoryStore(), more: Json = {}): Promise<ConsensusRig> {
    const rig = new ConsensusRig(store, chainsOf([VALIDATOR], more));
    await rig.serve(VALIDATOR);
    return rig;
  }

  /** The answer's bytes, or the code of the refusal. */
  async ask(message: Uint8Array, key: Uint8Array | null = null): Promise<Uint8Array | string> {
    const answer = await this.enclave.call("privval", { chainId: CHAIN, key, message });
    return answer.ok ? answer.value.answer.slice() : answer.error.code;
  }

  /** What a node reads of the answer to a vote or proposal; a refusal's code where it has one. */
  async askFor(arm: "vote" | "proposal", message: Uint8Array): Promise<Answered | string> {
    const bytes = await this.ask(message);
    return typeof bytes === "string" ? bytes : readAnswer(arm, bytes);
  }

  async state(): Promise<ConsensusState> {
    const shown = await this.enclave.call("consensus.show", { keys: [VALIDATOR.publicKey] });
    assert(shown.ok);
    const [state] = shown.value;
    assert(state !== undefined);
    return state;
  }
}

export function readAnswer(arm: "vote" | "proposal", bytes: Uint8Array): Answered {
  const signed = nested(armOf(arm, bytes), 1);
  const values = parseProto(signed, ANSWER_FIELDS[arm], "skip");
  assert(values !== undefined);
  const [time, signature] = arm === "vote" ? [5, 8] : [6, 7];
  return {
    signature: hexOf(bytesIn(values, signature)),
    timestamp: hexOf(bytesIn(values, time)),
    extensionSignature: arm === "vote" ? hexOf(bytesIn(values, 10)) : "",
    bytes,
  };
}

function armOf(arm: PrivvalArm, bytes: Uint8Array): Uint8Array {
  return nested(bytes, PRIVVAL_ARMS[arm].answer);
}

function nested(bytes: Uint8Array, field: number): Uint8Array {
  const values = parseProto(bytes, { [field]: "bytes" }, "skip");
  assert(values !== undefined);
  return bytesIn(values, field);
}
