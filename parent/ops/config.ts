// The parent's configuration file: JSON, read once, checked whole, turned into typed values with
// absolute paths. It must never guess: a key that it does not know is an error, because a misspelt
// `clientCaFile` or `sources` would otherwise quietly leave a door open.

import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { Address } from "../../shared/address.ts";
import { isBundleName, isSecretPrefix } from "../../shared/bundle/chunks.ts";
import { BUNDLE_COUNT_MAX } from "../../shared/limits.ts";
import { RELAY_PORT, STORE_PORT } from "../../shared/nitro-ports.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { readBoundedFile, TOO_LARGE } from "../platform/bounded-reader.ts";
import { addressOf } from "./address-schema.ts";
import { apiSchema } from "./api-config.ts";
import { defaultListen, enclaveSchema } from "./enclave-config.ts";
import { privvalSchema } from "./privval-config.ts";

/** Every problem found, each as `api.clients[0].keys: what is wrong`. */
export type ConfigError = {
  readonly code: "CONFIG_UNREADABLE" | "CONFIG_MALFORMED";
  readonly problems: readonly string[];
};

const CONFIG_BYTES_MAX = 4 * 1024 * 1024;
const LOG_LEVELS = ["error", "warn", "info"] as const;

/** `host:443` as the relay's preface and TLS name it. */
const hostPort = z.string().regex(/^[a-z0-9.-]{1,253}:[1-9]\d{0,4}$/, "expected host:port");
/** Where the enclave reaches a part of the parent. */
const partAddress = addressOf("unix", "tcp", "vsock");
const region = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "expected an AWS region");
const secretPrefix = z.string().refine(isSecretPrefix, "expected a secret's prefix");
const bundleName = z.string().refine(isBundleName, "expected a bundle's name");

/** The schema, with paths made absolute from the folder of the file. */
function configSchema(folder: string) {
  const path = z
    .string()
    .min(1)
    .max(4096)
    .refine((text) => !text.includes("\0"), "a path has no NUL")
    .transform((text) => resolve(folder, text));
  const bundleSource = z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("directory"), path }),
    z.strictObject({
      kind: z.literal("secrets-manager"),
      region,
      prefix: secretPrefix,
      /** Bundles by name; without it, all under the prefix. */
      names: z.array(bundleName).min(1).max(BUNDLE_COUNT_MAX).optional(),
      endpoint: z.url({ protocol: /^https?$/ }).optional(),
      caFile: path.optional(),
    }),
  ]);
  const credentialSource = z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("imds"),
      baseUrl: z.url({ protocol: /^http$/ }).optional(),
    }),
    z.strictObject({ kind: z.literal("file"), path }),
  ]);
  const file = z.strictObject({
    enclave: enclaveSchema,
    manifest: path,
    bundles: z.array(bundleSource).min(1).max(BUNDLE_COUNT_MAX),
    credentials: credentialSource,
    store: z.strictObject({ listen: partAddress.optional(), path }),
    relay: z
      .strictObject({
        listen: partAddress.optional(),
        allow: z.array(hostPort).max(16),
        /** Where to connect instead, for stand-ins and private endpoints. */
        hosts: z.record(hostPort, hostPort).default({}),
      })
      .superRefine((relay, context) => {
        for (const host of Object.keys(relay.hosts)) {
          if (relay.allow.includes(host)) continue;
          context.addIssue({ code: "custom", path: ["hosts", host], message: "not in `allow`" });
        }
      }),
    api: apiSchema(path),
    ops: z
      .strictObject({ listen: addressOf("tcp").default(loopback(9001)) })
      .default({ listen: loopback(9001) }),
    admin: z.strictObject({ listen: addressOf("unix") }),
    /** Tendermint nodes, to dial or that call. */
    privval: privvalSchema(path).optional(),
    log: z.strictObject({ level: z.enum(LOG_LEVELS).default("info") }).default({ level: "info" }),
  });
  return file.transform(({ store, relay, ...rest }, context) => {
    const storeListen = store.listen ?? defaultListen(rest.enclave, STORE_PORT);
    const relayListen = relay.listen ?? defaultListen(rest.enclave, RELAY_PORT);
    if (storeListen === null) context.addIssue(missingListen("store"));
    if (relayListen === null) context.addIssue(missingListen("relay"));
    if (storeListen === null || relayListen === null) return z.NEVER;
    return {
      ...rest,
      store: { ...store, listen: storeListen },
      relay: { ...relay, listen: relayListen },
    };
  });
}

function missingListen(part: "store" | "relay") {
  const message = "required, unless the enclave is reached over vsock";
  return { code: "custom" as const, path: [part, "listen"], message };
}

function loopback(port: number): Address {
  return { kind: "tcp", host: "127.0.0.1", port };
}

export type Config = z.infer<ReturnType<typeof configSchema>>;
export type BundleSource = Config["bundles"][number];
export type CredentialSource = Config["credentials"];
export type LogLevel = Config["log"]["level"];

export async function readConfig(path: string): Promise<Result<Config, ConfigError>> {
  const bytes = await readBoundedFile(path, CONFIG_BYTES_MAX);
  if (bytes.ok) return parseConfig(bytes.value, dirname(resolve(path)));
  const reason = bytes.error === TOO_LARGE ? "too large" : bytes.error;
  return err({ code: "CONFIG_UNREADABLE", problems: [`${path}: ${reason}`] });
}

/** Relative paths in the file start at `folder`. */
export function parseConfig(bytes: Uint8Array, folder: string): Result<Config, ConfigError> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return err({ code: "CONFIG_MALFORMED", problems: ["the file is not JSON in UTF-8"] });
  }
  const parsed = configSchema(folder).safeParse(json);
  if (parsed.success) return ok(parsed.data);
  return err({ code: "CONFIG_MALFORMED", problems: parsed.error.issues.map(problemOf) });
}

function problemOf(issue: z.core.$ZodIssue): string {
  let path = "";
  for (const part of issue.path) {
    if (typeof part === "number") path += `[${part}]`;
    else path += path === "" ? String(part) : `.${String(part)}`;
  }
  return `${path === "" ? "the file" : path}: ${issue.message}`;
}
