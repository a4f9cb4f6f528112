// Runs one EIP-3076 interchange vector through the whole enclave: manifest, bundle, state import and
// signing requests over the wire, real signatures. The vector's public keys are replaced by keys of
// ours (nobody has their secrets), and each of its signing roots by a request of its own, since a
// root can't be signed: what stays the same is which roots are equal.

import { randomBytes } from "node:crypto";
import { sealBundle } from "../../scripts/cli/bundle-sealer.ts";
import { parseInterchange } from "../../scripts/cli/interchange.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { BUNDLE_BYTES_MAX, TIME_SKEW_MS_MAX } from "../../shared/limits.ts";
import { OPERATION_MASK_MAX } from "../../shared/operation.ts";
import { DIALECTS } from "../../shared/wire/methods.ts";
import { LocalEnclave, TestClock } from "../fakes/local-enclave.ts";
import { HonestStore } from "../fakes/honest-store.ts";
import { FakeKms, KEY_ARN, bundleKeyOf } from "../fakes/sealed-keys.ts";
import type { InterchangeVector, VectorAttestation, VectorBlock } from "./interchange-file.ts";

const GENESIS_SECONDS = 1_700_000_000;
const SLOT_MS = 1;
const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu"];
const VERSION_OF_FULU = "0x00000006";
/** Slots of the minimal preset that pass before the vector starts: all of its are in the past. */
const PAST_SLOTS = 2_000_000_000;

export type VectorOutcome = {
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
    for (const entry of step.interchange.data) texts.add(entry.pubkey);
    for (const attempt of [...step.blocks, ...step.attestations]) texts.add(attempt.pubkey);
  }
  return new Map([...texts].map((text, index) => [text, bundleKeyOf(index + 1).publicKey]));
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
  invariant((await enclave.call("state.open", {})).ok, "the state opens");
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
  let attemptCount = 0;
  // Where a watermark signer repeats what it signed, it does as a signer with a full history would.
  const mayRepeat = vector.name.includes("_resign_");
  const compare = (what: string, isSigned: boolean, attempt: VectorBlock | VectorAttestation) => {
    attemptCount += 1;
    if (isSigned === attempt.should_succeed) return;
    if (mayRepeat && isSigned === attempt.should_succeed_complete) return;
    mismatches.push(`${what}: signed ${isSigned}, expected ${attempt.should_succeed}`);
  };
  for (const [index, step] of vector.steps.entries()) {
    const isImported = await importStep(enclave, step.interchange, keys);
    if (isImported !== step.should_succeed) mismatches.push(`step ${index}: import ${isImported}`);
    for (const block of step.blocks) {
      const isSigned = await ask(enclave, keyOf(keys, block), blockBody(vector, block));
      compare(`step ${index}: block ${block.slot}`, isSigned, block);
    }
    for (const vote of step.attestations) {
      const isSigned = await ask(enclave, keyOf(keys, vote), attestationBody(vector, vote));
      compare(`step ${index}: vote ${vote.source_epoch}-${vote.target_epoch}`, isSigned, vote);
    }
  }
  return { attemptCount, mismatches };
}

async function importStep(
  enclave: LocalEnclave,
  interchange: unknown,
  keys: ReadonlyMap<string, Uint8Array>,
): Promise<boolean> {
  const parsed = parseInterchange(new TextEncoder().encode(JSON.stringify(interchange)));
  if (!parsed.ok) return false;
  const floors = parsed.value.keys.map(({ key, blockSlot, source, target }) => {
    const own = keys.get(`0x${encodeHex(key)}`);
    invariant(own !== undefined, "every key of the vector is known");
    return { key: own, blockSlot, source, target };
  });
  const { genesisValidatorsRoot } = parsed.value;
  const asked = { genesisValidatorsRoot, floors, isDryRun: false };
  return (await enclave.call("state.import", asked)).ok;
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
  invariant(
    code.startsWith("GUARD_") && code !== "GUARD_BOOT_FLOOR",
    `the guard refused (${code})`,
  );
  return false;
}

/** A vector without a root means "unknown": equal to no other. */
function saltOf(signingRoot: string | undefined): string {
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
