// From one privval message of a node, without the length before it, to what it asks of a signer,
// for every version from v0.34 to v2 (tendermint.md §1.3). It must never be read in two ways: one
// request of those that are known, and each field that is looked at once. Others are skipped.

import { bytesIn, numberIn, parseProto } from "../../../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { CHAIN_ID_BYTES_MAX, PRIVVAL_MESSAGE_BYTES_MAX } from "../../../../shared/limits.ts";
import { openPrivvalMessage, type PrivvalArm } from "../../../../shared/privval.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RawBytes } from "./canonical.ts";
import { malformed } from "./consensus-field.ts";
import { type Proposal, parseProposal } from "./proposal.ts";
import { parseVote, type Vote, type VoteRefusal } from "./vote.ts";

/** What a chain's nodes mean by the ninth arm: CometBFT v1 and v2, or Celestia. */
export type BytesDialect = "signBytes" | "signRawBytes";

export type PrivvalRequest =
  | { readonly kind: "pubKey"; readonly chainId: string }
  | {
      readonly kind: "vote";
      readonly vote: Vote;
      readonly chainId: string;
      /** v1 and v2: the chain has no extensions, and a signature of one is not used. */
      readonly skipExtensionSigning: boolean;
    }
  | { readonly kind: "proposal"; readonly proposal: Proposal; readonly chainId: string }
  | { readonly kind: "signBytes"; readonly value: Uint8Array }
  | ({ readonly kind: "signRawBytes" } & RawBytes)
  | { readonly kind: "ping" };

export type PrivvalRefusal = VoteRefusal | Refusal<"BODY_OVERSIZE" | "REQUEST_KIND_UNKNOWN">;

type RequestResult = Result<PrivvalRequest, PrivvalRefusal>;

/** Celestia's are shorter than 30 (tendermint.md §10). */
const UNIQUE_ID_BYTES_MAX = 128;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Total. Byte strings of the request are views of `message`. */
export function parsePrivvalMessage(message: Uint8Array, dialect: BytesDialect): RequestResult {
  if (message.length > PRIVVAL_MESSAGE_BYTES_MAX) return err(refusal("BODY_OVERSIZE"));
  const opened = openPrivvalMessage(message);
  if (!opened.ok) {
    return opened.error === "REQUEST_MALFORMED" ? malformed("") : err(refusal(opened.error));
  }
  const { arm, request } = opened.value;
  return READERS[arm](request, dialect);
}

const READERS: Readonly<
  Record<PrivvalArm, (request: Uint8Array, dialect: BytesDialect) => RequestResult>
> = {
  pubKey: readPubKeyRequest,
  vote: readVoteRequest,
  proposal: readProposalRequest,
  ping: readPing,
  bytes: (request, dialect) =>
    dialect === "signBytes" ? readSignBytes(request) : readSignRawBytes(request),
};

function readPubKeyRequest(request: Uint8Array): RequestResult {
  const values = parseProto(request, { 1: "bytes" });
  if (values === undefined) return malformed("pub_key_request");
  const chainId = parseText(bytesIn(values, 1), CHAIN_ID_BYTES_MAX);
  return chainId === undefined ? malformed("chain_id") : ok({ kind: "pubKey", chainId });
}

function readVoteRequest(request: Uint8Array): RequestResult {
  const values = parseProto(request, { 1: "bytes", 2: "bytes", 3: "varint" });
  if (values === undefined) return malformed("sign_vote_request");
  const chainId = parseText(bytesIn(values, 2), CHAIN_ID_BYTES_MAX);
  if (chainId === undefined) return malformed("chain_id");
  const skip = numberIn(values, 3);
  if (skip > 1n) return malformed("skip_extension_signing");
  const vote = parseVote(bytesIn(values, 1));
  if (!vote.ok) return vote;
  return ok({ kind: "vote", vote: vote.value, chainId, skipExtensionSigning: skip === 1n });
}

function readProposalRequest(request: Uint8Array): RequestResult {
  const values = parseProto(request, { 1: "bytes", 2: "bytes" });
  if (values === undefined) return malformed("sign_proposal_request");
  const chainId = parseText(bytesIn(values, 2), CHAIN_ID_BYTES_MAX);
  if (chainId === undefined) return malformed("chain_id");
  const proposal = parseProposal(bytesIn(values, 1));
  return proposal.ok ? ok({ kind: "proposal", proposal: proposal.value, chainId }) : proposal;
}

function readPing(request: Uint8Array): RequestResult {
  const values = parseProto(request, {});
  return values === undefined ? malformed("ping_request") : ok({ kind: "ping" });
}

/** Whether these bytes may be signed at all is for the manifest and the filter to say. */
function readSignBytes(request: Uint8Array): RequestResult {
  const values = parseProto(request, { 1: "bytes" });
  if (values === undefined) return malformed("sign_bytes_request");
  const value = bytesIn(values, 1);
  return value.length === 0 ? malformed("value") : ok({ kind: "signBytes", value });
}

/** None of the three is empty: Celestia would not sign it, and the purpose would be left open. */
function readSignRawBytes(request: Uint8Array): RequestResult {
  const values = parseProto(request, { 1: "bytes", 2: "bytes", 3: "bytes" });
  if (values === undefined) return malformed("sign_raw_bytes_request");
  const chainId = parseText(bytesIn(values, 1), CHAIN_ID_BYTES_MAX);
  if (chainId === undefined) return malformed("chain_id");
  const rawBytes = bytesIn(values, 2);
  if (rawBytes.length === 0) return malformed("raw_bytes");
  const uniqueId = parseText(bytesIn(values, 3), UNIQUE_ID_BYTES_MAX);
  if (uniqueId === undefined) return malformed("unique_id");
  return ok({ kind: "signRawBytes", chainId, rawBytes, uniqueId });
}

/** One byte at least. Its UTF-8 is these very bytes again, so it goes into sign bytes unchanged. */
function parseText(bytes: Uint8Array, byteCountMax: number): string | undefined {
  if (bytes.length === 0 || bytes.length > byteCountMax) return undefined;
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
