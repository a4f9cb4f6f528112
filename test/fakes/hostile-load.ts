// A hostile validator against the running signer: many requests at once, among them different roots
// for one key and height, surrounding votes, and heights of the past, above all those whose outcome
// nobody knows. What comes back with HTTP 200 is recorded outside of everything that is tested.

import { PublicKey, Signature, verifyMultipleAggregateSignatures } from "@chainsafe/blst";
import type { EthereumNetwork } from "../../enclave/core/chains/ethereum/network.ts";
import type { EthereumClaim } from "../../enclave/core/chains/ethereum/operation.ts";
import { parseEthereumRequest } from "../../enclave/core/chains/ethereum/request.ts";
import {
  attestationRequest,
  blockRequest,
  type RequestNetwork,
} from "../../scripts/local/requests.ts";
import { type HttpAnswer, textOf } from "../../scripts/local/sign-client.ts";
import { encodeHex, parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { ETHEREUM_PAIRS } from "../simulation/ethereum-chain.ts";
import type { Random } from "../simulation/random.ts";
import { Recorder } from "../simulation/recorder.ts";
import { until } from "./until.ts";

/** Whoever signs: one running signer, or several with the same keys. */
export interface LoadTarget {
  readonly publicKeys: readonly string[];
  readonly network: EthereumNetwork;
  requestNetwork(slot: number): RequestNetwork;
  /** A slot of the recent past, which no clock takes for the future. */
  freshSlot(): number;
  /** Rejects when there is no answer. */
  sign(publicKey: string, body: unknown): Promise<HttpAnswer>;
}

export type Height =
  | { readonly kind: "block"; readonly slot: number }
  | { readonly kind: "vote"; readonly source: number; readonly target: number };

export type Ask = { readonly key: string; readonly height: Height; readonly salt: number };

export type Release = {
  readonly key: string;
  readonly claim: EthereumClaim;
  readonly signingRoot: Uint8Array;
  readonly signature: Uint8Array;
};

/** The code of a refusal, `signed`, or `lost` when no answer came. */
export type Outcome = string;
/** Status 0 when no answer came. */
export type Answer = { readonly status: number; readonly outcome: Outcome };

const PAST_COUNT_MAX = 400;
const SALT_COUNT = 3;
const BURST_COUNT_MAX = 4;
/** While nothing can be signed anyway: a validator does not spin either. */
const PAUSE_MS = 15;
const WAITING: ReadonlySet<Outcome> = new Set([
  "lost",
  "LINK_DOWN",
  "PHASE_REFUSED",
  "GUARD_BOOT_FLOOR",
]);
const SIGNED_WAIT_MS_MAX = 60_000;
/** It may have been recorded, and nobody was told. */
const DOUBTFUL: ReadonlySet<Outcome> = new Set([
  "lost",
  "DEADLINE",
  "LINK_TIMEOUT",
  "STATE_UNKNOWN",
  "STORE_UNAVAILABLE",
  "STORE_FULL",
]);
const utf8 = new TextEncoder();

export class HostileLoad {
  readonly releases: Release[] = [];
  readonly outcomes = new Map<Outcome, number>();
  requestCount = 0;
  /** Which keys are asked for. */
  keys: readonly string[];
  readonly #signer: LoadTarget;
  readonly #random: Random;
  readonly #recorder = new Recorder(ETHEREUM_PAIRS);
  readonly #past: Ask[] = [];
  readonly #doubted: Ask[] = [];
  /** What nobody has answered yet. */
  readonly #open = new Set<Ask>();
  #loops: Promise<void>[] = [];
  #isOver = false;
  #failure: Error | null = null;

  constructor(signer: LoadTarget, random: Random) {
    this.#signer = signer;
    this.keys = signer.publicKeys;
    this.#random = random;
  }

  start(concurrency: number): void {
    this.#isOver = false;
    this.#loops = Array.from({ length: concurrency }, () => this.#loop());
  }

  /** Throws what went wrong: above all a slashable pair. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    this.check();
  }

  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async ask(ask: Ask): Promise<Outcome> {
    return (await this.answer(ask)).outcome;
  }

  /** One request, recorded. `through` is one signer of several. */
  async answer(ask: Ask, through: Pick<LoadTarget, "sign"> = this.#signer): Promise<Answer> {
    const body = this.#bodyOf(ask.height, ask.salt);
    this.requestCount += 1;
    this.#open.add(ask);
    const answer = await through.sign(ask.key, body).then(
      ({ status, body: told }) => {
        if (status !== 200) return { status, outcome: textOf(told, "code") };
        this.#record(ask.key, body, textOf(told, "signature"));
        return { status, outcome: "signed" };
      },
      () => ({ status: 0, outcome: "lost" }),
    );
    const { outcome } = answer;
    this.#open.delete(ask);
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    keep(DOUBTFUL.has(outcome) ? this.#doubted : this.#past, ask);
    return answer;
  }

  /** Asks for fresh blocks of the key until one is signed: the boot floor has passed by then. */
  async awaitSigned(key = this.#signer.publicKeys[0] ?? ""): Promise<void> {
    const deadlineMs = performance.now() + SIGNED_WAIT_MS_MAX;
    for (;;) {
      const height: Height = { kind: "block", slot: this.#signer.freshSlot() };
      const outcome = await this.ask({ key, height, salt: 0 });
      if (outcome === "signed") return;
      invariant(performance.now() < deadlineMs, `a fresh block is signed, not ${outcome}`);
      await new Promise((settle) => setTimeout(settle, PAUSE_MS));
    }
  }

  /** Waits for signatures of requests that are sent from now on, so that none is from before. */
  async awaitReleases(waitMsMax: number): Promise<void> {
    const { requestCount } = this;
    const sent = requestCount + this.#loops.length * BURST_COUNT_MAX;
    await until(() => this.requestCount >= sent, waitMsMax);
    const { length } = this.releases;
    await until(() => {
      this.check();
      return this.releases.length > length;
    }, waitMsMax);
  }

  /** Every height that was ever asked for and is still remembered, with every root. */
  pastAsks(): readonly Ask[] {
    return [...this.#past, ...this.#doubted].flatMap(({ key, height }) =>
      Array.from({ length: SALT_COUNT }, (_, salt) => ({ key, height, salt })),
    );
  }

  /** Every signature is that of its key over the root that was asked for. */
  verifySignatures(): boolean {
    const sets = this.releases.map(({ key, signingRoot, signature }) => ({
      msg: signingRoot,
      pk: PublicKey.fromBytes(hexBytes(key, 48), true),
      sig: Signature.fromBytes(signature, true),
    }));
    for (let at = 0; at < sets.length; at += 128) {
      if (!verifyMultipleAggregateSignatures(sets.slice(at, at + 128))) return false;
    }
    return true;
  }

  summary(): string {
    const outcomes = [...this.outcomes].toSorted(([, a], [, b]) => b - a);
    const text = outcomes.map(([outcome, count]) => `${outcome} ${count}`).join(", ");
    return `${this.requestCount} requests, ${this.releases.length} releases (${text})`;
  }

  async #loop(): Promise<void> {
    try {
      while (!this.#isOver) {
        const outcomes = await Promise.all(this.#burst().map((ask) => this.ask(ask)));
        this.check();
        if (outcomes.every((outcome) => WAITING.has(outcome))) {
          await new Promise((settle) => setTimeout(settle, PAUSE_MS));
        }
      }
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      this.#isOver = true;
    }
  }

  /** A few requests for one height of one key at once. */
  #burst(): readonly Ask[] {
    const random = this.#random;
    const earlier = random.chance(0.25) ? random.pick(this.#earlier()) : undefined;
    if (earlier !== undefined && !this.keys.includes(earlier.key)) return this.#burst();
    const key = earlier?.key ?? random.pick(this.keys) ?? "";
    const height = earlier?.height ?? this.#height();
    return Array.from({ length: random.between(1, BURST_COUNT_MAX) }, () => ({
      key,
      height: random.chance(0.1) ? withOtherSource(height, random) : height,
      salt: random.below(SALT_COUNT),
    }));
  }

  /** Mostly what may have been recorded without an answer, or may be on its way. */
  #earlier(): readonly Ask[] {
    const kinds = [this.#doubted, [...this.#open]].filter(({ length }) => length > 0);
    return (this.#random.chance(0.7) ? this.#random.pick(kinds) : undefined) ?? this.#past;
  }

  #height(): Height {
    const random = this.#random;
    // Around a slot that is safely past; now and then one that may be in the future.
    const slot = this.#signer.freshSlot() + random.between(-10, random.chance(0.05) ? 80 : 10);
    if (random.chance(0.5)) return { kind: "block", slot };
    const target = Math.floor(slot / Number(this.#signer.network.slotsPerEpoch));
    return withOtherSource({ kind: "vote", source: target - 1, target }, random);
  }

  #bodyOf(height: Height, salt: number): Record<string, unknown> {
    if (height.kind === "block") {
      return blockRequest(this.#signer.requestNetwork(height.slot), height.slot, salt);
    }
    const slot = height.target * Number(this.#signer.network.slotsPerEpoch);
    const request = attestationRequest(this.#signer.requestNetwork(slot), slot, salt);
    const source = { ...request.attestation.source, epoch: String(height.source) };
    return { ...request, attestation: { ...request.attestation, source } };
  }

  #record(key: string, body: unknown, signature: string): void {
    const bytes = utf8.encode(JSON.stringify(body));
    const parsed = parseEthereumRequest(this.#signer.network, "web3signer", bytes);
    invariant(parsed.ok && parsed.value.claim !== null, "a claim was asked for");
    const { claim, signingRoot } = parsed.value;
    this.releases.push({ key, claim, signingRoot, signature: hexBytes(signature, 96) });
    try {
      this.#recorder.release(key, { claim, root: encodeHex(signingRoot) });
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** Mostly the epoch before; further back a later vote may surround it, or it an earlier one. */
function withOtherSource(height: Height, random: Random): Height {
  if (height.kind === "block") return height;
  const distance = random.chance(0.7) ? 1 : random.between(1, 5);
  return { ...height, source: height.target - distance };
}

function keep(asks: Ask[], ask: Ask): void {
  asks.push(ask);
  if (asks.length > PAST_COUNT_MAX) asks.shift();
}

function hexBytes(text: string, byteCount: number): Uint8Array {
  const bytes = parsePrefixedHex(text, byteCount);
  invariant(bytes.ok, "what was signed with and for is hex");
  return bytes.value;
}
