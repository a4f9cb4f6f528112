// A network that the manifest spells out: a devnet, or a public one whose next fork was scheduled
// after the image was made. Strict and exact, because all of it decides what signatures mean; the
// name is only a label. It must never fill in what is left out, from a public network or otherwise.

import {
  JsonMismatch,
  member,
  readArray,
  readChoice,
  readExactObject,
  readHex,
  readInteger,
  readText,
  readU64,
} from "../../json.ts";
import {
  type EthereumFork,
  type EthereumNetwork,
  FORK_NAMES,
  flawOfNetwork,
  networkOf,
  ROOT_BYTES,
  VERSION_BYTES,
} from "./network.ts";
import { PRESET_NAMES } from "./preset.ts";

const NETWORK_FIELDS = [
  "name",
  "preset",
  "genesisTime",
  "slotDurationMs",
  "genesisValidatorsRoot",
  "forks",
] as const;
const FORK_FIELDS = ["name", "version", "epoch"] as const;
const NETWORK_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/u;
const GENESIS_TIME_MAX = 2 ** 40;
const SLOT_DURATION_MS_MAX = 3_600_000;

/**
 * `value` is a part of the manifest's tree, `at` its path there. Epochs are decimal strings, as in
 * beacon-chain JSON; the genesis time is in seconds, as a string or a number.
 */
export function readCustomNetwork(value: unknown, at: string): EthereumNetwork {
  const object = readExactObject(value, at, NETWORK_FIELDS);
  const name = readText(member(object, "name"), `${at}.name`, 32);
  if (!NETWORK_NAME.test(name)) throw new JsonMismatch(`${at}.name`);
  const facts = {
    name,
    preset: readChoice(member(object, "preset"), `${at}.preset`, PRESET_NAMES),
    genesisTimeMs: 1000 * readGenesisTime(member(object, "genesisTime"), `${at}.genesisTime`),
    slotDurationMs: readInteger(
      member(object, "slotDurationMs"),
      `${at}.slotDurationMs`,
      1,
      SLOT_DURATION_MS_MAX,
    ),
    genesisValidatorsRoot: readHex(
      member(object, "genesisValidatorsRoot"),
      `${at}.genesisValidatorsRoot`,
      ROOT_BYTES,
    ),
    forks: readArray(member(object, "forks"), `${at}.forks`, FORK_NAMES.length).map((fork, index) =>
      readFork(fork, `${at}.forks[${index}]`),
    ),
  };
  const flaw = flawOfNetwork(facts);
  if (flaw !== null) throw new JsonMismatch(`${at}.${flaw}`);
  return networkOf(facts);
}

function readGenesisTime(value: unknown, at: string): number {
  if (typeof value === "number") return readInteger(value, at, 0, GENESIS_TIME_MAX);
  const seconds = readU64(value, at);
  if (seconds > BigInt(GENESIS_TIME_MAX)) throw new JsonMismatch(at);
  return Number(seconds);
}

function readFork(value: unknown, at: string): EthereumFork {
  const object = readExactObject(value, at, FORK_FIELDS);
  return {
    name: readChoice(member(object, "name"), `${at}.name`, FORK_NAMES),
    version: readHex(member(object, "version"), `${at}.version`, VERSION_BYTES),
    epoch: readU64(member(object, "epoch"), `${at}.epoch`),
  };
}
