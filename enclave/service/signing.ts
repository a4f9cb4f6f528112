// The signing path, for one request: parse, policy, time, guard, then the record to the store and
// the root to the sign pool at once; the signature leaves when both are done. It must never answer
// a signature whose record is not durable, nor look at anything that the parent says of a request
// but to refuse more.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { hasOperation, OPERATION_KINDS } from "../../shared/operation.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  type AnswerOf,
  DIALECTS,
  type Dialect,
  type ENCLAVE_METHODS,
  type ParamsOf,
} from "../../shared/wire/methods.ts";
import type { EthereumClaim, EthereumOperation } from "../core/chains/ethereum/operation.ts";
import { parseEthereumRequest } from "../core/chains/ethereum/request.ts";
import { decideHighWatermark, decideTime } from "../core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../core/manifest.ts";
import { decidePolicy } from "../core/policy.ts";
import type { SignPool } from "../core/ports.ts";
import type { Receipt } from "../state/record-codec.ts";
import type { EthereumAccount, EthereumAccounts } from "./ethereum-accounts.ts";

type SignParams = ParamsOf<(typeof ENCLAVE_METHODS)["sign"]>;
type SignAnswer = Result<AnswerOf<(typeof ENCLAVE_METHODS)["sign"]>, Refusal>;

export type SigningParts = {
  readonly manifest: EthereumManifest;
  readonly accounts: EthereumAccounts;
  readonly pool: SignPool;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

export function sign(parts: SigningParts, params: SignParams): SignAnswer | Promise<SignAnswer> {
  const account = parts.accounts.find(params.key);
  if (account === undefined) return err(refusal("KEY_UNKNOWN"));
  if (account.isRetired) return err(refusal("KEY_RETIRED"));
  const dialect = dialectOf(params.dialect);
  if (dialect === undefined) return err(refusal("PARAMS_MALFORMED"));
  const { network, highWatermark } = parts.manifest.ethereum;
  const parsed = parseEthereumRequest(network, dialect, params.body);
  if (!parsed.ok) return parsed;
  const operation = parsed.value;
  if (!hasOperation(params.kinds, operation.kind)) return err(refusal("ACL_KIND_DENIED"));
  const denied = decidePolicy(account.policy, operation);
  if (denied !== null) return err(denied);
  const nowMs = parts.nowMs();
  if (nowMs === null) return err(refusal("TIME_STALE"));
  const early = decideTime(network, nowMs, operation);
  if (early !== null) return err(early);
  const { claim } = operation;
  if (claim === null) return release(parts, account, operation);
  const beyond = decideHighWatermark(highWatermark, claim);
  if (beyond !== null) return err(beyond);
  return signClaim(parts, account, operation, claim, nowMs);
}

function signClaim(
  parts: SigningParts,
  account: EthereumAccount,
  operation: EthereumOperation,
  claim: EthereumClaim,
  timeMs: number,
): SignAnswer | Promise<SignAnswer> {
  const { signingRoot, kind } = operation;
  const receipt: Receipt = { kind, heights: heightsOf(claim), signingRoot, timeMs };
  const wasStale = account.entry.isStale;
  const recorded = account.ledger.record(account, claim, signingRoot, receipt);
  if (!(recorded instanceof Promise)) {
    return recorded.ok ? release(parts, account, operation) : recorded;
  }
  // Not decided yet: nothing is signed before it is.
  if (wasStale) {
    return recorded.then((late) => (late.ok ? release(parts, account, operation) : late));
  }
  const signed = release(parts, account, operation);
  return recorded.then((late) => (late.ok ? signed : late));
}

/** Only for what is durable already, or whose answer waits until it is. */
function release(
  parts: SigningParts,
  account: EthereumAccount,
  operation: EthereumOperation,
): SignAnswer | Promise<SignAnswer> {
  // The bundle was dropped while the request waited for the store.
  if (account.handle === null) return err(refusal("KEY_UNKNOWN"));
  const kind = OPERATION_KINDS.indexOf(operation.kind);
  return parts.pool
    .sign(account.handle, operation.signingRoot)
    .then((signature) => ok({ kind, signature }));
}

function heightsOf(claim: EthereumClaim): readonly bigint[] {
  return claim.kind === "block" ? [claim.slot] : [claim.source, claim.target];
}

function dialectOf(number: number): Dialect | undefined {
  if (number === DIALECTS.web3signer) return "web3signer";
  return number === DIALECTS.eip3030 ? "eip3030" : undefined;
}
