// The whole enclave in this process over a scripted store, with short ways to bring it up and to
// ask it. A test chooses the store, the clock, the image, and what the manifest says beside the
// usual.

import assert from "node:assert/strict";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { OPERATION_MASK_MAX } from "../../shared/operation.ts";
import { DIALECTS } from "../../shared/wire/methods.ts";
import {
  blockRequest,
  GENESIS_MS,
  type Request,
  SLOT_MS,
  SLOTS_PER_EPOCH,
} from "../simulation/validator.ts";
import { LocalEnclave, TestClock } from "./local-enclave.ts";
import { MemoryStore } from "./memory-store.ts";
import { bundleKeyOf, FakeKms, KEY_ARN, sealKeys } from "./sealed-keys.ts";

export const SCOPE = new Uint8Array(32).fill(0x5c);
export const [KEY_A, KEY_B] = [bundleKeyOf(1), bundleKeyOf(2)];
const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu"];

function manifestBytes(more: Readonly<Record<string, unknown>>): Uint8Array {
  const network = {
    name: "simulated",
    preset: "minimal",
    genesisTime: GENESIS_MS / 1000,
    slotDurationMs: SLOT_MS,
    genesisValidatorsRoot: `0x${encodeHex(SCOPE)}`,
    forks: FORKS.map((name, index) => ({ name, version: `0x0000000${index}`, epoch: "0" })),
  };
  return new TextEncoder().encode(
    JSON.stringify({
      redoubt: 1,
      kms: { keyArn: KEY_ARN },
      state: { kind: "parent" },
      ethereum: { network },
      groups: [{ name: "all", keys: "others" }],
      ...more,
    }),
  );
}

export type RigWish = {
  readonly clock?: TestClock;
  /** Its PCR0 to PCR2. */
  readonly image?: string;
  /** Members of the manifest beside, or in the place of, the usual. */
  readonly manifest?: Readonly<Record<string, unknown>>;
};

/** An enclave that boots in the middle of epoch 10, over a scripted store. */
export class ServiceRig {
  readonly clock: TestClock;
  readonly kms = new FakeKms();
  readonly store: MemoryStore;
  readonly enclave: LocalEnclave;
  readonly manifest: Uint8Array;
  readonly #bundles = new Map<string, Uint8Array>();

  constructor(store = new MemoryStore(), wish: RigWish = {}) {
    this.store = store;
    this.clock = wish.clock ?? new TestClock(GENESIS_MS + (10 * SLOTS_PER_EPOCH + 3) * SLOT_MS);
    this.manifest = manifestBytes(wish.manifest ?? {});
    const { clock, kms: releaser } = this;
    const image = wish.image === undefined ? {} : { image: wish.image };
    this.enclave = new LocalEnclave({ clock, store, releaser, ...image });
  }

  async measure(): Promise<string> {
    const measured = await this.enclave.call("manifest.put", { manifest: this.manifest });
    return measured.ok ? "ok" : measured.error.code;
  }

  /** Answers the bundle's id, or a code. */
  async open(name: string, ...keys: readonly BundleKey[]): Promise<Uint8Array | string> {
    const bytes = this.#bundles.get(name) ?? (await sealKeys(keys, this.kms));
    this.#bundles.set(name, bytes);
    const piece = { name, offset: 0, totalBytes: bytes.length, bytes };
    const put = await this.enclave.call("bundle.put", piece);
    if (!put.ok) return put.error.code;
    const opened = await this.enclave.call("bundle.open", { name });
    return opened.ok ? opened.value.bundleId : opened.error.code;
  }

  async serve(...keys: readonly BundleKey[]): Promise<void> {
    assert.equal(await this.measure(), "ok");
    assert(typeof (await this.open("first", ...keys)) !== "string");
    assert((await this.enclave.call("state.open", { handover: null })).ok);
    const inited = { keys: keys.map((key) => key.publicKey) };
    assert((await this.enclave.call("state.init", inited)).ok);
  }

  /** Past the floor of a boot, or a load, that is now. */
  async passFloor(): Promise<void> {
    this.clock.advance(2 * SLOTS_PER_EPOCH * SLOT_MS);
    assert((await this.enclave.time.renew()).ok);
  }

  get slot(): number {
    return Math.floor((this.clock.unixMs - GENESIS_MS) / SLOT_MS);
  }

  block(variant = 0): Request {
    return blockRequest(BigInt(this.slot), variant);
  }

  async sign(key: BundleKey, request: Request, kinds = OPERATION_MASK_MAX): Promise<string> {
    const { body } = request;
    const params = { dialect: DIALECTS.web3signer, key: key.publicKey, kinds, body };
    const signed = await this.enclave.call("sign", params);
    return signed.ok ? encodeHex(signed.value.signature) : signed.error.code;
  }
}

export function isSignature(text: string): boolean {
  return text.length === 192;
}
