// From the bytes that a validator client sent to the operation that they ask for, with its signing
// root computed here. It must never sign what it has not understood: a root, a hash or an unknown
// type is refused, and a root that the client supplies is only ever compared.

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { BODY_BYTES_MAX } from "../../../../shared/limits.ts";
import type { OperationKind } from "../../../../shared/operation.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { Dialect } from "../../../../shared/wire/methods.ts";
import {
  fieldOfMismatch,
  JsonMismatch,
  type JsonObject,
  member,
  readHex,
  readJson,
  readObject,
  readText,
} from "../../json.ts";
import { attestationPayload, readBlockHeader, readFullBlock } from "./block-payload.ts";
import { domainFor, genesisDomainFor, signingRootOf } from "./domain.ts";
import { randaoPayload } from "./duty-payload.ts";
import { decideExitFork, decideFork, type ForkInfo, readFork, readForkInfo } from "./fork-info.ts";
import { KIND_RULES, REQUEST_TYPES, type RequestType } from "./kind-rule.ts";
import { type EthereumNetwork, ROOT_BYTES } from "./network.ts";
import type { EthereumOperation } from "./operation.ts";
import type { Payload, PayloadResult } from "./payload.ts";

export type RequestRefusal = Refusal<
  | "BODY_OVERSIZE"
  | "REQUEST_MALFORMED"
  | "REQUEST_KIND_UNKNOWN"
  | "REQUEST_BLIND"
  | "NETWORK_MISMATCH"
  | "FORK_MISMATCH"
  | "ROOT_MISMATCH"
>;

type OperationResult = Result<EthereumOperation, RequestRefusal>;

/** The deepest request is a block with attester slashings, at 9. */
const REQUEST_DEPTH_MAX = 16;
const TYPE_LENGTH_MAX = 64;
const TYPE_TEXT = /^[A-Za-z0-9_]+$/;

/** Total: every sequence of bytes is an operation or a refusal. */
export function parseEthereumRequest(
  network: EthereumNetwork,
  dialect: Dialect,
  body: Uint8Array,
): OperationResult {
  if (body.length > BODY_BYTES_MAX) return err(refusal("BODY_OVERSIZE"));
  try {
    const request = readObject(readJson(body, REQUEST_DEPTH_MAX), "");
    return dialect === "web3signer"
      ? web3signerOperation(network, request)
      : eip3030Operation(network, request);
  } catch (thrown) {
    return err(refusal("REQUEST_MALFORMED", fieldOfMismatch(thrown)));
  }
}

function web3signerOperation(network: EthereumNetwork, request: JsonObject): OperationResult {
  const type = member(request, "type");
  if (type === undefined && isBlind(request)) return err(refusal("REQUEST_BLIND"));
  const found = requestTypeOf(readText(type, "type", TYPE_LENGTH_MAX));
  if (found === undefined) return err(refusal("REQUEST_KIND_UNKNOWN"));
  const needsFork = KIND_RULES[found.kind].version !== "genesis";
  const info = needsFork ? readForkInfo(member(request, "fork_info"), "fork_info") : null;
  const supplied = readSuppliedRoot(request);
  const payload = found.read(network, request);
  if (!payload.ok) return payload;
  return decideOperation(network, found.kind, payload.value, info, supplied);
}

/** A root or bytes to sign, and nothing that says what they are. */
function isBlind(request: JsonObject): boolean {
  return ["signing_root", "signingRoot", "data"].some((name) => Object.hasOwn(request, name));
}

function requestTypeOf(text: string): RequestType | undefined {
  const exact = REQUEST_TYPES.get(text);
  // Only ASCII is folded: "ſ" and "ı" would turn into S and I.
  if (exact !== undefined || !TYPE_TEXT.test(text)) return exact;
  return REQUEST_TYPES.get(text.toUpperCase());
}

function readSuppliedRoot(request: JsonObject): Uint8Array | null {
  const snake = readRootIfAny(request, "signing_root");
  const camel = readRootIfAny(request, "signingRoot");
  if (snake === null || camel === null) return snake ?? camel;
  if (!isEqualBytes(snake, camel)) throw new JsonMismatch("signingRoot");
  return snake;
}

function readRootIfAny(request: JsonObject, name: string): Uint8Array | null {
  const root = member(request, name);
  return root === undefined ? null : readHex(root, name, ROOT_BYTES);
}

/** EIP-3030: the domain's name and typed data; the bytes that it also allows are refused. */
function eip3030Operation(network: EthereumNetwork, request: JsonObject): OperationResult {
  const domain = readText(member(request, "bls_domain"), "bls_domain", TYPE_LENGTH_MAX);
  const info = readFork(
    member(request, "fork"),
    "fork",
    member(request, "genesis_validators_root"),
    "genesis_validators_root",
  );
  const supplied = readSuppliedRoot(request);
  const data = member(request, "data");
  switch (domain.toLowerCase()) {
    case "beacon_proposer": {
      if (isRaw(data)) return err(refusal("REQUEST_BLIND"));
      const payload = eip3030Block(network, readObject(data, "data"));
      return payload.ok
        ? decideOperation(network, "BLOCK", payload.value, info, supplied)
        : payload;
    }
    case "beacon_attester": {
      if (isRaw(data)) return err(refusal("REQUEST_BLIND"));
      const payload = attestationPayload(data, "data");
      return payload.ok
        ? decideOperation(network, "ATTESTATION", payload.value, info, supplied)
        : payload;
    }
    case "randao": {
      if (typeof data === "string" && data.startsWith("0x")) return err(refusal("REQUEST_BLIND"));
      const payload = randaoPayload(data, "data");
      return payload.ok
        ? decideOperation(network, "RANDAO_REVEAL", payload.value, info, supplied)
        : payload;
    }
    default:
      return err(refusal("REQUEST_KIND_UNKNOWN"));
  }
}

function isRaw(data: unknown): boolean {
  return typeof data === "string" || Array.isArray(data);
}

/** A header, or a whole block of phase0. */
function eip3030Block(network: EthereumNetwork, data: JsonObject): PayloadResult {
  return Object.hasOwn(data, "body")
    ? readFullBlock(network, "phase0", data, "data")
    : readBlockHeader(network, data, "data");
}

function decideOperation(
  network: EthereumNetwork,
  kind: OperationKind,
  payload: Payload,
  info: ForkInfo | null,
  supplied: Uint8Array | null,
): OperationResult {
  const { objectRoot, epoch, claim, time, feeRecipient } = payload;
  const domain = decideDomain(network, kind, info, epoch);
  if (!domain.ok) return domain;
  const signingRoot = signingRootOf(objectRoot, domain.value);
  if (supplied !== null && !isEqualBytes(signingRoot, supplied)) {
    return err(refusal("ROOT_MISMATCH", signingRoot, supplied));
  }
  if (feeRecipient === undefined) return ok({ kind, signingRoot, claim, time });
  return ok({ kind, signingRoot, claim, time, feeRecipient });
}

function decideDomain(
  network: EthereumNetwork,
  kind: OperationKind,
  info: ForkInfo | null,
  epoch: bigint,
): Result<Uint8Array, RequestRefusal> {
  const rule = KIND_RULES[kind];
  if (info === null || rule.version === "genesis")
    return ok(genesisDomainFor(network, rule.domain));
  const decide = rule.version === "exit" ? decideExitFork : decideFork;
  const fork = decide(network, info, epoch);
  return fork.ok ? ok(domainFor(network, rule.domain, fork.value)) : fork;
}
