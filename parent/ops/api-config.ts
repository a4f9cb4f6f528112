// The `api` part of the configuration: the signing listener, its TLS files, and who may ask for
// what. It must never widen: whoever is not listed is nobody, and `default` operations leave out
// whatever takes a validator's stake out of its owner's hands.

import { z } from "zod";
import type { Address } from "../../shared/address.ts";
import {
  CLIENT_COUNT_MAX,
  IN_FLIGHT_COUNT_MAX,
  KEY_COUNT_MAX,
  REQUEST_DEADLINE_MS,
} from "../../shared/limits.ts";
import {
  DEFAULT_OPERATIONS,
  OPERATION_KINDS,
  type OperationMask,
  operationMaskOf,
} from "../../shared/operation.ts";
import { addressOf } from "./address-schema.ts";
import { type Cidr, parseCidr } from "./cidr.ts";

const QUEUE_COUNT = 1024;
/** Clients idle for up to 30 s between slots; a shorter value than theirs breaks requests. */
const KEEP_ALIVE_MS = 75_000;
const KEEP_ALIVE_MS_MIN = 1000;
const CONNECTION_AGE_MS = 3_600_000;
const DAY_MS = 86_400_000;
const SOURCE_COUNT_MAX = 256;
const DEFAULT_LISTEN: Address = { kind: "tcp", host: "127.0.0.1", port: 9000 };

export const clientName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "expected a short name");

/** SHA-256 of the certificate, as lower-case digits without colons. */
export const fingerprint = z
  .string()
  .regex(
    /^([0-9a-fA-F]{64}|[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){31})$/,
    "expected the SHA-256 fingerprint of a certificate",
  )
  .transform((text) => text.replaceAll(":", "").toLowerCase());

/** SPIFFE-ID §2: a trust domain and a path, no empty or dot segments. */
export const SPIFFE_PATTERN =
  /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]{1,255}){1,16}$/;

export const spiffe = z
  .string()
  .max(2048)
  .regex(SPIFFE_PATTERN, "expected a SPIFFE ID with a path");

const publicKey = z
  .string()
  .regex(/^0x[0-9a-fA-F]{96}$/, "expected a public key of 48 bytes")
  .transform((text) => text.toLowerCase());

const sources = z
  .array(
    z.string().transform((text, context): Cidr => {
      const cidr = parseCidr(text);
      if (cidr !== null) return cidr;
      context.addIssue("expected an address block such as 10.0.0.0/24");
      return z.NEVER;
    }),
  )
  .min(1)
  .max(SOURCE_COUNT_MAX);

type Named = {
  readonly name: string;
  readonly fingerprint?: string | undefined;
  readonly spiffe?: string | undefined;
};

export const NAMED_ONCE = {
  message: "exactly one of `fingerprint` and `spiffe` names a client",
} as const;

export function isNamedOnce(client: Named): boolean {
  return (client.fingerprint === undefined) !== (client.spiffe === undefined);
}

const client = z
  .strictObject({
    name: clientName,
    fingerprint: fingerprint.optional(),
    spiffe: spiffe.optional(),
    keys: z.union([
      z.literal("all"),
      z
        .array(publicKey)
        .max(KEY_COUNT_MAX)
        .transform((keys): ReadonlySet<string> => new Set(keys)),
    ]),
    operations: z.union([
      z.literal("default").transform(defaultOperations),
      z.array(z.enum(OPERATION_KINDS)).min(1).transform(operationMaskOf),
    ]),
    ratePerSecond: z.number().positive().max(1_000_000).optional(),
    rateBurst: z.int().positive().max(1_000_000).optional(),
    sources: sources.optional(),
  })
  .refine(isNamedOnce, NAMED_ONCE)
  .refine((value) => value.rateBurst === undefined || value.ratePerSecond !== undefined, {
    message: "`rateBurst` needs `ratePerSecond`",
  });

/** `path` is the schema of a file's path. */
export function tlsSchema<Path extends z.ZodType<string>>(path: Path) {
  return z.strictObject({
    certFile: path,
    keyFile: path,
    clientCaFile: path,
    crlFile: path.optional(),
  });
}

/** `path` is the schema of a file's path. */
export function apiSchema(path: z.ZodType<string, string>) {
  return z.strictObject({
    listen: addressOf("tcp").default(DEFAULT_LISTEN),
    tls: tlsSchema(path),
    clients: z.array(client).max(CLIENT_COUNT_MAX).superRefine(refuseTwins),
    sources: sources.optional(),
    queueCount: z.int().min(1).max(IN_FLIGHT_COUNT_MAX).default(QUEUE_COUNT),
    // The enclave is not waited for any longer than this.
    deadlineMs: z.int().min(10).max(REQUEST_DEADLINE_MS).default(REQUEST_DEADLINE_MS),
    keepAliveMs: z.int().min(KEEP_ALIVE_MS_MIN).max(DAY_MS).default(KEEP_ALIVE_MS),
    connectionAgeMs: z.int().min(1000).max(DAY_MS).default(CONNECTION_AGE_MS),
  });
}

function defaultOperations(): OperationMask {
  return DEFAULT_OPERATIONS;
}

export type ApiConfig = z.infer<ReturnType<typeof apiSchema>>;
export type TlsConfig = ApiConfig["tls"];
export type ClientConfig = z.infer<typeof client>;

/** Two clients with one identity would make the ACL depend on the order of the list. */
export function refuseTwins(clients: readonly Named[], context: z.RefinementCtx): void {
  for (const field of ["name", "fingerprint", "spiffe"] as const) {
    const seen = new Set<string>();
    clients.forEach((entry, index) => {
      const value = entry[field];
      if (value === undefined) return;
      if (seen.has(value)) {
        context.addIssue({ code: "custom", path: [index, field], message: "stated twice" });
      }
      seen.add(value);
    });
  }
}
