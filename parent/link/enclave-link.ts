// The parent's one connection to the enclave: it looks for the enclave and connects again for ever,
// gives every call a deadline, and asks for the status often enough to notice a link that is open
// and dead (T17). It must never send a request twice: what was in flight when the link broke has
// failed.

import type { Socket } from "node:net";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS, REQUEST_DEADLINE_MS } from "../../shared/limits.ts";
import { err, type Result } from "../../shared/result.ts";
import { Caller } from "../../shared/wire/link.ts";
import {
  type AnswerOf,
  ENCLAVE_METHODS,
  type EnclaveMethod,
  type ParamsOf,
} from "../../shared/wire/methods.ts";
import { connectTo } from "../platform/socket.ts";
import type { EnclaveLocator, EnclaveStatus } from "../ports.ts";
import { Backoff, type BackoffBounds } from "./backoff.ts";

type Calls = typeof ENCLAVE_METHODS;

export type LinkTiming = {
  readonly reconnect: BackoffBounds;
  readonly heartbeatMs: number;
  readonly heartbeatDeadlineMs: number;
  /** How often calls are looked through for those beyond their deadline. */
  readonly sweepMs: number;
};

export const LINK_TIMING: LinkTiming = {
  reconnect: { minMs: 50, maxMs: 2000 },
  heartbeatMs: 2000,
  heartbeatDeadlineMs: 4000,
  sweepMs: 100,
};

export type LinkStats = {
  readonly connectCount: number;
  /** Connections that broke or were given up. */
  readonly lossCount: number;
  /** How often the enclave could not be found. */
  readonly locateFailureCount: number;
  readonly inFlightCount: number;
};

export class EnclaveLink {
  readonly #locator: EnclaveLocator;
  readonly #timing: LinkTiming;
  readonly #backoff: Backoff;
  #caller: Caller<Calls> | null = null;
  #socket: Socket | null = null;
  #status: EnclaveStatus | null = null;
  #changed: () => void = () => {};
  #timers: NodeJS.Timeout[] = [];
  #reconnect: NodeJS.Timeout | null = null;
  #isClosed = false;
  #connectCount = 0;
  #lossCount = 0;
  #locateFailureCount = 0;
  /** Why there is no connection. */
  #failure: Refusal = refusal("LINK_DOWN");
  /** Calls that may keep the enclave busy for longer than a heartbeat may take. */
  #patientCount = 0;
  #isHeartbeatInFlight = false;

  constructor(locator: EnclaveLocator, timing: Partial<LinkTiming> = {}) {
    this.#locator = locator;
    this.#timing = { ...LINK_TIMING, ...timing };
    this.#backoff = new Backoff(this.#timing.reconnect);
  }

  /**
   * `onChange`: the link came up, went down or could not be made, or the enclave's boot or phase is
   * another.
   */
  start(onChange: () => void): void {
    this.#changed = onChange;
    const { heartbeatMs, sweepMs } = this.#timing;
    this.#timers = [
      setInterval(() => this.#caller?.expire(performance.now()), sweepMs),
      setInterval(() => void this.#heartbeat(), heartbeatMs),
    ];
    void this.#connect();
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#reconnect !== null) clearTimeout(this.#reconnect);
    this.#socket?.destroy();
    this.#caller?.close();
  }

  /** The last status, null while the link is down. */
  status(): EnclaveStatus | null {
    return this.#status;
  }

  /** Why the link is down, where more is known than that: LINK_DOWN, or the locator's reason. */
  failure(): Refusal {
    return this.#failure;
  }

  stats(): LinkStats {
    return {
      connectCount: this.#connectCount,
      lossCount: this.#lossCount,
      locateFailureCount: this.#locateFailureCount,
      inFlightCount: this.#caller?.inFlightCount ?? 0,
    };
  }

  call<Name extends EnclaveMethod>(
    name: Name,
    params: ParamsOf<Calls[Name]>,
    deadlineMs: number,
  ): Promise<Result<AnswerOf<Calls[Name]>, Refusal>> {
    if (this.#caller === null) return Promise.resolve(err(refusal("LINK_DOWN")));
    const answer = this.#caller.call(name, params, performance.now(), deadlineMs);
    if (deadlineMs <= REQUEST_DEADLINE_MS) return answer;
    this.#patientCount += 1;
    return answer.finally(() => {
      this.#patientCount -= 1;
    });
  }

  /** Asks now, and keeps the answer. */
  async refreshStatus(): Promise<Result<EnclaveStatus, Refusal>> {
    const caller = this.#caller;
    const answer = await this.call("status", {}, this.#timing.heartbeatDeadlineMs);
    if (answer.ok && caller === this.#caller) this.#keep(answer.value);
    return answer;
  }

  async #connect(): Promise<void> {
    const connected = await this.#dial();
    if (this.#isClosed) {
      if (connected.ok) connected.value.destroy();
      return;
    }
    if (!connected.ok) {
      this.#failure = connected.error;
      this.#changed();
      return this.#connectLater();
    }
    this.#failure = refusal("LINK_DOWN");
    const socket = connected.value;
    const caller = new Caller(ENCLAVE_METHODS, socket, setImmediate);
    this.#socket = socket;
    this.#caller = caller;
    this.#connectCount += 1;
    socket.on("data", (chunk: Buffer) => {
      if (!caller.receive(chunk).ok) socket.destroy();
    });
    // Half an answer is no use: the end of the peer's side is the end of the link.
    socket.once("end", () => socket.destroy());
    socket.once("close", () => this.#lost(caller));
    await this.#heartbeat();
  }

  async #dial(): Promise<Result<Socket, Refusal>> {
    const address = await this.#locator.locate();
    if (address.ok) return connectTo(address.value, CONNECT_DEADLINE_MS);
    this.#locateFailureCount += 1;
    return address;
  }

  async #heartbeat(): Promise<void> {
    const caller = this.#caller;
    if (caller === null || this.#isHeartbeatInFlight) return;
    this.#isHeartbeatInFlight = true;
    const answer = await this.refreshStatus();
    this.#isHeartbeatInFlight = false;
    if (caller !== this.#caller) return;
    if (answer.ok) return this.#backoff.reset();
    // Opening a bundle of many keys keeps the enclave busy; that call has its own deadline.
    if (answer.error.code === "LINK_TIMEOUT" && this.#patientCount > 0) return;
    this.#socket?.destroy();
  }

  #keep(status: EnclaveStatus): void {
    const before = this.#status;
    this.#status = status;
    const isSame = before !== null && isEqualBytes(before.bootId, status.bootId);
    if (!isSame || before.phase !== status.phase) this.#changed();
  }

  #lost(caller: Caller<Calls>): void {
    caller.close();
    if (caller !== this.#caller) return;
    this.#caller = null;
    this.#socket = null;
    this.#status = null;
    this.#lossCount += 1;
    if (this.#isClosed) return;
    this.#changed();
    this.#connectLater();
  }

  #connectLater(): void {
    this.#reconnect = setTimeout(() => void this.#connect(), this.#backoff.nextMs());
  }
}
