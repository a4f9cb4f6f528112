// The store of a hostile parent, on the wire: it has every frame that enclaves send to it, and
// answers what it likes, when it likes, of what it has ever seen. It can't forge a record.
//
// One thing it does not do unless it is given the power to: show a boot, when that reads a key for
// the first time, a record that is behind what an earlier boot was told is stored; or give two
// enclaves that run at once two copies. Everything else it says and does as it likes.

import { type Duplex, duplexPair } from "node:stream";
import type { RecordWrite, StoredRecord } from "../../enclave/core/ports.ts";
import type { Dial } from "../../enclave/state/store-client.ts";
import { type CborValue, encodeCbor } from "../../shared/bytes/cbor.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { ok } from "../../shared/result.ts";
import { encodeFrame, FrameReader } from "../../shared/wire/frame.ts";
import { answerItem, parseRequest } from "../../shared/wire/message.ts";
import { STORE_METHODS } from "../../shared/wire/methods.ts";
import type { Random } from "./random.ts";
import { StoreLine } from "./store-line.ts";

const LIE_CHANCE = 0.4;
/** Most of them keep a boot from signing, and nothing more. */
const BOOT_LIE_CHANCE = 0.1;

export type StorePowers = {
  /** To show a boot an older record. */
  readonly rollsBack: boolean;
};

type Guest = {
  readonly line: StoreLine;
  /** Keys that it has read. */
  readonly shown: Set<string>;
  readonly streams: Set<Duplex>;
  isGone: boolean;
};
type Call = {
  readonly guest: Guest;
  readonly stream: Duplex;
  readonly id: number;
  readonly asked:
    | { readonly kind: "read"; readonly names: readonly string[] }
    | { readonly kind: "commit"; readonly writes: readonly RecordWrite[] }
    | { readonly kind: "append" };
};

export class SiegeStore {
  readonly #random: Random;
  readonly #powers: StorePowers;
  #line = new StoreLine();
  #calls: Call[] = [];
  #late: { readonly line: StoreLine; readonly write: RecordWrite }[] = [];
  /** Every record that an enclave ever handed over. */
  readonly #seen = new Map<string, StoredRecord[]>();
  readonly #guests = new Map<object, Guest>();
  /** Told when a boot is shown what is behind; the key, in hexadecimal digits. */
  onRollBack: (name: string) => void = () => {};
  isHonest = true;
  lieCount = 0;
  callCount = 0;

  constructor(random: Random, powers: StorePowers) {
    this.#random = random;
    this.#powers = powers;
  }

  get waitingCount(): number {
    return this.#calls.length;
  }

  /** How one boot gets at the store. */
  dialOf(owner: object): Dial {
    const guest: Guest = {
      line: this.#line,
      shown: new Set(),
      streams: new Set(),
      isGone: false,
    };
    this.#guests.set(owner, guest);
    return () => {
      const [enclave, stream] = duplexPair();
      guest.streams.add(stream);
      const reader = new FrameReader();
      stream.on("data", (chunk: Buffer) => {
        const frames = reader.read(chunk);
        invariant(frames.ok, "an enclave writes frames");
        for (const frame of frames.value) this.#take(guest, stream, frame);
      });
      stream.on("error", () => stream.destroy());
      return Promise.resolve(ok(enclave));
    };
  }

  /** Whoever dials from now on gets a copy, and the others keep theirs. */
  fork(): void {
    this.#line = this.#line.copy();
  }

