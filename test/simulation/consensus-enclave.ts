// One life of an enclave that signs for a Tendermint chain, with the real parser, signing path and
// answers. Simulated is the curve too: a "signature" is what is signed, so that a recorder can see
// it.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import {
  NO_FLOOR,
  type TendermintFloor,
  type TendermintRecord,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import type { TendermintClaim } from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import { type Position, STEP_NUMBERS } from "../../enclave/core/chains/tendermint/position.ts";
import type { OpenedBundle } from "../../enclave/keys/bundle.ts";
import { KeyMaterial } from "../../enclave/keys/key-material.ts";
import type { MessageSignature } from "../../enclave/keys/message-signer.ts";
import { MessageKey } from "../../enclave/keys/signing-key.ts";
import { ClaimRecorder } from "../../enclave/service/claim-recorder.ts";
import {
  type ConsensusActParts,
  raisePositions,
  retireConsensusKeys,
} from "../../enclave/service/consensus-acts.ts";
import { answerPrivval } from "../../enclave/service/privval.ts";
import { createFirstRecords } from "../../enclave/service/record-act.ts";
import type { Retired } from "../../enclave/service/retire-act.ts";
import {
  type ConsensusPolicy,
  createTendermintAccounts,
} from "../../enclave/service/tendermint-accounts.ts";
import { UnboundSignatures } from "../../enclave/service/unbound-signatures.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import { RAISE_REASONS } from "../../shared/wire/methods.ts";
import { readSignBytes } from "../fakes/canonical-message.ts";
import { readAnswer } from "../fakes/consensus-rig.ts";
import type { SignedMessage } from "../fakes/duplicate-vote.ts";
import { CHAIN, fromHex, hexOf, wire } from "../fakes/privval-node.ts";
import { type ConsensusRequest, consensusManifest } from "./consensus-validator.ts";
import { type Clock, EnclaveLife } from "./enclave-life.ts";

/** The secret is the public key, and the signature the message. */
const IN_CLEAR: MessageSignature = {
  open: (secret) => ({ publicKey: secret.slice(), sign: (message) => message.slice() }),
  verify: () => true,
  canLeakKey: false,
};

export class ConsensusEnclave extends EnclaveLife<
  TendermintRecord,
  TendermintClaim,
  TendermintFloor,
  ConsensusPolicy
> {
  readonly #clock: Clock;
  readonly #recorder: ClaimRecorder;
  readonly #unboundSignatures = new UnboundSignatures();

  constructor(clock: Clock, bootId: Uint8Array) {
    super({
      accounts: createTendermintAccounts(consensusManifest),
      openBundle: openInClear,
      chooseFloor: () => NO_FLOOR,
    });
    this.#clock = clock;
    this.#recorder = new ClaimRecorder(bootId, this.#nowMs);
  }

  /** What was signed, as the answer's signature says. */
  async request(
    key: BundleKey,
    request: ConsensusRequest,
  ): Promise<Result<SignedMessage, Refusal>> {
    const asked = { chainId: CHAIN, key: key.publicKey, message: request.bytes };
    const unboundSignatures = this.#unboundSignatures;
    const parts = {
      accounts: this.accounts,
      recorder: this.#recorder,
      unboundSignatures,
      nowMs: this.#nowMs,
    };
    const answer = await answerPrivval(parts, asked);
    return answer.ok ? ok(readSigned(request, answer.value.answer)) : answer;
  }

  init(key: BundleKey): Promise<Result<number, Refusal>> {
    return createFirstRecords(this.#actParts, [key.publicKey]);
  }

  raise(key: BundleKey, { height, round, step }: Position): Promise<Result<unknown, Refusal>> {
    const last = { height, round, step: STEP_NUMBERS[step] };
    return raisePositions(this.#actParts, {
      chainId: CHAIN,
      floors: [{ key: key.publicKey, last }],
      isDryRun: false,
      reason: RAISE_REASONS.import,
    });
  }

  retire(key: BundleKey): Promise<Result<readonly Retired<ConsensusState>[], Refusal>> {
    return retireConsensusKeys(this.#actParts, { keys: [key.publicKey] });
  }

  get #actParts(): ConsensusActParts {
    return {
      manifest: consensusManifest,
      recorder: this.#recorder,
      accounts: this.accounts,
      store: this.store,
      nsm: { attest: () => Promise.resolve(ok(new Uint8Array(1))) },
      bootId: new Uint8Array(16),
      nowMs: this.#nowMs,
    };
  }

  readonly #nowMs = (): number => this.#clock.unixMs + Math.trunc(this.aheadMs);
}

/** Nothing but what was asked for may be signed, but that a vote has the time of its first one. */
function readSigned({ asked, message }: ConsensusRequest, bytes: Uint8Array): SignedMessage {
  const answer = readAnswer(asked.type === "proposal" ? "proposal" : "vote", bytes);
  const { message: signed, chainId } = readSignBytes(fromHex(answer.signature));
  const isFor = isDeepStrictEqual({ ...signed, time: 0 }, { ...message, time: 0 });
  assert(isFor && chainId === CHAIN, "something else was signed");
  assert.equal(answer.timestamp, hexOf(wire({ 1: signed.time })), "the answer says the time");
  if (asked.type === "proposal") assert.equal(signed.time, message.time, "nodes keep their time");
  const isExtended = asked.type === "precommit" && asked.block !== "nil" && !asked.skipsExtension;
  assert.equal(answer.extensionSignature !== "", isExtended, "extensions are signed as asked");
  return signed;
}

function openInClear(key: BundleKey): OpenedBundle {
  invariant(key.scheme === "ed25519", "the simulation's keys are of one scheme");
  const material = new KeyMaterial(1);
  const loaded = MessageKey.load({ ...key, scheme: key.scheme }, material, 0, IN_CLEAR);
  invariant(loaded !== undefined, "the simulation's keys are keys");
  return { id: key.publicKey.slice(0, 16), keys: [loaded], material };
}
