// The signing path of Tendermint, for one privval message of a node: parse, policy, guard, then the
// record to the store; the signature is made meanwhile, and leaves when the record is durable. It
// must never answer a signature whose record is not durable, nor sign what the guard has not
// allowed. Of what the parent says it takes the chain and the key that are asked for, and holds a
// request that names its chain against them.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { encodePingAnswer } from "../../shared/privval.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AnswerOf, ENCLAVE_METHODS, ParamsOf } from "../../shared/wire/methods.ts";
import {
  extensionSignBytes,
  proposalRoot,
  proposalSignBytes,
  rawBytesSignBytes,
  voteRoot,
  voteSignBytes,
} from "../core/chains/tendermint/canonical.ts";
import { decideMaxHeight, type TendermintClaim } from "../core/chains/tendermint/consensus-rule.ts";
import type { TendermintChain } from "../core/chains/tendermint/manifest-part.ts";
import { STEP_NUMBERS, type TendermintStep } from "../core/chains/tendermint/position.ts";
import {
  encodeBytesAnswer,
  encodeProposalAnswer,
  encodePubKeyAnswer,
  encodeVoteAnswer,
} from "../core/chains/tendermint/privval-answer.ts";
import {
  type BytesDialect,
  type PrivvalRequest,
  parsePrivvalMessage,
} from "../core/chains/tendermint/privval-message.ts";
import { decideRawBytes } from "../core/chains/tendermint/raw-bytes-filter.ts";
import { isSameTime, type Timestamp } from "../core/chains/tendermint/timestamp.ts";
import { hasExtension, type Vote, type VoteSignatures } from "../core/chains/tendermint/vote.ts";
import { uncompressPublicKey } from "../keys/ecdsa.ts";
import { MessageKey } from "../keys/signing-key.ts";
import type { Receipt } from "../state/record-codec.ts";
import type { ClaimRecorder } from "./claim-recorder.ts";
import { EarlyWork } from "./early-work.ts";
import { type TendermintAccount, type TendermintAccounts } from "./tendermint-accounts.ts";
import type { UnboundSignatures } from "./unbound-signatures.ts";

type PrivvalParams = ParamsOf<(typeof ENCLAVE_METHODS)["privval"]>;
type PrivvalAnswer = AnswerOf<(typeof ENCLAVE_METHODS)["privval"]>;
type PrivvalOutcome = Result<PrivvalAnswer, Refusal>;
type PrivvalResult = PrivvalOutcome | Promise<PrivvalOutcome>;
type RequestOf<K extends PrivvalRequest["kind"]> = Extract<PrivvalRequest, { readonly kind: K }>;

