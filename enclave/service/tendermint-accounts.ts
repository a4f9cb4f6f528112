// Tendermint's keys as accounts: each belongs to the one chain of the manifest that names it.

import { encodeHex } from "../../shared/bytes/hex.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import type { Scheme } from "../../shared/scheme.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import {
  highestFloor,
  type TendermintFloor,
  type TendermintRecord,
} from "../core/chains/tendermint/consensus-record.ts";
import { type TendermintClaim, tendermintRule } from "../core/chains/tendermint/consensus-rule.ts";
import type { TendermintChain } from "../core/chains/tendermint/manifest-part.ts";
import { wirePositionOf } from "../core/chains/tendermint/position.ts";
import type { PublicKeyType } from "../core/chains/tendermint/privval-answer.ts";
import type { TendermintManifest } from "../core/manifest.ts";
import { NO_HEAD } from "../state/record-codec.ts";
import { Accounts, type ChainFamily, type KeyAccount } from "./accounts.ts";

/** What the manifest says of a key's chain, and how nodes call the key's type. */
export type ConsensusPolicy = TendermintChain & { readonly keyType: PublicKeyType };

export type TendermintAccounts = Accounts<
  TendermintRecord,
  TendermintClaim,
  TendermintFloor,
  ConsensusPolicy
>;
export type TendermintAccount = KeyAccount<
  TendermintRecord,
  TendermintClaim,
  TendermintFloor,
  ConsensusPolicy
>;

/** Null: no key of consensus. */
const KEY_TYPES: Readonly<Record<Scheme, PublicKeyType | null>> = {
  "bls12381-pop": null,
  ed25519: "ed25519",
  secp256k1: "secp256k1",
  "bls12381-nul": "bls12_381",
  secp256k1eth: "secp256k1eth",
};

export function createTendermintAccounts(manifest: TendermintManifest): TendermintAccounts {
  const family: ChainFamily<TendermintRecord, TendermintClaim, TendermintFloor, ConsensusPolicy> = {
    rule: tendermintRule,
    placeOf: ({ scheme, publicKey }) => {
      const chain = manifest.chainByKey.get(encodeHex(publicKey));
      if (chain === undefined) return err(refusal("KEY_PLACE"));
      const keyType = KEY_TYPES[scheme];
      if (keyType === null) return err(refusal("KEY_SCHEME"));
      return ok({ scope: chain.scope, policy: { ...chain, keyType } });
    },
    highestFloor,
  };
  return new Accounts(manifest, family, null);
}

/** What an operator sees of a key, with `record` in the place of the durable one for a dry run. */
export function consensusStateOf(
  account: TendermintAccount,
  record: TendermintRecord | null = account.entry.durable?.record ?? null,
): ConsensusState {
  const { durable } = account.entry;
  const last = record?.last ?? null;
  return {
    key: account.publicKey,
    chainId: account.policy.chainId,
    hasRecord: record !== null,
    isRetired: account.isRetired,
    seq: durable?.seq ?? 0,
    head: durable?.head ?? NO_HEAD,
    last: last === null ? null : wirePositionOf(last),
    root: last?.root ?? null,
    reserved: record?.reserved?.height ?? null,
  };
}
