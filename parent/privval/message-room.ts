// Room for what nodes send, so that all of them together hold no more than is planned for. Votes
// are a few hundred bytes and need none: what is small always goes through, whatever others send,
// and the connections bound how much of it there is. It must never make a small message wait, nor
// let one that waits be overtaken.

import { invariant } from "../../shared/invariant.ts";

/** What needs no room: votes, and proposals without a list of their transactions. */
export const SMALL_MESSAGE_BYTES_MAX = 64 * 1024;
/** Longer messages, added up; nodes that are dialled and nodes that call have a room each. */
export const ROOM_BYTES = 16 * 1024 * 1024;

export class MessageRoom {
  readonly #bytesMax: number;
  #bytes = 0;
  #waiting: Booking[] = [];

  constructor(bytesMax = ROOM_BYTES) {
    this.#bytesMax = bytesMax;
  }

  /** Null when there is no room now. */
  take(byteCount: number): Booking | null {
    const booking = this.#bookingOf(byteCount, () => {});
    if (booking.byteCount > 0 && this.#waiting.length > 0) return null;
    return this.#grant(booking) ? booking : null;
  }

  /** Told when there is room, later and at most once; not when there is room at once. */
  await(byteCount: number, onRoom: () => void): Booking {
    const booking = this.#bookingOf(byteCount, onRoom);
    const isNext = booking.byteCount === 0 || this.#waiting.length === 0;
    if (!isNext || !this.#grant(booking)) this.#waiting.push(booking);
    return booking;
  }

  #bookingOf(messageBytes: number, onRoom: () => void): Booking {
    const byteCount = messageBytes <= SMALL_MESSAGE_BYTES_MAX ? 0 : messageBytes;
    invariant(byteCount <= this.#bytesMax, "the longest message has room");
    return new Booking(byteCount, onRoom, (booking) => this.#release(booking));
  }

  #grant(booking: Booking): boolean {
    if (this.#bytes + booking.byteCount > this.#bytesMax) return false;
    this.#bytes += booking.byteCount;
    booking.isGranted = true;
    return true;
  }

  #release(booking: Booking): void {
    if (booking.isGranted) this.#bytes -= booking.byteCount;
    else this.#waiting = this.#waiting.filter((other) => other !== booking);
    // Whoever is told may release another one: nothing is kept from before a call.
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#grant(next)) return;
      this.#waiting.shift();
      next.onRoom();
    }
  }
}

/** One message's room, until it is released. */
export class Booking {
  /** 0 of a small message. */
  readonly byteCount: number;
  readonly onRoom: () => void;
  readonly #onRelease: (booking: Booking) => void;
  isGranted = false;
  #isReleased = false;

  constructor(byteCount: number, onRoom: () => void, onRelease: (booking: Booking) => void) {
    this.byteCount = byteCount;
    this.onRoom = onRoom;
    this.#onRelease = onRelease;
  }

  /** Also of one that still waits. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onRelease(this);
  }
}
