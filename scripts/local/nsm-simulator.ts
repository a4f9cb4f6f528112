// An NSM without hardware: registers, locks and documents with the semantics that AWS's own
// hardware test checks (nitro-kms.md §1), under a PKI of our own. One object is one boot of one
// enclave. It must never be reachable from the enclave's entry point, nor sign under AWS's name:
// a verifier takes its documents only when it is told to trust its root.

import { createHash, randomBytes } from "node:crypto";
import type { NsmDevice } from "../../enclave/core/ports.ts";
import { extendedPcr } from "../../shared/attestation/pcr.ts";
import { type CborValue, encodeCbor, isMap, parseCbor } from "../../shared/bytes/cbor.ts";
import {
  ATTESTATION_FIELD_BYTES_MAX,
  NSM_REQUEST_BYTES_MAX,
  PCR_BYTES,
  PCR_COUNT,
} from "../../shared/limits.ts";
import { ok } from "../../shared/result.ts";
import { encodePayload, signDocument } from "./nsm-document.ts";
import {
  createIdentity,
  issueChain,
  type NsmChain,
  type NsmIdentity,
  type PkiRoot,
} from "./nsm-pki.ts";

export type NsmSimulatorOptions = {
  readonly root: PkiRoot;
  readonly nowMs: () => number;
  /** Measurements of the image, PCR0 to PCR2, and of what else the boot measured (3, 4, 8). */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** Debug mode: PCR0 to PCR2 read as zero, whatever `pcrs` says. */
  readonly isDebug: boolean;
};

type NsmError =
  | "InvalidArgument"
  | "InvalidIndex"
  | "ReadOnlyIndex"
  | "InvalidOperation"
  | "InputTooLarge";

type Fields = ReadonlyMap<CborValue, CborValue>;
type Register = { value: Uint8Array; isLocked: boolean };

/** Registers of the platform are locked from the start; the rest is the application's. */
const PLATFORM_PCR_COUNT = 16;
const RANDOM_BYTES = 256;
const INSTANCE_PCR_INDEX = 4;
/** A leaf lives 3 hours; hardware renews it before. */
const RENEWAL_MARGIN_MS = 600_000;

class Refused extends Error {
  readonly reason: NsmError;

  constructor(reason: NsmError) {
    super(reason);
    this.reason = reason;
  }
}

export class NsmSimulator {
  readonly identity: NsmIdentity;
  readonly #options: NsmSimulatorOptions;
  readonly #registers: readonly Register[];
  #chain: NsmChain;

  constructor(options: NsmSimulatorOptions) {
    const nowMs = options.nowMs();
    this.#options = options;
    this.identity = createIdentity(nowMs);
    this.#registers = initialRegisters(options, this.identity);
    this.#chain = issueChain(options.root, this.identity, nowMs);
  }

  /** One CBOR request in, one CBOR response out. */
  request(bytes: Uint8Array): Uint8Array {
    try {
      return encodeCbor(this.#answer(bytes));
    } catch (error) {
      if (error instanceof Refused) return encodeCbor(new Map([["Error", error.reason]]));
      throw error;
    }
  }

  device(): NsmDevice {
    return { request: (bytes) => Promise.resolve(ok(this.request(bytes))) };
  }

  #answer(bytes: Uint8Array): CborValue {
    if (bytes.length > NSM_REQUEST_BYTES_MAX) throw new Refused("InputTooLarge");
    const parsed = parseCbor(bytes, { depthMax: 2, itemCountMax: 16 });
    if (!parsed.ok) throw new Refused("InvalidOperation");
    if (parsed.value === "DescribeNSM") return this.#describe();
    if (parsed.value === "GetRandom") return randomAnswer();
    if (!isMap(parsed.value) || parsed.value.size !== 1) throw new Refused("InvalidOperation");
    const [entry] = parsed.value;
    if (entry === undefined) throw new Refused("InvalidOperation");
    const [command, fields] = entry;
    if (typeof command !== "string" || !isMap(fields)) throw new Refused("InvalidOperation");
    switch (command) {
      case "DescribePCR":
        return this.#describePcr(fields);
      case "ExtendPCR":
        return this.#extendPcr(fields);
      case "LockPCR":
        return this.#lockPcr(fields);
      case "LockPCRs":
        return this.#lockPcrs(fields);
      case "Attestation":
        return this.#attest(fields);
      default:
        throw new Refused("InvalidOperation");
    }
  }

