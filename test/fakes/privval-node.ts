// What a CometBFT node sends, written field by field with nothing of the program's own codec: each
// test changes the field that it is about.

export type WireValue = number | bigint | string | Uint8Array | Wire;
/** Fields by number, in this order. Undefined is left out. */
export type Wire = { readonly [field: number]: WireValue | undefined };

export const HASH = fromHex("d04b98f48e8f8bcc15c6ae5ac050801cd6dcfd428fb5f9e65c4e16e7807340fa");
export const OTHER_HASH = new Uint8Array(32).fill(0xbb);
export const CHAIN = "test_chain_id";
export const TIME = { seconds: 1_518_332_962n, nanos: 765_000_000 };
export const BLOCK: Wire = { 1: HASH, 2: { 1: 1_000_000, 2: HASH } };
/** As Go writes none. */
export const NIL_BLOCK: Wire = { 2: {} };

export function wire(fields: Wire): Uint8Array {
  const parts = Object.entries(fields).flatMap(([field, value]) =>
    value === undefined ? [] : [fieldBytes(Number(field), value)],
  );
  // Not a Buffer: those do not compare as plain bytes.
  return new Uint8Array(Buffer.concat(parts));
}

function fieldBytes(field: number, value: WireValue): Buffer {
  if (typeof value === "number" || typeof value === "bigint") {
    return Buffer.concat([varint(BigInt(field * 8)), varint(BigInt(value))]);
  }
  const bytes = bytesOf(value);
  return Buffer.concat([varint(BigInt(field * 8 + 2)), varint(BigInt(bytes.length)), bytes]);
}

function bytesOf(value: string | Uint8Array | Wire): Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  return value instanceof Uint8Array ? value : wire(value);
}

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest % 128n);
    rest /= 128n;
    bytes.push(rest > 0n ? low + 128 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** A precommit of v0.38 for a block, with its fields changed. */
export function voteWire(changes: Wire = {}): Wire {
  return {
    1: 2,
    2: 100,
    3: 7,
    4: BLOCK,
    5: { 1: TIME.seconds, 2: TIME.nanos },
    6: new Uint8Array(20).fill(0xad),
    7: 3,
    9: "extension",
    ...changes,
  };
}

export function proposalWire(changes: Wire = {}): Wire {
  return {
    1: 32,
    2: 100,
    3: 7,
    4: -1,
    5: BLOCK,
    6: { 1: TIME.seconds, 2: TIME.nanos },
    ...changes,
  };
}

export function voteRequest(changes: Wire = {}, request: Wire = {}): Uint8Array {
  return wire({ 3: { 1: voteWire(changes), 2: CHAIN, ...request } });
}

export function proposalRequest(changes: Wire = {}, request: Wire = {}): Uint8Array {
  return wire({ 5: { 1: proposalWire(changes), 2: CHAIN, ...request } });
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Spaces are for the reader. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}
