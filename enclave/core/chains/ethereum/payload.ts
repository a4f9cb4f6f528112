// What the readers of all payloads share: the outcome of a reading, and `{version, data}`.

import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { JsonMismatch, type JsonObject, member, readObject } from "../../json.ts";
import { type EthereumNetwork, FORK_NAMES, type ForkName, forkAtSlot } from "./network.ts";
import type { EthereumClaim, OperationTime } from "./operation.ts";

export type Payload = {
  readonly objectRoot: Uint8Array;
  /** Whose fork version goes into the domain, where a fork's does. */
  readonly epoch: bigint;
  readonly claim: EthereumClaim | null;
  readonly time: OperationTime;
  readonly feeRecipient?: Uint8Array;
};

export type PayloadResult = Result<Payload, Refusal<"FORK_MISMATCH">>;

/** Reads the payload out of the whole request. Throws `JsonMismatch` for what is malformed. */
export type PayloadReader = (network: EthereumNetwork, request: JsonObject) => PayloadResult;

/** Versions are written in capitals, and Web3Signer minds the case. */
const FORK_BY_VERSION: ReadonlyMap<unknown, ForkName> = new Map(
  FORK_NAMES.map((name) => [name.toUpperCase(), name]),
);

export function readVersion(value: unknown, at: string): ForkName {
  const fork = FORK_BY_VERSION.get(value);
  if (fork === undefined) throw new JsonMismatch(at);
  return fork;
}

export type Unwrapped = {
  readonly version: ForkName | null;
  readonly data: JsonObject;
  readonly at: string;
};

/** `{version, data}`, or the data as it is: clients send either. */
export function unwrap(value: unknown, at: string): Unwrapped {
  const object = readObject(value, at);
  const version = member(object, "version");
  if (version === undefined) return { version: null, data: object, at };
  return {
    version: readVersion(version, `${at}.version`),
    data: readObject(member(object, "data"), `${at}.data`),
    at: `${at}.data`,
  };
}

/** The fork at a slot, refused if the request says that it is another one. */
export function decideForkName(
  network: EthereumNetwork,
  slot: bigint,
  version: ForkName | null,
): Result<ForkName, Refusal<"FORK_MISMATCH">> {
  const { name } = forkAtSlot(network, slot);
  if (version === null || version === name) return ok(name);
  return err(refusal("FORK_MISMATCH", name.toUpperCase(), version.toUpperCase()));
}