  #describe(): CborValue {
    const locked: number[] = [];
    for (const [index, register] of this.#registers.entries()) {
      if (register.isLocked) locked.push(index);
    }
    return answerOf("DescribeNSM", [
      ["version_major", 1],
      ["version_minor", 0],
      ["version_patch", 0],
      ["module_id", this.identity.moduleId],
      ["max_pcrs", PCR_COUNT],
      ["locked_pcrs", locked],
      ["digest", "SHA384"],
    ]);
  }

  #describePcr(fields: Fields): CborValue {
    const register = this.#register(fields);
    return answerOf("DescribePCR", [
      ["lock", register.isLocked],
      ["data", register.value],
    ]);
  }

  #extendPcr(fields: Fields): CborValue {
    const data = fields.get("data");
    if (!(data instanceof Uint8Array)) throw new Refused("InvalidOperation");
    const register = this.#unlockedRegister(fields);
    register.value = extendedPcr(register.value, data);
    return answerOf("ExtendPCR", [["data", register.value]]);
  }

  #lockPcr(fields: Fields): CborValue {
    this.#unlockedRegister(fields).isLocked = true;
    return "LockPCR";
  }

  /** Locks [0, range); registers that are locked already are no error here. */
  #lockPcrs(fields: Fields): CborValue {
    const range = fields.get("range");
    if (typeof range !== "number" || range < 0) throw new Refused("InvalidOperation");
    if (range > PCR_COUNT) throw new Refused("InvalidIndex");
    for (const register of this.#registers.slice(0, range)) register.isLocked = true;
    return "LockPCRs";
  }

  #attest(fields: Fields): CborValue {
    const nowMs = this.#options.nowMs();
    if (nowMs > this.#chain.notAfterMs - RENEWAL_MARGIN_MS) {
      this.#chain = issueChain(this.#options.root, this.identity, nowMs);
    }
    const pcrs = new Map<number, Uint8Array>();
    for (const [index, register] of this.#registers.entries()) {
      if (register.isLocked) pcrs.set(index, register.value);
    }
    const payload = encodePayload({
      moduleId: this.identity.moduleId,
      digest: "SHA384",
      timestampMs: nowMs,
      pcrs,
      certificate: this.#chain.certificate,
      cabundle: this.#chain.cabundle,
      publicKey: optionalField(fields, "public_key", 1),
      userData: optionalField(fields, "user_data", 0),
      nonce: optionalField(fields, "nonce", 0),
    });
    return answerOf("Attestation", [["document", signDocument(payload, this.#chain.leafKey)]]);
  }

  #register(fields: Fields): Register {
    const index = fields.get("index");
    if (typeof index !== "number" || index < 0) throw new Refused("InvalidOperation");
    const register = this.#registers[index];
    if (register === undefined) throw new Refused("InvalidIndex");
    return register;
  }

  #unlockedRegister(fields: Fields): Register {
    const register = this.#register(fields);
    if (register.isLocked) throw new Refused("ReadOnlyIndex");
    return register;
  }
}

function initialRegisters(
  options: NsmSimulatorOptions,
  identity: NsmIdentity,
): readonly Register[] {
  const zeros = new Uint8Array(PCR_BYTES);
  const instance = extendedPcr(zeros, new TextEncoder().encode(identity.instanceId));
  return Array.from({ length: PCR_COUNT }, (_, index) => {
    const measured =
      options.pcrs.get(index) ?? (index === INSTANCE_PCR_INDEX ? instance : undefined);
    const value = options.isDebug && index <= 2 ? undefined : measured;
    return { value: value ?? zeros, isLocked: index < PLATFORM_PCR_COUNT };
  });
}

/** The image of a local run: its registers are made up from this name. */
export const LOCAL_IMAGE = "redoubt local";

/** Stand-ins for measurements of an image: distinct, never zero, the same for the same name. */
export function sampleMeasurements(name: string): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map<number, Uint8Array>();
  for (const index of [0, 1, 2]) {
    const digest = createHash("sha384").update(`${name} PCR${index}`).digest();
    pcrs.set(index, new Uint8Array(digest));
  }
  return pcrs;
}

/** Hardware takes 1024 bytes in each field (AWS's hardware test). */
function optionalField(fields: Fields, name: string, bytesMin: number): Uint8Array | null {
  const value = fields.get(name);
  if (value === undefined || value === null) return null;
  if (!(value instanceof Uint8Array)) throw new Refused("InvalidOperation");
  if (value.length < bytesMin) throw new Refused("InvalidArgument");
  if (value.length > ATTESTATION_FIELD_BYTES_MAX) throw new Refused("InputTooLarge");
  return value;
}

function randomAnswer(): CborValue {
  return answerOf("GetRandom", [["random", new Uint8Array(randomBytes(RANDOM_BYTES))]]);
}

function answerOf(command: string, fields: readonly (readonly [string, CborValue])[]): CborValue {
  return new Map<CborValue, CborValue>([[command, new Map<CborValue, CborValue>(fields)]]);
}
