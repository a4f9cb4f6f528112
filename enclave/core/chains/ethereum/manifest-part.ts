// The manifest's part on Ethereum: which network, and groups of keys with what each may be asked
// for (docs/manifest.md). It must never have a default that allows more than the file says.

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { KEY_COUNT_MAX } from "../../../../shared/limits.ts";
import {
  DEFAULT_OPERATIONS,
  OPERATION_KINDS,
  type OperationMask,
  operationMaskOf,
} from "../../../../shared/operation.ts";
import {
  JsonMismatch,
  type JsonObject,
  member,
  readArray,
  readChoice,
  readExactObject,
  readHex,
  readObject,
  readText,
  readU64,
} from "../../json.ts";
import { readCustomNetwork } from "./custom-network.ts";
import type { EthereumNetwork } from "./network.ts";
import { PUBLIC_NETWORKS, publicNetwork } from "./public-network.ts";
import type { HighWatermark } from "./time-bound.ts";

export type KeyGroup = {
  readonly name: string;
  /** Public keys; null for the group that holds every key that no other group names. */
  readonly keys: readonly Uint8Array[] | null;
  readonly operations: OperationMask;
  /** Null: any fee recipient. */
  readonly feeRecipients: readonly Uint8Array[] | null;
};

export type EthereumPart = {
  readonly ethereum: {
    readonly network: EthereumNetwork;
    /** Slots and epochs at or above are refused; null: none. For planned migrations. */
    readonly highWatermark: HighWatermark | null;
  };
  readonly groups: readonly KeyGroup[];
  /** The group of each key that is named, by hex. */
  readonly groupByKey: ReadonlyMap<string, KeyGroup>;
};

const GROUP_COUNT_MAX = 1024;
const FEE_RECIPIENT_COUNT_MAX = 1024;
const GROUP_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function readEthereumPart(ethereum: unknown, listed: unknown): EthereumPart {
  const groups = readGroups(listed);
  return { ethereum: readEthereum(ethereum), groups, groupByKey: indexGroups(groups) };
}

function readEthereum(value: unknown): EthereumPart["ethereum"] {
  const ethereum = readExactObject(value, "ethereum", ["network", "highWatermark"]);
  const highWatermark = member(ethereum, "highWatermark");
  return {
    network: readNetwork(member(ethereum, "network")),
    highWatermark: highWatermark === undefined ? null : readHighWatermark(highWatermark),
  };
}

function readNetwork(value: unknown): EthereumNetwork {
  if (typeof value !== "string") return readOwnNetwork(value);
  const network = publicNetwork(value);
  if (network === undefined) throw new JsonMismatch("ethereum.network");
  return network;
}

/**
 * A custom network may be a public one with forks that this release does not know yet. Its clock
 * must then be the public one's: another genesis time or slot duration would move the boot floor.
 */
function readOwnNetwork(value: unknown): EthereumNetwork {
  const network = readCustomNetwork(value, "ethereum.network");
  const known = PUBLIC_NETWORKS.find((other) =>
    isEqualBytes(other.genesisValidatorsRoot, network.genesisValidatorsRoot),
  );
  // People read names: one of a public network stands for that network, or for none.
  if (publicNetwork(network.name) !== known) throw new JsonMismatch("ethereum.network.name");
  for (const field of ["preset", "genesisTimeMs", "slotDurationMs"] as const) {
    if (known === undefined || known[field] === network[field]) continue;
    const name = field === "genesisTimeMs" ? "genesisTime" : field;
    throw new JsonMismatch(`ethereum.network.${name}`);
  }
  return network;
}

function readHighWatermark(value: unknown): HighWatermark {
  const at = "ethereum.highWatermark";
  const mark = readExactObject(value, at, ["slot", "epoch"]);
  return {
    slot: readU64(member(mark, "slot"), `${at}.slot`),
    epoch: readU64(member(mark, "epoch"), `${at}.epoch`),
  };
}

function readGroups(value: unknown): readonly KeyGroup[] {
  const groups = readArray(value, "groups", GROUP_COUNT_MAX).map((group, index) =>
    readGroup(readObject(group, `groups[${index}]`), `groups[${index}]`),
  );
  const names = new Set(groups.map((group) => group.name));
  // One group for the rest and no more: else the order of the file would decide.
  const isSound = names.size === groups.length && groups.filter((g) => g.keys === null).length <= 1;
  if (groups.length === 0 || !isSound) throw new JsonMismatch("groups");
  return groups;
}

function readGroup(value: JsonObject, at: string): KeyGroup {
  const group = readExactObject(value, at, ["name", "keys", "allow", "feeRecipients"]);
  const name = readText(member(group, "name"), `${at}.name`, 63);
  if (!GROUP_NAME.test(name)) throw new JsonMismatch(`${at}.name`);
  const keys = member(group, "keys");
  const allow = member(group, "allow");
  const feeRecipients = member(group, "feeRecipients");
  return {
    name,
    keys: keys === "others" ? null : readHexList(keys, `${at}.keys`, KEY_COUNT_MAX, 48),
    operations: allow === undefined ? DEFAULT_OPERATIONS : readOperations(allow, `${at}.allow`),
    feeRecipients:
      feeRecipients === undefined
        ? null
        : readHexList(feeRecipients, `${at}.feeRecipients`, FEE_RECIPIENT_COUNT_MAX, 20),
  };
}

function readOperations(value: unknown, at: string): OperationMask {
  const kinds = readArray(value, at, OPERATION_KINDS.length).map((kind, index) =>
    readChoice(kind, `${at}[${index}]`, OPERATION_KINDS),
  );
  return operationMaskOf(kinds);
}

function readHexList(
  value: unknown,
  at: string,
  countMax: number,
  byteCount: number,
): readonly Uint8Array[] {
  return readArray(value, at, countMax).map((item, index) =>
    readHex(item, `${at}[${index}]`, byteCount),
  );
}

function indexGroups(groups: readonly KeyGroup[]): ReadonlyMap<string, KeyGroup> {
  const byKey = new Map<string, KeyGroup>();
  for (const group of groups) {
    for (const key of group.keys ?? []) {
      const name = encodeHex(key);
      if (byKey.has(name)) throw new JsonMismatch("groups");
      byKey.set(name, group);
    }
  }
  return byKey;
}

/** Of a key that no group holds: nothing is allowed. */
const NO_GROUP: KeyGroup = { name: "none", keys: [], operations: 0, feeRecipients: null };

export function groupOf(
  { groups, groupByKey }: Pick<EthereumPart, "groups" | "groupByKey">,
  publicKey: Uint8Array,
): KeyGroup {
  const named = groupByKey.get(encodeHex(publicKey));
  return named ?? groups.find((group) => group.keys === null) ?? NO_GROUP;
}
