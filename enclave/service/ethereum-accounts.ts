// Ethereum's keys as accounts: what a key's place in the manifest is, what an operator sees of its
// record, and what another signer has to be told of its floor.

import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import { groupOf, type KeyGroup } from "../core/chains/ethereum/manifest-part.ts";
import type { EthereumClaim } from "../core/chains/ethereum/operation.ts";
import {
  type EthereumFloor,
  type EthereumRecord,
  ethereumRule,
  highestFloor,
  maximaBelow,
  raiseEthereumRecord,
} from "../core/chains/ethereum/slashing-rule.ts";
import type { EthereumManifest } from "../core/manifest.ts";
import type { SignPool } from "../core/ports.ts";
import { NO_HEAD } from "../state/record-codec.ts";
import { Accounts, type ChainFamily, type KeyAccount } from "./accounts.ts";

export type EthereumAccounts = Accounts<EthereumRecord, EthereumClaim, EthereumFloor, KeyGroup>;
export type EthereumAccount = KeyAccount<EthereumRecord, EthereumClaim, EthereumFloor, KeyGroup>;

export function createEthereumAccounts(
  manifest: EthereumManifest,
  pool: SignPool,
): EthereumAccounts {
  const { genesisValidatorsRoot: scope } = manifest.ethereum.network;
  const family: ChainFamily<EthereumRecord, EthereumClaim, EthereumFloor, KeyGroup> = {
    rule: ethereumRule,
    // A key that no group names has a place all the same: what has no claim may be refused to it.
    placeOf: ({ scheme, publicKey }) =>
      scheme === "bls12381-pop"
        ? ok({ scope, policy: groupOf(manifest, publicKey) })
        : err(refusal("KEY_SCHEME")),
    highestFloor,
  };
  return new Accounts(manifest, family, pool);
}

/** What an operator sees of a key, with `record` in the place of the durable one for a dry run. */
export function stateOf(
  account: EthereumAccount,
  record: EthereumRecord | null = account.entry.durable?.record ?? null,
): EthereumState {
  const { durable } = account.entry;
  return {
    key: account.publicKey,
    hasRecord: record !== null,
    isRetired: account.isRetired,
    seq: durable?.seq ?? 0,
    head: durable?.head ?? NO_HEAD,
    blockSlot: record?.block?.slot ?? null,
    blockRoot: record?.block?.root ?? null,
    source: record?.vote?.source ?? null,
    target: record?.vote?.target ?? null,
    attestationRoot: record?.vote?.root ?? null,
    floor: account.floor,
  };
}

/**
 * Another signer has no floor of ours: what may lie below it goes into the record. No root that
 * does: below the floor nothing is repeated, for the record may be one of two that were written for
 * a height, of which the other was released.
 */
export function withFloor(
  { floor }: Pick<EthereumAccount, "floor">,
  record: EthereumRecord,
): EthereumRecord {
  if (floor === null) return record;
  const { block, vote } = raiseEthereumRecord(record, maximaBelow(floor));
  const isVoteBelow = vote !== null && (vote.target < floor.target || vote.source < floor.source);
  return {
    block: block !== null && block.slot < floor.slot ? { slot: block.slot, root: null } : block,
    vote: isVoteBelow ? { source: vote.source, target: vote.target, root: null } : vote,
  };
}
