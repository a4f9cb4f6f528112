// The enclaves that may connect to the store and to the relay: their CIDs, which the hypervisor
// vouches for, in memory that the store's thread sees too. There is a seat for the enclave that
// signs and one for its successor. Other enclaves of the instance must never get further than the
// accept. Before an enclave has been found, its seat lets nobody in.

import { invariant } from "../../shared/invariant.ts";

const SEAT_COUNT = 2;
const REFUSED_INDEX = SEAT_COUNT;
const CELL_COUNT = SEAT_COUNT + 1;
/** The hypervisor's own CID: no enclave has it. */
const NOBODY_CID = 0;

export type PeerCells = SharedArrayBuffer;

export class EnclavePeer {
  readonly #cells: Uint32Array<SharedArrayBuffer>;
  readonly #taken = new Set<number>();

  /** Over another thread's cells, or over new ones. */
  constructor(cells: PeerCells = new SharedArrayBuffer(4 * CELL_COUNT)) {
    this.#cells = new Uint32Array(cells);
  }

  /** For a thread's own EnclavePeer. */
  get cells(): PeerCells {
    return this.#cells.buffer;
  }

  /** For one enclave, until it is left. There are two. */
  takeSeat(): PeerSeat {
    const index = Array.from({ length: SEAT_COUNT }, (_, seat) => seat).find(
      (seat) => !this.#taken.has(seat),
    );
    invariant(index !== undefined, "two enclaves at most are served at once");
    this.#taken.add(index);
    return new PeerSeat(this.#cells, index, () => this.#taken.delete(index));
  }

  /** To be asked once for each connection: those that are turned away are counted. */
  isAllowed(cid: number): boolean {
    if (cid !== NOBODY_CID) {
      for (let seat = 0; seat < SEAT_COUNT; seat += 1) {
        if (Atomics.load(this.#cells, seat) === cid) return true;
      }
    }
    Atomics.add(this.#cells, REFUSED_INDEX, 1);
    return false;
  }

  get refusedCount(): number {
    return Atomics.load(this.#cells, REFUSED_INDEX);
  }
}

/** Whose CID it holds may connect. */
export class PeerSeat {
  readonly #cells: Uint32Array<SharedArrayBuffer>;
  readonly #index: number;
  readonly #onLeave: () => void;
  #isLeft = false;

  constructor(cells: Uint32Array<SharedArrayBuffer>, index: number, onLeave: () => void) {
    this.#cells = cells;
    this.#index = index;
    this.#onLeave = onLeave;
  }

  allow(cid: number): void {
    // Somebody else's by now: a look-up that was under way may end after the leaving.
    if (!this.#isLeft) Atomics.store(this.#cells, this.#index, cid);
  }

  allowNobody(): void {
    this.allow(NOBODY_CID);
  }

  leave(): void {
    if (this.#isLeft) return;
    this.allowNobody();
    this.#isLeft = true;
    this.#onLeave();
  }

  /** Null: nobody. */
  get cid(): number | null {
    if (this.#isLeft) return null;
    const cid = Atomics.load(this.#cells, this.#index);
    return cid === NOBODY_CID ? null : cid;
  }
}

/** Checked where it arrives from another thread. */
export function isPeerCells(value: unknown): value is PeerCells {
  return value instanceof SharedArrayBuffer && value.byteLength === 4 * CELL_COUNT;
}
