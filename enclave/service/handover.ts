// Hand-over of the state from one enclave to its successor, over a parent that neither trusts. The
// predecessor has drained: it writes every key's floor into its record, and attests the digest of
// all records to the successor's challenge. The successor takes them for the last ones when, and
// only when, its manifest names the predecessor's registers. It must never be given twice.

import { encodeHandover, type Handover, parseHandover } from "../../shared/attestation/handover.ts";
import { verifyAttestation } from "../../shared/attestation/verify.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { ethereumRule } from "../core/chains/ethereum/slashing-rule.ts";
import type { EthereumManifest } from "../core/manifest.ts";
import type { Nsm } from "../core/ports.ts";
import { inTurns } from "./act-turns.ts";
import { type EthereumAccounts, withFloor } from "./ethereum-accounts.ts";
import { firstRefusal, receiptOf } from "./record-act.ts";

const AGE_MS_MAX = 300_000;
const FUTURE_SKEW_MS_MAX = 5000;

export type GiverParts = {
  readonly accounts: EthereumAccounts;
  readonly scope: Uint8Array;
  readonly nsm: Pick<Nsm, "attest">;
  readonly bootId: Uint8Array;
  readonly nowMs: () => number | null;
};

/** The predecessor's side. Only for an enclave that signs nothing any more. */
export class HandoverGiver {
  readonly #parts: GiverParts;
  #given: { readonly nonce: Uint8Array; readonly document: Uint8Array } | null = null;

  constructor(parts: GiverParts) {
    this.#parts = parts;
  }

  /**
   * The same successor may ask again, and gets the same document. `drainedMs`: since when nothing
   * has been signed.
   */
  async give(nonce: Uint8Array, drainedMs: number): Promise<Result<Uint8Array, Refusal>> {
    const { accounts, scope, nsm, bootId } = this.#parts;
    if (this.#given !== null) {
      const isSame = isEqualBytes(this.#given.nonce, nonce);
      return isSame ? ok(this.#given.document) : err(refusal("HANDOVER_GIVEN"));
    }
    const sealed = await this.#sealFloors();
    if (!sealed.ok) return sealed;
    const keyCount = accounts.loaded().length;
    const state = accounts.stateDigest();
    const userData = encodeHandover({ scope, keyCount, state, bootId, drainedMs });
    // Before the document is made: one that was made and got lost counts as given.
    const document = await nsm.attest({ userData, nonce, publicKey: null });
    if (!document.ok) return document;
    this.#given = { nonce: nonce.slice(), document: document.value };
    return ok(document.value);
  }

  /** The successor has no floor: what may have been signed below ours goes into the records. */
  async #sealFloors(): Promise<Result<null, Refusal>> {
    const { accounts, nowMs } = this.#parts;
    const timeMs = nowMs();
    if (timeMs === null) return err(refusal("TIME_STALE"));
    const signing = accounts
      .loaded()
      .filter(({ entry }) => entry.durable !== null && !entry.durable.isRetired);
    const acts = await inTurns(signing, (account) =>
      account.ledger.amend(account, receiptOf("handover", timeMs), (record) => {
        const raised = withFloor(account, record ?? ethereumRule.empty);
        const isSame = record !== null && ethereumRule.isSuccessor(raised, record);
        return isSame ? null : { record: raised, isRetired: false };
      }),
    );
    const failed = firstRefusal(acts);
    return failed === null ? ok(null) : err(failed);
  }
}

export type TakerParts = {
  readonly manifest: EthereumManifest;
  /** DER of the root that NSM documents must be certified by. */
  readonly nsmRoot: Uint8Array;
  readonly challenge: Uint8Array;
  /** Trusted Unix time. */
  readonly nowMs: number;
};

/** The successor's side: what the predecessor states, when it may be believed. */
export function verifyHandover(
  document: Uint8Array,
  { manifest, nsmRoot, challenge, nowMs }: TakerParts,
): Result<Handover, Refusal<"HANDOVER_REFUSED">> {
  const refused = err(refusal("HANDOVER_REFUSED"));
  for (const pcrs of manifest.predecessors) {
    const verified = verifyAttestation(document, {
      rootDer: nsmRoot,
      atMs: nowMs,
      pcrs,
      nonce: challenge,
      allowDebug: false,
      ageMsMax: AGE_MS_MAX,
      futureSkewMsMax: FUTURE_SKEW_MS_MAX,
    });
    if (!verified.ok) continue;
    const handover = parseHandover(verified.value.userData ?? new Uint8Array(0));
    if (!handover.ok) return refused;
    const { genesisValidatorsRoot } = manifest.ethereum.network;
    return isEqualBytes(handover.value.scope, genesisValidatorsRoot) ? ok(handover.value) : refused;
  }
  return refused;
}
