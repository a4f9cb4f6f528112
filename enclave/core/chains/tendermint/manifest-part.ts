// The manifest's part on Tendermint: which chains, with which keys, up to which height, and whether
// anything but consensus messages may be signed (docs/manifest.md). It must never have a default
// that allows more than the file says.

import { digest } from "@chainsafe/as-sha256";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import {
  CHAIN_COUNT_MAX,
  CHAIN_ID_BYTES_MAX,
  KEY_COUNT_MAX,
  RESERVED_HEIGHT_COUNT_MAX,
} from "../../../../shared/limits.ts";
import {
  JsonMismatch,
  member,
  readArray,
  readChoice,
  readExactObject,
  readInteger,
  readText,
  readU64,
} from "../../json.ts";
import { readPublicKey, TENDERMINT_KEY_BYTES } from "../../public-key.ts";
import type { StateConfig } from "../../state-config.ts";
import { isHeight } from "./position.ts";

/** What may be signed beside consensus messages (tendermint.md §0.8, §10). */
export type RawBytesPolicy =
  | { readonly kind: "none" }
  /** Celestia's SignRawBytes with these ids. */
  | { readonly kind: "celestia"; readonly uniqueIds: readonly string[] }
  /** SignBytes of CometBFT v1: anything that is no consensus message. */
  | { readonly kind: "sign-bytes" };

export type TendermintChain = {
  readonly chainId: string;
  /** 32 bytes that name the chain in records. */
  readonly scope: Uint8Array;
  readonly keys: readonly Uint8Array[];
  /** Nothing is signed above it; null: no end. For planned halts and migrations. */
  readonly maxHeight: bigint | null;
  readonly rawBytes: RawBytesPolicy;
  /**
   * Heights that are reserved at once, to be signed without waiting for the store; null: each
   * signature waits (docs/decisions/0018-reservation.md).
   */
  readonly reservedCount: number | null;
};

export type TendermintPart = {
  readonly chains: readonly TendermintChain[];
  /** The chain of each key, by hex. A key has one: its record is about that chain alone. */
  readonly chainByKey: ReadonlyMap<string, TendermintChain>;
};

/** As chains have it: what a log line, a file name or a label can't be broken with. */
const CHAIN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const CHAIN_FIELDS = ["chainId", "keys", "maxHeight", "rawBytes", "reservation"] as const;
/** One height has to be signed while the next are being reserved. */
const RESERVED_COUNT_MIN = 2;
const UNIQUE_ID_COUNT_MAX = 64;
const UNIQUE_ID_LENGTH_MAX = 128;
const SCOPE_DOMAIN = new TextEncoder().encode("redoubt tendermint chain v1\0");
const RAW_BYTES_FIELDS = { celestia: ["kind", "uniqueIds"], "sign-bytes": ["kind"] } as const;

export function readTendermintPart(value: unknown, state: StateConfig): TendermintPart {
  const part = readExactObject(value, "tendermint", ["chains", "bootFloor"]);
  readBootFloor(member(part, "bootFloor"), state);
  const at = "tendermint.chains";
  const chains = readArray(member(part, "chains"), at, CHAIN_COUNT_MAX).map((chain, index) =>
    readChain(chain, `${at}[${index}]`),
  );
  const isDistinct = new Set(chains.map(({ chainId }) => chainId)).size === chains.length;
  if (chains.length === 0 || !isDistinct) throw new JsonMismatch(at);
  return { chains, chainByKey: indexKeys(chains) };
}

/**
 * Heights do not follow the clock, so no floor can be told from it. With a store that can be rolled
 * back somebody has to decide that its host is trusted not to; with a table there is no need to.
 */
function readBootFloor(value: unknown, state: StateConfig): void {
  switch (state.kind) {
    case "parent":
      readChoice(value, "tendermint.bootFloor", ["off"]);
      return;
    case "dynamodb":
      if (value !== undefined) throw new JsonMismatch("tendermint.bootFloor");
      if (state.hasBootFloor) throw new JsonMismatch("state.bootFloor");
  }
}

function readChain(value: unknown, at: string): TendermintChain {
  const chain = readExactObject(value, at, CHAIN_FIELDS);
  const chainId = readText(member(chain, "chainId"), `${at}.chainId`, CHAIN_ID_BYTES_MAX);
  if (!isChainId(chainId)) throw new JsonMismatch(`${at}.chainId`);
  const keys = readArray(member(chain, "keys"), `${at}.keys`, KEY_COUNT_MAX).map((key, index) =>
    readPublicKey(key, `${at}.keys[${index}]`, TENDERMINT_KEY_BYTES),
  );
  if (keys.length === 0) throw new JsonMismatch(`${at}.keys`);
  const maxHeight = member(chain, "maxHeight");
  const rawBytes = member(chain, "rawBytes");
  return {
    chainId,
    scope: chainScope(chainId),
    keys,
    maxHeight: maxHeight === undefined ? null : readHeight(maxHeight, `${at}.maxHeight`),
    rawBytes: rawBytes === undefined ? { kind: "none" } : readRawBytes(rawBytes, `${at}.rawBytes`),
    reservedCount: readReservation(member(chain, "reservation"), `${at}.reservation`),
  };
}

function readReservation(value: unknown, at: string): number | null {
  if (value === undefined) return null;
  const heights = member(readExactObject(value, at, ["heights"]), "heights");
  return readInteger(heights, `${at}.heights`, RESERVED_COUNT_MIN, RESERVED_HEIGHT_COUNT_MAX);
}

/** Of what a manifest may name: CometBFT takes any text of this length. */
export function isChainId(text: string): boolean {
  return text.length <= CHAIN_ID_BYTES_MAX && CHAIN_ID.test(text);
}

/** SHA-256 of a domain and the chain id. */
export function chainScope(chainId: string): Uint8Array {
  return digest(concatBytes(SCOPE_DOMAIN, new TextEncoder().encode(chainId)));
}

function readHeight(value: unknown, at: string): bigint {
  const height = readU64(value, at);
  if (!isHeight(height)) throw new JsonMismatch(at);
  return height;
}

function readRawBytes(value: unknown, at: string): RawBytesPolicy {
  const any = readExactObject(value, at, RAW_BYTES_FIELDS.celestia);
  const kind = readChoice(member(any, "kind"), `${at}.kind`, ["celestia", "sign-bytes"]);
  const policy = readExactObject(any, at, RAW_BYTES_FIELDS[kind]);
  switch (kind) {
    case "celestia":
      return { kind, uniqueIds: readUniqueIds(member(policy, "uniqueIds"), `${at}.uniqueIds`) };
    case "sign-bytes":
      return { kind };
  }
}

function readUniqueIds(value: unknown, at: string): readonly string[] {
  const ids = readArray(value, at, UNIQUE_ID_COUNT_MAX).map((id, index) =>
    readText(id, `${at}[${index}]`, UNIQUE_ID_LENGTH_MAX),
  );
  const isSound = ids.length > 0 && new Set(ids).size === ids.length && !ids.includes("");
  if (!isSound) throw new JsonMismatch(at);
  return ids;
}

function indexKeys(chains: readonly TendermintChain[]): ReadonlyMap<string, TendermintChain> {
  const byKey = new Map<string, TendermintChain>();
  for (const chain of chains) {
    for (const key of chain.keys) {
      const name = encodeHex(key);
      if (byKey.has(name)) throw new JsonMismatch("tendermint.chains");
      byKey.set(name, chain);
    }
  }
  return byKey;
}
