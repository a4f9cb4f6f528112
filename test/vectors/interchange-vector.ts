// Runs one EIP-3076 interchange vector through the whole enclave: manifest, bundle, state import
// and signing requests over the wire, real signatures. The vector's public keys are replaced by
// keys of ours (nobody has their secrets), and each of its signing roots by a request of its own,
// since a root can't be signed: what stays the same is which roots are equal.

import { randomBytes } from "node:crypto";
import { sealBundle } from "../../scripts/cli/bundle-sealer.ts";
import { type Interchange, parseInterchange } from "../../scripts/cli/interchange.ts";
import { importMaxima } from "../../scripts/cli/state-import.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { BUNDLE_BYTES_MAX, TIME_SKEW_MS_MAX } from "../../shared/limits.ts";
import { OPERATION_MASK_MAX } from "../../shared/operation.ts";
import { DIALECTS } from "../../shared/wire/methods.ts";
import { HonestStore } from "../fakes/honest-store.ts";
import { LocalEnclave, TestClock } from "../fakes/local-enclave.ts";
import { bundleKeyOf, FakeKms, KEY_ARN } from "../fakes/sealed-keys.ts";
import type { InterchangeVector, VectorAttestation, VectorBlock } from "./interchange-file.ts";

const GENESIS_SECONDS = 1_700_000_000;
const SLOT_MS = 1;
const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu"];
const VERSION_OF_FULU = "0x00000006";
/** Slots of the minimal preset that pass before the vector starts: all of its are in the past. */
const PAST_SLOTS = 2_000_000_000;

export type VectorOutcome = {
  readonly stepCount: number;
  readonly attemptCount: number;
  readonly mismatches: readonly string[];
};

export async function runInterchangeVector(vector: InterchangeVector): Promise<VectorOutcome> {
  const keys = collectKeys(vector);
  // Booted before genesis, when nothing can have been signed: the boot floor is zero.
  const clock = new TestClock(GENESIS_SECONDS * 1000 - 60_000 - TIME_SKEW_MS_MAX);
  const kms = new FakeKms();
  const enclave = new LocalEnclave({ clock, store: new HonestStore(), releaser: kms });
  try {
    await openEnclave(enclave, vector, keys, kms);
    clock.advance(PAST_SLOTS * SLOT_MS);
    invariant((await enclave.time.renew()).ok, "the simulated NSM tells the time");
    return await runSteps(enclave, vector, keys);
  } finally {
    await enclave.close();
  }
}

/** Our key for each public key of the vector. */
function collectKeys(vector: InterchangeVector): ReadonlyMap<string, Uint8Array> {
  const texts = new Set<string>();
  for (const step of vector.steps) {
    for (const { key } of readStep(step.interchange)?.keys ?? []) texts.add(`0x${encodeHex(key)}`);
    for (const attempt of [...step.blocks, ...step.attestations]) texts.add(attempt.pubkey);
  }
  return new Map([...texts].map((text, index) => [text, bundleKeyOf(index + 1).publicKey]));
}

/** Null when the file is not one that is imported at all. */
function readStep(interchange: unknown): Interchange | null {
  const parsed = parseInterchange(new TextEncoder().encode(JSON.stringify(interchange ?? null)));
  return parsed.ok ? parsed.value : null;
}

async function openEnclave(
  enclave: LocalEnclave,
  vector: InterchangeVector,
  keys: ReadonlyMap<string, Uint8Array>,
  kms: FakeKms,
): Promise<void> {
  const manifest = new TextEncoder().encode(JSON.stringify(manifestFor(vector)));
  invariant((await enclave.call("manifest.put", { manifest })).ok, "the vector's manifest fits");
  // A vector without keys still needs an enclave with one.
  const bundleKeys = Array.from({ length: Math.max(1, keys.size) }, (_, index) =>
    bundleKeyOf(index + 1),
  );
  const sealed = await sealBundle(bundleKeys, KEY_ARN, 0, kms.generate);
  invariant(sealed.ok, "the test's KMS makes data keys");
  const { bytes } = sealed.value;
  invariant(bytes.length < BUNDLE_BYTES_MAX, "a vector has few keys");
  const piece = { name: "vector", offset: 0, totalBytes: bytes.length, bytes };
  invariant((await enclave.call("bundle.put", piece)).ok, "the bundle is taken");
  invariant((await enclave.call("bundle.open", { name: "vector" })).ok, "the bundle opens");
  invariant((await enclave.call("state.open", { handover: null })).ok, "the state opens");
  const created = await enclave.call("state.init", { keys: [...keys.values()] });
  invariant(created.ok && created.value.createdCount === keys.size, "every key has a record");
}

function manifestFor(vector: InterchangeVector): unknown {
  return {
    redoubt: 1,
    kms: { keyArn: KEY_ARN },
    state: { kind: "parent" },
    ethereum: {
      network: {
        name: "vector",
        preset: "minimal",
        genesisTime: GENESIS_SECONDS,
        slotDurationMs: SLOT_MS,
        genesisValidatorsRoot: vector.genesis_validators_root,
        forks: FORKS.map((name, index) => ({ name, version: `0x0000000${index}`, epoch: "0" })),
      },
    },
    groups: [{ name: "all", keys: "others" }],
  };
}

