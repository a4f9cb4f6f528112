// The whole enclave in this process, for tests that drive it through its wire: real service, real
// guard, real keys, real signatures, the NSM simulator, frames over an in-memory stream. What a
// test decides is the clock, the store, and what the parent sends.

import { createNsm } from "../../enclave/attestation/nsm.ts";
import { TrustedTime } from "../../enclave/attestation/trusted-time.ts";
import { PushedCredentials } from "../../enclave/aws/credentials.ts";
import type {
  KeyReleaser,
  MonotonicClock,
  SignPool,
  StateStore,
} from "../../enclave/core/ports.ts";
import { StoreCredentialRing } from "../../enclave/keys/store-credentials.ts";
import { entropy } from "../../enclave/platform/clock.ts";
import { startSignPool } from "../../enclave/platform/sign-pool.ts";
import { createService } from "../../enclave/service/service.ts";
import { createRoot } from "../../scripts/local/nsm-pki.ts";
import { NsmSimulator, sampleMeasurements } from "../../scripts/local/nsm-simulator.ts";
import { BOOT_ID_BYTES } from "../../shared/attestation/statement.ts";
import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";
import { Answerer, type ByteStream, Caller } from "../../shared/wire/link.ts";
import {
  type AnswerOf,
  ENCLAVE_METHODS,
  type EnclaveMethod,
  type ParamsOf,
} from "../../shared/wire/methods.ts";

/** Unix time and monotonic time that go on together, and only when a test says so. */
export class TestClock implements MonotonicClock {
  unixMs: number;
  #monotonicMs = 0;

  constructor(unixMs: number) {
    this.unixMs = unixMs;
  }

  nowMs(): number {
    return this.#monotonicMs;
  }

  advance(ms: number): void {
    this.unixMs += ms;
    this.#monotonicMs += ms;
  }
}

export const nsmRoot = createRoot();

export type LocalEnclaveWish = {
  readonly clock: TestClock;
  readonly store: StateStore;
  readonly releaser: KeyReleaser;
  /** PCR0 to PCR2 of another image. */
  readonly image?: string;
};

export class LocalEnclave {
  readonly time: TrustedTime;
  /** For another link than the one of `call`. */
  readonly handlers: ReturnType<typeof createService>;
  readonly #pool: SignPool;
  readonly #caller: Caller<typeof ENCLAVE_METHODS>;
  readonly #answerer: Answerer<typeof ENCLAVE_METHODS>;

  constructor(wish: LocalEnclaveWish) {
    const simulator = new NsmSimulator({
      root: nsmRoot,
      nowMs: () => wish.clock.unixMs,
      pcrs: sampleMeasurements(wish.image ?? "test"),
      isDebug: false,
    });
    const nsm = createNsm(simulator.device());
    this.time = new TrustedTime(nsm, wish.clock);
    this.#pool = startSignPool(0, (cause) => {
      throw cause;
    });
    this.handlers = createService({
      nsm,
      time: this.time,
      credentials: new PushedCredentials(),
      releaser: wish.releaser,
      createStore: () => wish.store,
      storeCredentials: new StoreCredentialRing(),
      receiptLog: { lostCount: 0, flush: () => Promise.resolve() },
      pool: this.#pool,
      entropy,
      software: "redoubt/test",
      bootId: entropy.randomBytes(BOOT_ID_BYTES),
      nsmRoot: nsmRoot.der,
    });
    // Both ends of a link, each writing into the other's reader.
    const toEnclave = {
      writableLength: 0,
      destroy: () => {},
      write: (bytes: Uint8Array) => this.#answerer.receive(bytes).ok,
    };
    const toParent = {
      writableLength: 0,
      destroy: () => {},
      write: (bytes: Uint8Array) => this.#caller.receive(bytes).ok,
    };
    this.#caller = new Caller(ENCLAVE_METHODS, toEnclave, queueMicrotask);
    this.#answerer = new Answerer(ENCLAVE_METHODS, this.handlers, toParent, queueMicrotask);
  }

  call<M extends EnclaveMethod>(
    method: M,
    params: ParamsOf<(typeof ENCLAVE_METHODS)[M]>,
  ): Promise<Result<AnswerOf<(typeof ENCLAVE_METHODS)[M]>, Refusal>> {
    return this.#caller.call(method, params, 0, Number.MAX_SAFE_INTEGER);
  }

  /** One more link of the parent's, of which the test has the bytes. */
  accept(stream: ByteStream): Pick<Answerer<typeof ENCLAVE_METHODS>, "receive"> {
    return new Answerer(ENCLAVE_METHODS, this.handlers, stream, queueMicrotask);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
