// One boot of an enclave under siege: the whole service with real keys, and a link of which the
// parent has the bytes. Everything that leaves it is heard, until it dies.

import assert from "node:assert/strict";
import type { StateStore } from "../../enclave/core/ports.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { CONSENSUS_METHODS } from "../../shared/wire/consensus-methods.ts";
import { FrameReader } from "../../shared/wire/frame.ts";
import { parseAnswer } from "../../shared/wire/message.ts";
import { LocalEnclave, type TestClock } from "../fakes/local-enclave.ts";
import { FakeKms, KEY_ARN, sealKeys } from "../fakes/sealed-keys.ts";
import type { SiegeGround } from "./siege-ground.ts";
import { SIEGE_KEYS, siegeChains, VALIDATORS } from "./siege-node.ts";

/** An answer on the link: the signer's bytes, or why there are none. */
export type Heard = { readonly id: number; readonly answer: Uint8Array | ErrorCode };

const kms = new FakeKms();
const bundle = await sealKeys(SIEGE_KEYS, kms);

function manifestOf({ state, bootFloor, reserves }: SiegeGround): Uint8Array {
  const tendermint = siegeChains(bootFloor, reserves);
  const manifest = { redoubt: 1, kms: { keyArn: KEY_ARN }, state, tendermint };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

export class SiegeEnclave {
  readonly #enclave: LocalEnclave;
  readonly #ground: SiegeGround;
  readonly #hear: (heard: Heard) => void;
  #link: ReturnType<LocalEnclave["accept"]>;
  /** Links of which the enclave has had enough. */
  closedCount = 0;
  isAlive = true;

  constructor(
    ground: SiegeGround,
    clock: TestClock,
    breakStore: (store: StateStore) => StateStore,
    hear: (heard: Heard) => void,
  ) {
    this.#ground = ground;
    this.#hear = hear;
    const store = breakStore(ground.join(this));
    this.#enclave = new LocalEnclave({ clock, store, releaser: kms });
    this.#link = this.#connect();
  }

  /** "ok" when it signs from now on; `waiting` has the store's calls answered meanwhile. */
  async open(waiting: <T>(promise: Promise<T>) => Promise<T>): Promise<ErrorCode | "ok"> {
    const enclave = this.#enclave;
    const manifest = manifestOf(this.#ground);
    assert((await enclave.call("manifest.put", { manifest })).ok);
    const piece = { name: "keys", offset: 0, totalBytes: bundle.length, bytes: bundle };
    assert((await enclave.call("bundle.put", piece)).ok);
    assert((await enclave.call("bundle.open", { name: "keys" })).ok);
    const opened = await waiting(enclave.call("state.open", { handover: null }));
    return opened.ok ? "ok" : opened.error.code;
  }

  /** First records, which a parent may ask for at any time. */
  init(): Promise<unknown> {
    const keys = VALIDATORS.map(({ publicKey }) => publicKey);
    return this.#enclave.call("state.init", { keys });
  }

  /** The last height that may have been signed; null: none. */
  async lastHeight(key: Uint8Array): Promise<bigint | null> {
    const shown = await this.#enclave.call("consensus.show", { keys: [key] });
    const state = shown.ok ? shown.value[0] : undefined;
    const [last, reserved] = [state?.last?.height ?? null, state?.reserved ?? null];
    return reserved !== null && (last === null || reserved > last) ? reserved : last;
  }

  /** A link that refuses is closed, as a socket would be, and the next one is another. */
  write(bytes: Uint8Array): void {
    if (!this.isAlive || this.#link.receive(bytes).ok) return;
    this.closedCount += 1;
    this.#link = this.#connect();
  }

  /** The parent hangs up, in the middle of a frame or not. */
  hangUp(): void {
    this.#link = this.#connect();
  }

  kill(): void {
    this.isAlive = false;
    this.#ground.forget(this);
    void this.#enclave.close();
  }

  #connect(): ReturnType<LocalEnclave["accept"]> {
    const reader = new FrameReader();
    return this.#enclave.accept({
      writableLength: 0,
      destroy: () => {},
      write: (bytes) => {
        if (!this.isAlive) return false;
        // The writer goes on in the same slab.
        const frames = reader.read(bytes.slice());
        assert(frames.ok, "an enclave answers in frames");
        for (const frame of frames.value) this.#hear(heardOf(frame));
        return true;
      },
    });
  }
}

function heardOf(frame: Uint8Array): Heard {
  const parsed = parseAnswer(frame);
  assert(parsed.ok, "an enclave's answer is one");
  const { id, outcome } = parsed.value;
  if (!outcome.ok) return { id, answer: outcome.error.code };
  const answer = CONSENSUS_METHODS.privval.answer.parse(outcome.value);
  assert(answer !== undefined, "nothing but `privval` is asked on this link");
  return { id, answer: answer.answer };
}