  /** The enclave has died: what it had sent is done late, or never. */
  forget(owner: object): void {
    const guest = this.#guests.get(owner);
    this.#guests.delete(owner);
    if (guest === undefined) return;
    guest.isGone = true;
    for (const call of this.#calls.filter((one) => one.guest === guest)) this.#delay(call);
    this.#calls = this.#calls.filter((call) => call.guest !== guest);
    for (const stream of guest.streams) stream.destroy();
  }

  /** Every enclave loses its connection, with all that was under way. */
  cut(): void {
    for (const call of this.#calls.splice(0)) this.#delay(call);
    for (const { streams } of this.#guests.values()) {
      for (const stream of streams) stream.destroy();
      streams.clear();
    }
  }

  landOne(): void {
    const [late] = this.#late.splice(this.#random.below(this.#late.length), 1);
    late?.line.compareAndSwap(late.write);
  }

  answerOne(): void {
    const at = this.isHonest ? 0 : this.#random.below(this.#calls.length);
    const [call] = this.#calls.splice(at, 1);
    if (call === undefined) return;
    this.callCount += 1;
    const chance = isFirst(call) ? BOOT_LIE_CHANCE : LIE_CHANCE;
    if (this.isHonest || !this.#random.chance(chance)) return this.#answerTruly(call);
    this.lieCount += 1;
    const kind = this.#random.weighted({ content: 6, none: 2, twice: 1, other: 1, garbled: 1 });
    switch (kind) {
      case "content":
        return this.#answer(call, this.#lie(call));
      case "none":
        return this.#random.chance(0.5) ? this.#write(call) : this.#delay(call);
      case "twice":
        this.#answerTruly(call);
        return this.#answerTruly(call);
      case "other":
        return this.#answer({ ...call, id: call.id + this.#random.between(1, 3) }, this.#lie(call));
      case "garbled":
        call.stream.write(encodeFrame(encodeCbor([call.id, 0, [[[this.#random.below(9)]]]])));
    }
  }

  /** Answers how many writes are made of which nobody has heard. */
  writeUntold(): number {
    for (const call of this.#calls) this.#write(call);
    return this.#calls.filter(({ asked }) => asked.kind === "commit").length;
  }

  #take(guest: Guest, stream: Duplex, frame: Uint8Array): void {
    const request = parseRequest(frame.slice());
    invariant(request.ok, "an enclave writes requests");
    const { id, method, params } = request.value;
    const call = { guest, stream, id, asked: this.#askedOf(method, params) };
    // It had left before the enclave died.
    if (guest.isGone) this.#delay(call);
    else this.#calls.push(call);
  }

  #askedOf(method: string, params: readonly CborValue[]): Call["asked"] {
    if (method === "store.append") return { kind: "append" };
    const read = STORE_METHODS["store.read"].params.parse(params);
    if (method === "store.read" && read !== undefined) {
      return { kind: "read", names: read.keys.map(encodeHex) };
    }
    const commit = STORE_METHODS["store.commit"].params.parse(params);
    invariant(commit !== undefined, "an enclave's parameters are right");
    for (const { key, seq, record } of commit.writes) {
      const name = encodeHex(key);
      this.#seen.set(name, [...(this.#seen.get(name) ?? []), { seq, record }]);
    }
    return { kind: "commit", writes: commit.writes };
  }

  #answerTruly(call: Call): void {
    const { asked, guest } = call;
    if (asked.kind === "append") return this.#answer(call, []);
    if (asked.kind === "read") {
      return this.#answer(
        call,
        asked.names.map((name) => this.#tell(guest, name, guest.line.newest(name))),
      );
    }
    const outcomes = asked.writes.map((write) => {
      const name = encodeHex(write.key);
      const stored = guest.line.compareAndSwap(write);
      return stored === "done"
        ? this.#committed(guest, write)
        : this.#conflict(guest, name, stored);
    });
    this.#answer(call, outcomes);
  }

  #lie({ asked, guest }: Call): CborValue {
    if (asked.kind === "append") return [];
    if (asked.kind === "read") {
      return asked.names.map((name) => this.#tell(guest, name, this.#anySeen(name)));
    }
    return asked.writes.map((write) => {
      const name = encodeHex(write.key);
      switch (this.#random.weighted({ committed: 4, hidden: 4, denied: 2 })) {
        case "committed":
          // Whether it is written is for the next boot to find out.
          return this.#committed(guest, write);
        case "hidden":
          guest.line.compareAndSwap(write);
          return this.#conflict(guest, name, this.#anySeen(name));
        case "denied":
          return this.#conflict(guest, name, this.#anySeen(name));
      }
    });
  }

  #committed(guest: Guest, { key, seq, record }: RecordWrite): CborValue {
    guest.line.tell(encodeHex(key), { seq, record });
    return null;
  }

  #conflict(guest: Guest, name: string, stored: StoredRecord | null): CborValue {
    const told = this.#tell(guest, name, stored);
    return told ?? [0, new Uint8Array(0)];
  }

  /** As the wire has it; null: none. */
  #tell(guest: Guest, name: string, chosen: StoredRecord | null): CborValue {
    const told = guest.shown.has(name) ? chosen : this.#firstOf(guest.line, name);
    guest.shown.add(name);
    if (told === null) return null;
    // Another key's record is nothing that an enclave could hold for stored.
    if (this.#isOf(name, told)) guest.line.tell(name, told);
    return [told.seq, told.record];
  }

  #isOf(name: string, { record }: StoredRecord): boolean {
    return this.#seen.get(name)?.some((seen) => seen.record === record) === true;
  }

  #firstOf(line: StoreLine, name: string): StoredRecord | null {
    const newest = line.newest(name);
    if (newest !== null) line.current.set(name, newest);
    if (!this.#powers.rollsBack || this.isHonest || !this.#random.chance(0.5)) return newest;
    const old = this.#random.pick(this.#seen.get(name) ?? []) ?? null;
    if (old === null || newest === null || old.record === newest.record) return newest;
    this.onRollBack(name);
    line.current.set(name, old);
    line.told.set(name, old);
    return old;
  }

  /** Mostly of this key and of late; now and then none, or another key's. */
  #anySeen(name: string): StoredRecord | null {
    if (this.#random.chance(0.05)) return null;
    const of = this.#random.chance(0.05) ? this.#random.pick([...this.#seen.keys()]) : name;
    const seen = this.#seen.get(of ?? name) ?? [];
    const last = this.#random.chance(0.7) ? seen.slice(-4) : seen;
    return this.#random.pick(last) ?? null;
  }

  #write({ asked, guest }: Call): void {
    if (asked.kind !== "commit") return;
    for (const write of asked.writes) guest.line.compareAndSwap(write);
  }

  #delay({ asked, guest }: Call): void {
    if (asked.kind !== "commit" || this.#random.chance(0.3)) return;
    this.#late.push(...asked.writes.map((write) => ({ line: guest.line, write })));
  }

  #answer({ stream, id }: Call, value: CborValue): void {
    if (!stream.destroyed)
      stream.write(encodeFrame(encodeCbor(answerItem({ id, outcome: ok(value) }))));
  }
}

/** Of a key that this boot has not read before. */
function isFirst({ asked, guest }: Call): boolean {
  return asked.kind === "read" && asked.names.some((name) => !guest.shown.has(name));
}