export type PrivvalParts = {
  readonly accounts: TendermintAccounts;
  readonly recorder: Pick<ClaimRecorder, "record">;
  readonly unboundSignatures: UnboundSignatures;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

type ExtensionSignatures = Omit<VoteSignatures, "signature">;

const NO_EXTENSION = ok<ExtensionSignatures>({ extensionSignature: null, unboundSignature: null });

/** As receipts name them. */
const KINDS: Readonly<Record<TendermintStep, string>> = {
  proposal: "PROPOSAL",
  prevote: "PREVOTE",
  precommit: "PRECOMMIT",
};

const DIALECTS: Readonly<Record<TendermintChain["rawBytes"]["kind"], BytesDialect>> = {
  none: "signBytes",
  "sign-bytes": "signBytes",
  celestia: "signRawBytes",
};

export function answerPrivval(
  parts: PrivvalParts,
  { chainId, key, message }: PrivvalParams,
): PrivvalResult {
  const found = findAccount(parts.accounts, chainId, key);
  if (!found.ok) return found;
  const account = found.value;
  const dialect = DIALECTS[account.policy.rawBytes.kind];
  // What waits for the store must not lie in a frame that is used again by then.
  const parsed = parsePrivvalMessage(message.slice(), dialect);
  if (!parsed.ok) return parsed;
  const request = parsed.value;
  if (request.kind === "ping") return ok({ answer: encodePingAnswer(), signed: null });
  const stated = statedChain(request);
  if (stated !== null && stated !== account.policy.chainId) return err(refusal("REQUEST_CHAIN"));
  if (request.kind === "pubKey") return tellPublicKey(account);
  if (account.isRetired) return err(refusal("KEY_RETIRED"));
  switch (request.kind) {
    case "vote":
      return signVote(parts, account, request);
    case "proposal":
      return signProposal(parts, account, request);
    case "signBytes":
    case "signRawBytes":
      return signRawBytes(parts, account, request);
  }
}

/** Null for the two kinds that name none: bare bytes, which the manifest has to allow. */
function statedChain(request: PrivvalRequest): string | null {
  switch (request.kind) {
    case "pubKey":
    case "vote":
    case "proposal":
    case "signRawBytes":
      return request.chainId;
    case "signBytes":
    case "ping":
      return null;
  }
}

/** The key that was named, or the only one that the chain has. */
function findAccount(
  accounts: TendermintAccounts,
  chainId: string,
  key: Uint8Array | null,
): Result<TendermintAccount, Refusal> {
  const candidates = key === null ? accounts.loaded() : accounts.findAll([key]);
  const [account, ...others] = candidates.filter(({ policy }) => policy.chainId === chainId);
  if (account === undefined) return err(refusal("KEY_UNKNOWN"));
  return others.length === 0 ? ok(account) : err(refusal("KEY_AMBIGUOUS"));
}

function tellPublicKey({ publicKey, policy }: TendermintAccount): PrivvalResult {
  const { keyType } = policy;
  const v1Bytes = keyType === "secp256k1eth" ? uncompressPublicKey(publicKey) : publicKey;
  return ok({ answer: encodePubKeyAnswer(keyType, publicKey, v1Bytes), signed: null });
}

function signVote(
  parts: PrivvalParts,
  account: TendermintAccount,
  { vote: asked, chainId, skipExtensionSigning }: RequestOf<"vote">,
): Promise<PrivvalOutcome> {
  const isExtended = hasExtension(asked) && !skipExtensionSigning;
  return signClaim(parts, account, asked, voteRoot(asked, chainId), (key, timestamp) => {
    const vote = { ...asked, timestamp };
    const signature = key.sign(voteSignBytes(vote, chainId));
    if (!signature.ok) return signature;
    const extension = isExtended ? signExtension(parts, key, vote, chainId) : NO_EXTENSION;
    if (!extension.ok) return extension;
    const signatures = { signature: signature.value, ...extension.value };
    const signed = signedOf(vote, vote.blockId?.hash ?? new Uint8Array(0), isExtended);
    return ok({ answer: encodeVoteAnswer(vote, signatures), signed });
  });
}

function signExtension(
  { unboundSignatures }: PrivvalParts,
  key: MessageKey,
  vote: Vote,
  chainId: string,
): Result<ExtensionSignatures, Refusal> {
  const extension = key.sign(extensionSignBytes(vote, chainId));
  if (!extension.ok) return extension;
  // Parsing refuses any second extension but the empty one.
  const unbound = unboundSignatures.of(key);
  if (!unbound.ok) return unbound;
  return ok({ extensionSignature: extension.value, unboundSignature: unbound.value });
}

function signProposal(
  parts: PrivvalParts,
  account: TendermintAccount,
  { proposal: asked, chainId }: RequestOf<"proposal">,
): Promise<PrivvalOutcome> {
  return signClaim(parts, account, asked, proposalRoot(asked, chainId), (key, timestamp) => {
    const proposal = { ...asked, timestamp };
    const signature = key.sign(proposalSignBytes(proposal, chainId));
    if (!signature.ok) return signature;
    const signed = signedOf(proposal, proposal.blockId.hash, false);
    return ok({ answer: encodeProposalAnswer(proposal, signature.value), signed });
  });
}

/** Signs while the store writes, and answers when that is durable and the key still there. */
async function signClaim(
  parts: PrivvalParts,
  account: TendermintAccount,
  claim: TendermintClaim,
  root: Uint8Array,
  signAt: (key: MessageKey, time: Timestamp) => PrivvalOutcome,
): Promise<PrivvalOutcome> {
  const early = new EarlyWork(() => withKey(parts, account, (key) => signAt(key, claim.timestamp)));
  const timed = await recordClaim(parts, account, claim, root, () => early.start());
  // Of what was refused after all nothing is signed, if it was not yet.
  if (!timed.ok) {
    early.drop();
    return timed;
  }
  // What is signed again states the time that it stated first.
  const isAsAsked = isSameTime(timed.value, claim.timestamp);
  return withKey(parts, account, (key) => (isAsAsked ? early.take() : signAt(key, timed.value)));
}

/** What has no height is nothing that a record could hold: the manifest alone allows it. */
function signRawBytes(
  parts: PrivvalParts,
  account: TendermintAccount,
  request: RequestOf<"signBytes" | "signRawBytes">,
): PrivvalResult {
  const denied = decideRawRequest(account.policy, request);
  if (denied !== null) return err(denied);
  const bytes = request.kind === "signBytes" ? request.value : rawBytesSignBytes(request);
  const signature = withKey(parts, account, (key) => key.sign(bytes));
  return signature.ok
    ? ok({ answer: encodeBytesAnswer(signature.value), signed: null })
    : signature;
}

function decideRawRequest(
  { rawBytes }: TendermintChain,
  request: RequestOf<"signBytes" | "signRawBytes">,
): Refusal | null {
  const denied = refusal("POLICY_KIND_DENIED");
  if (request.kind === "signBytes") {
    return rawBytes.kind === "sign-bytes" ? decideRawBytes(request.value) : denied;
  }
  const isListed = rawBytes.kind === "celestia" && rawBytes.uniqueIds.includes(request.uniqueId);
  return isListed ? null : denied;
}

/** Answers the time that the signature has to state, once a durable record covers the claim. */
async function recordClaim(
  { recorder, nowMs }: PrivvalParts,
  account: TendermintAccount,
  { height, round, step, timestamp }: TendermintClaim,
  root: Uint8Array,
  onDecided: () => void,
): Promise<Result<Timestamp, Refusal>> {
  const claim: TendermintClaim = { height, round, step, timestamp };
  const beyond = decideMaxHeight(account.policy.maxHeight, claim);
  if (beyond !== null) return err(beyond);
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const heights = [height, BigInt(round)];
  const receipt: Receipt = { kind: KINDS[step], heights, signingRoot: root, timeMs };
  return recorder.record(account, claim, root, receipt, onDecided);
}

/** Refused when the bundle was dropped while the request waited for the store. */
function withKey<T>(
  { accounts }: PrivvalParts,
  { publicKey }: TendermintAccount,
  run: (key: MessageKey) => Result<T, Refusal>,
): Result<T, Refusal> {
  const key = accounts.keyring.find(publicKey);
  return key instanceof MessageKey ? run(key) : err(refusal("KEY_UNKNOWN"));
}

function signedOf(
  { height, round, step }: TendermintClaim,
  blockHash: Uint8Array,
  isExtended: boolean,
): PrivvalAnswer["signed"] {
  const position = { height, round, step: STEP_NUMBERS[step] };
  return { position, blockHash, hasExtension: isExtended };
}
