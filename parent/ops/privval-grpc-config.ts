// The `privval.grpc` part of the configuration: the listener for Tendermint nodes that are the
// client, and which chains they may ask for. It must never leave open who is meant: either every
// certificate of the authorities may ask for `chains`, or only `clients` may, each for its own.

import { z } from "zod";
import { CHAIN_COUNT_MAX, PRIVVAL_NODE_COUNT_MAX } from "../../shared/limits.ts";
import { addressOf } from "./address-schema.ts";
import {
  clientName,
  fingerprint,
  isNamedOnce,
  NAMED_ONCE,
  refuseTwins,
  spiffe,
  tlsSchema,
} from "./api-config.ts";
import { chainId, publicKey } from "./chain-schema.ts";

const chains = z
  .array(
    z
      .strictObject({ chain: chainId, key: publicKey.optional() })
      .transform(({ chain, key }) => ({ chainId: chain, key: key ?? null })),
  )
  .min(1)
  .max(CHAIN_COUNT_MAX)
  .superRefine((list, context) => {
    const seen = new Set<string>();
    list.forEach((entry, index) => {
      // A request names its chain and no key: with two of them it would not be clear whose.
      if (seen.has(entry.chainId)) {
        const path = [index, "chain"];
        context.addIssue({ code: "custom", path, message: "stated twice" });
      }
      seen.add(entry.chainId);
    });
  });

const client = z
  .strictObject({
    name: clientName,
    fingerprint: fingerprint.optional(),
    spiffe: spiffe.optional(),
    chains,
  })
  .refine(isNamedOnce, NAMED_ONCE);

/** `path` is the schema of a file's path. */
export function privvalGrpcSchema<Path extends z.ZodType<string>>(path: Path) {
  return z
    .strictObject({
      listen: addressOf("tcp"),
      tls: tlsSchema(path),
      chains: chains.optional(),
      clients: z
        .array(client)
        .min(1)
        .max(PRIVVAL_NODE_COUNT_MAX)
        .superRefine(refuseTwins)
        .optional(),
    })
    .refine((value) => (value.chains === undefined) !== (value.clients === undefined), {
      message: "exactly one of `chains` and `clients` says who may ask for what",
    });
}

export type PrivvalGrpcConfig = z.infer<ReturnType<typeof privvalGrpcSchema<z.ZodType<string>>>>;
export type PrivvalChain = z.infer<typeof chains>[number];
