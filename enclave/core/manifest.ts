// The manifest: everything that bears on safety, in one file whose exact bytes are measured into
// PCR16 (docs/manifest.md). Its schema is strict: an unknown or missing field, or a value that is
// not in its one form, refuses the whole file. It must never have a default that allows more than
// the file says.

import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { parseKeyArn } from "../../shared/key-arn.ts";
import { MANIFEST_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type EthereumPart, readEthereumPart } from "./chains/ethereum/manifest-part.ts";
import { readTendermintPart, type TendermintPart } from "./chains/tendermint/manifest-part.ts";
import { JsonMismatch, member, parseJson, readExactObject, readInteger, readText } from "./json.ts";
import { ETHEREUM_KEY_BYTES, TENDERMINT_KEY_BYTES } from "./public-key.ts";
import {
  type OverrideConfig,
  type Predecessor,
  readOverride,
  readPredecessors,
  readRetired,
  readStateConfig,
  type StateConfig,
} from "./state-config.ts";

type Common = {
  readonly kmsKeyArn: string;
  readonly state: StateConfig;
  /** Keys that never sign again, by hex. */
  readonly retired: ReadonlySet<string>;
  /** Null: no floor is ever lowered. */
  readonly override: OverrideConfig | null;
  /** Enclaves whose hand-over of the state is taken. */
  readonly predecessors: readonly Predecessor[];
};

export type EthereumManifest = Common & EthereumPart & { readonly family: "ethereum" };
export type TendermintManifest = Common & TendermintPart & { readonly family: "tendermint" };

/** An enclave signs for one family of chains (docs/decisions/0014-one-family-an-enclave.md). */
export type Manifest = EthereumManifest | TendermintManifest;
export type Family = Manifest["family"];

const FIELDS = [
  "redoubt",
  "kms",
  "state",
  "ethereum",
  "groups",
  "tendermint",
  "retired",
  "override",
  "predecessors",
] as const;

const DEPTH_MAX = 8;

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
  const tendermint = member(top, "tendermint");
  const keyBytes = tendermint === undefined ? ETHEREUM_KEY_BYTES : TENDERMINT_KEY_BYTES;
  const common: Common = {
    kmsKeyArn,
    state: readStateConfig(member(top, "state")),
    retired: readRetired(member(top, "retired"), keyBytes),
    override: readOverride(member(top, "override")),
    predecessors: readPredecessors(member(top, "predecessors")),
  };
  if (tendermint === undefined) {
    const part = readEthereumPart(member(top, "ethereum"), member(top, "groups"));
    return { family: "ethereum", ...common, ...part };
  }
  // What this family can't do must not stand in the file as if it could: without a floor by time
  // there is nothing that a hand-over could spare.
  for (const other of ["ethereum", "groups", "predecessors"]) {
    if (member(top, other) !== undefined) throw new JsonMismatch(other);
  }
  return { family: "tendermint", ...common, ...readTendermintPart(tendermint, common.state) };
}

export function isRetiredKey({ retired }: Pick<Common, "retired">, publicKey: Uint8Array): boolean {
  return retired.has(encodeHex(publicKey));
}
