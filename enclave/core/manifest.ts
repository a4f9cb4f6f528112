// The manifest: everything that bears on safety, in one file whose exact bytes are measured into
// PCR16 (docs/manifest.md). Its schema is strict: an unknown or missing field, or a value that is
// not in its one form, refuses the whole file. It must never have a default that allows more than
// the file says.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { parseKeyArn } from "../../shared/key-arn.ts";
import { KEY_COUNT_MAX, MANIFEST_BYTES_MAX } from "../../shared/limits.ts";
import {
  DEFAULT_OPERATIONS,
  OPERATION_KINDS,
  type OperationMask,
  operationMaskOf,
} from "../../shared/operation.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { readCustomNetwork } from "./chains/ethereum/custom-network.ts";
import type { EthereumNetwork } from "./chains/ethereum/network.ts";
import { PUBLIC_NETWORKS, publicNetwork } from "./chains/ethereum/public-network.ts";
import type { HighWatermark } from "./chains/ethereum/time-bound.ts";
import {
  JsonMismatch,
  type JsonObject,
  member,
  parseJson,
  readArray,
  readChoice,
  readExactObject,
  readHex,
  readInteger,
  readObject,
  readText,
  readU64,
} from "./json.ts";
import {
  type OverrideConfig,
  type Predecessor,
  readOverride,
  readPredecessors,
  readRetired,
  readStateConfig,
  type StateConfig,
} from "./state-config.ts";

export type KeyGroup = {
  readonly name: string;
  /** Public keys; null for the group that holds every key that no other group names. */
  readonly keys: readonly Uint8Array[] | null;
  readonly operations: OperationMask;
  /** Null: any fee recipient. */
  readonly feeRecipients: readonly Uint8Array[] | null;
};

export type Manifest = {
  readonly kmsKeyArn: string;
  readonly state: StateConfig;
  readonly ethereum: {
    readonly network: EthereumNetwork;
    /** Slots and epochs at or above are refused; null: none. For planned migrations. */
    readonly highWatermark: HighWatermark | null;
  };
  readonly groups: readonly KeyGroup[];
  /** The group of each key that is named, by hex. */
  readonly groupByKey: ReadonlyMap<string, KeyGroup>;
  /** Keys that never sign again, by hex. */
  readonly retired: ReadonlySet<string>;
  /** Null: no floor is ever lowered. */
  readonly override: OverrideConfig | null;
  /** Enclaves whose hand-over of the state is taken. */
  readonly predecessors: readonly Predecessor[];
};

const FIELDS = [
  "redoubt",
  "kms",
  "state",
  "ethereum",
  "groups",
  "retired",
  "override",
  "predecessors",
] as const;

const DEPTH_MAX = 8;
const GROUP_COUNT_MAX = 1024;
const FEE_RECIPIENT_COUNT_MAX = 1024;
const GROUP_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function parseManifest(bytes: Uint8Array): Result<Manifest, Refusal<"MANIFEST_MALFORMED">> {
  if (bytes.length > MANIFEST_BYTES_MAX) return err(refusal("MANIFEST_MALFORMED", ""));
  const parsed = parseJson(bytes, DEPTH_MAX, readManifest);
  return parsed.ok ? ok(parsed.value) : err(refusal("MANIFEST_MALFORMED", parsed.error));
}

function readManifest(value: unknown): Manifest {
  const top = readExactObject(value, "", FIELDS);
  readInteger(member(top, "redoubt"), "redoubt", 1, 1);
  const kms = readExactObject(member(top, "kms"), "kms", ["keyArn"]);
  const kmsKeyArn = readText(member(kms, "keyArn"), "kms.keyArn", 256);
  if (!parseKeyArn(kmsKeyArn).ok) throw new JsonMismatch("kms.keyArn");
  const groups = readGroups(member(top, "groups"));
  return {
    kmsKeyArn,
    state: readStateConfig(member(top, "state")),
    ethereum: readEthereum(member(top, "ethereum")),
    groups,
    groupByKey: indexGroups(groups),
    retired: readRetired(member(top, "retired")),
    override: readOverride(member(top, "override")),
    predecessors: readPredecessors(member(top, "predecessors")),
  };
}

function readEthereum(value: unknown): Manifest["ethereum"] {
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

export function isRetiredKey(manifest: Manifest, publicKey: Uint8Array): boolean {
  return manifest.retired.has(encodeHex(publicKey));
}

export function groupOf(manifest: Manifest, publicKey: Uint8Array): KeyGroup {
  const named = manifest.groupByKey.get(encodeHex(publicKey));
  return named ?? manifest.groups.find((group) => group.keys === null) ?? NO_GROUP;
}
