// The one enclave that may connect to the store and to the relay: its CID, which the hypervisor
// vouches for, in memory that the store's thread sees too. Other enclaves of the instance must
// never get further than the accept. Before an enclave has been found, nobody is let in.

const CID_INDEX = 0;
const REFUSED_INDEX = 1;
const CELL_COUNT = 2;
/** The hypervisor's own CID: no enclave has it. */
const NOBODY_CID = 0;

export type PeerCells = SharedArrayBuffer;

export class EnclavePeer {
  readonly #cells: Uint32Array<SharedArrayBuffer>;

  /** Over another thread's cells, or over new ones. */
  constructor(cells: PeerCells = new SharedArrayBuffer(4 * CELL_COUNT)) {
    this.#cells = new Uint32Array(cells);
  }

  /** For a thread's own EnclavePeer. */
  get cells(): PeerCells {
    return this.#cells.buffer;
  }

  allow(cid: number): void {
    Atomics.store(this.#cells, CID_INDEX, cid);
  }

  allowNobody(): void {
    Atomics.store(this.#cells, CID_INDEX, NOBODY_CID);
  }

  /** Null: nobody. */
  get cid(): number | null {
    const cid = Atomics.load(this.#cells, CID_INDEX);
    return cid === NOBODY_CID ? null : cid;
  }

  /** To be asked once for each connection: those that are turned away are counted. */
  isAllowed(cid: number): boolean {
    if (cid === this.cid) return true;
    Atomics.add(this.#cells, REFUSED_INDEX, 1);
    return false;
  }

  get refusedCount(): number {
    return Atomics.load(this.#cells, REFUSED_INDEX);
  }
}

/** Checked where it arrives from another thread. */
export function isPeerCells(value: unknown): value is PeerCells {
  return value instanceof SharedArrayBuffer && value.byteLength === 4 * CELL_COUNT;
}
