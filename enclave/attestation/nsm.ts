// The NSM's protocol: our commands as CBOR, its answers as values (nitro-kms.md §1). Requests are
// byte for byte what AWS's own library sends; answers are read by key, in any order, of definite or
// indefinite length. It must never decide what an answer means for the enclave, nor retry.

import { type CborValue, encodeCbor, isMap, parseCbor } from "../../shared/bytes/cbor.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import {
  ATTESTATION_BYTES_MAX,
  NONCE_BYTES_MAX,
  NSM_REQUEST_BYTES_MAX,
  NSM_RESPONSE_BYTES_MAX,
  PCR_BYTES,
  PCR_COUNT,
  USER_DATA_BYTES_MAX,
} from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AttestationFields, Nsm, NsmDevice, NsmRefusal } from "../core/ports.ts";

type Fields = ReadonlyMap<CborValue, CborValue>;
type Command = "DescribePCR" | "ExtendPCR" | "LockPCR" | "Attestation";

const RESPONSE_BOUNDS = { depthMax: 2, itemCountMax: 16 };
const PUBLIC_KEY_BYTES_MAX = 512;

export function createNsm(device: NsmDevice): Nsm {
  return {
    describePcr: async (index) => {
      const answer = await ask(device, "DescribePCR", [["index", pcrIndex(index)]]);
      if (!answer.ok) return answer;
      const fields = fieldsOf(answer.value, "DescribePCR", 2);
      const isLocked = fields?.get("lock");
      const digest = pcrValue(fields?.get("data"));
      if (typeof isLocked !== "boolean" || digest === undefined) return malformed();
      return ok({ isLocked, digest });
    },
    extendPcr: async (index, data) => {
      const answer = await ask(device, "ExtendPCR", [
        ["index", pcrIndex(index)],
        ["data", data],
      ]);
      if (!answer.ok) return answer;
      const digest = pcrValue(fieldsOf(answer.value, "ExtendPCR", 1)?.get("data"));
      return digest === undefined ? malformed() : ok(digest);
    },
    lockPcr: async (index) => {
      const answer = await ask(device, "LockPCR", [["index", pcrIndex(index)]]);
      if (!answer.ok) return answer;
      return answer.value === "LockPCR" ? ok(null) : malformed();
    },
    attest: async (fields) => {
      const answer = await ask(device, "Attestation", attestationParams(fields));
      if (!answer.ok) return answer;
      const document = fieldsOf(answer.value, "Attestation", 1)?.get("document");
      if (!(document instanceof Uint8Array) || document.length === 0) return malformed();
      return document.length <= ATTESTATION_BYTES_MAX ? ok(document.slice()) : malformed();
    },
  };
}

/** The order is that of AWS's library; the size limits are ours (we emit less than is allowed). */
function attestationParams(fields: AttestationFields): [string, CborValue][] {
  const { userData, nonce, publicKey } = fields;
  invariant((userData?.length ?? 0) <= USER_DATA_BYTES_MAX, "user_data of at most 512 bytes");
  invariant((nonce?.length ?? 0) <= NONCE_BYTES_MAX, "a nonce of at most 512 bytes");
  const publicKeyBytes = publicKey?.length ?? 1;
  invariant(
    publicKeyBytes >= 1 && publicKeyBytes <= PUBLIC_KEY_BYTES_MAX,
    "a public_key of 1 to 512 bytes",
  );
  return [
    ["user_data", userData],
    ["nonce", nonce],
    ["public_key", publicKey],
  ];
}

function pcrIndex(index: number): number {
  invariant(Number.isInteger(index) && index >= 0 && index < PCR_COUNT, "a PCR of 0 to 31");
  return index;
}

/** One command; answers the response unless it is an error. */
async function ask(
  device: NsmDevice,
  command: Command,
  params: readonly (readonly [string, CborValue])[],
): Promise<Result<CborValue, NsmRefusal>> {
  const request = encodeCbor(
    new Map<CborValue, CborValue>([[command, new Map<CborValue, CborValue>(params)]]),
  );
  invariant(request.length <= NSM_REQUEST_BYTES_MAX, "a request that the device takes");
  const response = await device.request(request);
  if (!response.ok) return response;
  if (response.value.length > NSM_RESPONSE_BYTES_MAX) return malformed();
  const parsed = parseCbor(response.value, RESPONSE_BOUNDS);
  if (!parsed.ok) return malformed();
  if (isMap(parsed.value) && parsed.value.size === 1) {
    const reason = parsed.value.get("Error");
    // The NSM's own code says nothing that the caller could act on differently.
    if (typeof reason === "string") return err(refusal("NSM_REFUSED"));
  }
  return ok(parsed.value);
}

/** `{command: {…}}` with exactly so many fields. */
function fieldsOf(answer: CborValue, command: Command, count: number): Fields | undefined {
  if (!isMap(answer) || answer.size !== 1) return undefined;
  const fields = answer.get(command);
  return isMap(fields) && fields.size === count ? fields : undefined;
}

function pcrValue(value: CborValue | undefined): Uint8Array | undefined {
  return value instanceof Uint8Array && value.length === PCR_BYTES ? value.slice() : undefined;
}

function malformed(): Result<never, Refusal<"NSM_MALFORMED">> {
  return err(refusal("NSM_MALFORMED"));
}