async function runSteps(
  enclave: LocalEnclave,
  vector: InterchangeVector,
  keys: ReadonlyMap<string, Uint8Array>,
): Promise<VectorOutcome> {
  const mismatches: string[] = [];
  const expected = new Expectation();
  for (const [index, step] of vector.steps.entries()) {
    // Slashable data in a file is no reason to refuse it: a minimal signer takes the maxima.
    const isImported = await importStep(enclave, step.interchange, keys);
    if (isImported !== step.should_succeed) mismatches.push(`step ${index}: import ${isImported}`);
    for (const block of step.blocks) {
      const isSigned = await ask(enclave, keyOf(keys, block), blockBody(vector, block));
      const isRight = expected.take(isSigned, block, `block ${block.slot}`);
      if (!isRight) mismatches.push(`step ${index}: block ${block.slot} signed ${isSigned}`);
    }
    for (const vote of step.attestations) {
      const isSigned = await ask(enclave, keyOf(keys, vote), attestationBody(vector, vote));
      const heights = `${vote.source_epoch}-${vote.target_epoch}`;
      const isRight = expected.take(isSigned, vote, `vote ${heights}`);
      if (!isRight) mismatches.push(`step ${index}: vote ${heights} signed ${isSigned}`);
    }
  }
  return { stepCount: vector.steps.length, attemptCount: expected.attemptCount, mismatches };
}

/**
 * What a watermark signer does: as `should_succeed` says, but it answers again what it signed last,
 * where only a signer with a full history has to (the `_resign_` vectors).
 */
class Expectation {
  attemptCount = 0;
  readonly #last = new Map<string, string>();

  /** Whether the outcome of an attempt is the right one. `what` is `block …` or `vote …`. */
  take(isSigned: boolean, attempt: VectorBlock | VectorAttestation, what: string): boolean {
    this.attemptCount += 1;
    const { signing_root: root, should_succeed_complete: isCompleteSigned = false } = attempt;
    const [kind = ""] = what.split(" ");
    const place = `${attempt.pubkey} ${kind}`;
    // An unknown root is equal to no other.
    const claim = typeof root === "string" ? `${what} ${root.toLowerCase()}` : null;
    const isRepeat = claim !== null && this.#last.get(place) === claim;
    if (isSigned && claim !== null) this.#last.set(place, claim);
    if (isSigned && claim === null) this.#last.delete(place);
    return isSigned === (attempt.should_succeed || (isRepeat && isCompleteSigned));
  }
}

/** As `redoubt state import` does, whose own check of the enclave's answer must hold as well. */
async function importStep(
  enclave: LocalEnclave,
  interchange: unknown,
  keys: ReadonlyMap<string, Uint8Array>,
): Promise<boolean> {
  const read = readStep(interchange);
  if (read === null) return false;
  const own = read.keys.map((maxima) => ({
    ...maxima,
    key: keyOf(keys, { pubkey: `0x${encodeHex(maxima.key)}` }),
  }));
  const imported = await importMaxima(enclave, { ...read, keys: own }, false);
  if (imported.ok) {
    const isDone = imported.value.every(({ kind }) => kind !== "short" && kind !== "unknown");
    invariant(isDone && imported.value.length === own.length, "an import reaches every key");
    return true;
  }
  const { code } = imported.error;
  // A well-formed file is refused for its network, or for heights beyond the clock.
  const isRightReason = code === "INTERCHANGE_NETWORK" || code === "FUTURE";
  invariant(isRightReason, `a file is refused for no other reason (${code})`);
  return false;
}

function keyOf(keys: ReadonlyMap<string, Uint8Array>, attempt: { readonly pubkey: string }) {
  const key = keys.get(attempt.pubkey);
  invariant(key !== undefined, "every key of the vector is known");
  return key;
}

async function ask(enclave: LocalEnclave, key: Uint8Array, request: unknown): Promise<boolean> {
  const body = new TextEncoder().encode(JSON.stringify(request));
  const params = { dialect: DIALECTS.web3signer, key, kinds: OPERATION_MASK_MAX, body };
  const answer = await enclave.call("sign", params);
  if (answer.ok) return answer.value.signature.length === 96;
  // Anything but the guard's refusal would make a vector pass for the wrong reason.
  const { code } = answer.error;
  const isOfGuard = code.startsWith("GUARD_") && code !== "GUARD_BOOT_FLOOR";
  // Time bounds come first for numbers that no chain reaches: refused all the same.
  invariant(isOfGuard || code === "FUTURE", `the guard refused (${code})`);
  return false;
}

/** A vector without a root means "unknown": equal to no other. */
function saltOf(signingRoot: string | null | undefined): string {
  return signingRoot ?? `0x${randomBytes(32).toString("hex")}`;
}

function forkInfo(vector: InterchangeVector) {
  return {
    fork: { previous_version: VERSION_OF_FULU, current_version: VERSION_OF_FULU, epoch: "0" },
    genesis_validators_root: vector.genesis_validators_root,
  };
}

function blockBody(vector: InterchangeVector, block: VectorBlock): unknown {
  const zero = `0x${"00".repeat(32)}`;
  return {
    type: "BLOCK_V2",
    fork_info: forkInfo(vector),
    beacon_block: {
      version: "FULU",
      block_header: {
        slot: block.slot,
        proposer_index: "0",
        parent_root: zero,
        state_root: zero,
        body_root: saltOf(block.signing_root),
      },
    },
  };
}

function attestationBody(vector: InterchangeVector, vote: VectorAttestation): unknown {
  const zero = `0x${"00".repeat(32)}`;
  return {
    type: "ATTESTATION",
    fork_info: forkInfo(vector),
    attestation: {
      slot: "0",
      index: "0",
      beacon_block_root: saltOf(vote.signing_root),
      source: { epoch: vote.source_epoch, root: zero },
      target: { epoch: vote.target_epoch, root: zero },
    },
  };
}
