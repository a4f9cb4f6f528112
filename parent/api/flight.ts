// A request between its arrival and its one answer. All flights have the same deadline, so the
// order in which they began is the order in which they expire: one sweep instead of a timer each.
// It must never answer twice, and never forget to answer.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { IN_FLIGHT_BYTES_MAX } from "../../shared/limits.ts";
import type { ApiContext, Edge } from "./edge.ts";
import type { Peer } from "./peer.ts";
import { refuse } from "./refuse.ts";

type Headers = Readonly<Record<"Content-Type", string>>;

export class FlightList {
  /**
   * In the order in which they began, linked through the flights themselves: a Set that entries
   * come to and leave all the time would throw its tables away, and old tables keep dead requests
   * alive.
   */
  #oldest: Flight | null = null;
  #newest: Flight | null = null;
  #count = 0;
  readonly #deadlineMs: number;
  /** Bodies of all flights, as far as they have arrived. */
  #byteCount = 0;
  #onEmpty: (() => void) | null = null;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  get count(): number {
    return this.#count;
  }

  add(flight: Flight): void {
    flight.earlier = this.#newest;
    if (this.#newest === null) this.#oldest = flight;
    else this.#newest.later = flight;
    this.#newest = flight;
    this.#count += 1;
  }

  book(byteCount: number): boolean {
    if (this.#byteCount + byteCount > IN_FLIGHT_BYTES_MAX) return false;
    this.#byteCount += byteCount;
    return true;
  }

  remove(flight: Flight, bookedBytes: number): void {
    const { earlier, later } = flight;
    if (earlier === null) this.#oldest = later;
    else earlier.later = later;
    if (later === null) this.#newest = earlier;
    else later.earlier = earlier;
    flight.earlier = null;
    flight.later = null;
    this.#count -= 1;
    this.#byteCount -= bookedBytes;
    if (this.#count === 0) this.#onEmpty?.();
  }

  /** `nowMs` of `performance.now()`. */
  sweep(nowMs: number): void {
    while (this.#oldest !== null && nowMs - this.#oldest.startedAtMs >= this.#deadlineMs) {
      this.#oldest.refuse(refusal("DEADLINE"));
    }
  }

  /** Settles when nothing is in flight. */
  async empty(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((settle) => {
      this.#onEmpty = settle;
    });
  }
}

export class Flight {
  /** Its neighbours in the list; null at either end, and when it is in none. */
  earlier: Flight | null = null;
  later: Flight | null = null;
  readonly startedAtMs = performance.now();
  readonly response: Promise<Response>;
  readonly #edge: Edge;
  readonly #c: ApiContext;
  readonly #peer: Peer;
  readonly #keyText: string | undefined;
  #isSettled = false;
  #bookedBytes = 0;
  #settle: (response: Response) => void = () => {};

  constructor(edge: Edge, c: ApiContext, peer: Peer, keyText?: string) {
    this.#edge = edge;
    this.#c = c;
    this.#peer = peer;
    this.#keyText = keyText;
    this.response = new Promise((settle) => {
      this.#settle = settle;
    });
    peer.inFlightCount += 1;
    edge.flights.add(this);
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Room for a piece of the body; false when there is none, or the flight is over. */
  book(byteCount: number): boolean {
    if (this.#isSettled || !this.#edge.flights.book(byteCount)) return false;
    this.#bookedBytes += byteCount;
    return true;
  }

  answer(body: string | Uint8Array<ArrayBuffer>, headers: Headers): void {
    if (this.#isSettled) return;
    this.#finish(this.#c.body(body, 200, headers));
  }

  refuse(cause: Refusal): void {
    if (this.#isSettled) return;
    this.#finish(refuse(this.#edge, this.#c, cause, this.#keyText));
  }

  /** The client went away: there is nobody to answer. */
  abandon(): void {
    if (this.#isSettled) return;
    this.#finish(this.#c.body(null, 400));
  }

  #finish(response: Response): void {
    this.#isSettled = true;
    this.#peer.inFlightCount -= 1;
    this.#edge.flights.remove(this, this.#bookedBytes);
    const { outgoing } = this.#c.env;
    const isLeaving = this.#peer.leaveByMs !== null || this.#edge.isDraining;
    if (isLeaving && !outgoing.headersSent) outgoing.setHeader("Connection", "close");
    this.#settle(response);
  }
}
