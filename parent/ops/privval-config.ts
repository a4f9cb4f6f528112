// The `privval` part of the configuration: the Tendermint nodes that the parent dials, the identity
// that it shows them, and the listener for those that call it instead. It must never take a node
// over a network without an identity file: nobody could recognise a key that is made up at each
// start.

import { z } from "zod";
import { encodeAddress } from "../../shared/address.ts";
import { PRIVVAL_NODE_COUNT_MAX } from "../../shared/limits.ts";
import { type PrivvalAddress, parsePrivvalAddress } from "../privval/privval-address.ts";
import { chainId, publicKey } from "./chain-schema.ts";
import { privvalGrpcSchema } from "./privval-grpc-config.ts";

const nodeAddress = z.string().transform((text, context): PrivvalAddress => {
  const address = parsePrivvalAddress(text);
  if (address.ok) return address.value;
  context.addIssue("expected tcp://[peerid@]host:port, noise://peerid@ip:port or unix:///path");
  return z.NEVER;
});

/** `path` makes paths absolute from the folder of the file. */
export function privvalSchema<Path extends z.ZodType<string>>(path: Path) {
  return z
    .strictObject({
      /** tmkms's `kms-identity.key`. Needed for nodes over tcp and noise. */
      identityFile: path.optional(),
      nodes: z
        .array(
          z
            .strictObject({ chain: chainId, address: nodeAddress, key: publicKey.optional() })
            .transform(({ chain, address, key }) => ({
              chainId: chain,
              address,
              key: key ?? null,
            })),
        )
        .max(PRIVVAL_NODE_COUNT_MAX)
        .default([]),
      /** For nodes that are the client. */
      grpc: privvalGrpcSchema(path).optional(),
    })
    .superRefine(({ identityFile, nodes, grpc }, context) => {
      if (nodes.length === 0 && grpc === undefined) {
        const message = "expected a node to dial, or `grpc`";
        context.addIssue({ code: "custom", path: ["nodes"], message });
      }
      const seen = new Set<string>();
      nodes.forEach(({ address: { address } }, index) => {
        const text = encodeAddress(address);
        // A node serves one signer at a time: two dialers would take it from each other for ever.
        if (seen.has(text)) {
          const at = ["nodes", index, "address"];
          context.addIssue({ code: "custom", path: at, message: "listed twice" });
        }
        seen.add(text);
      });
      if (identityFile !== undefined || nodes.every(({ address }) => address.scheme === "unix"))
        return;
      const message = "required for a node over tcp or noise";
      context.addIssue({ code: "custom", path: ["identityFile"], message });
    });
}

export type PrivvalConfig = z.infer<ReturnType<typeof privvalSchema<z.ZodType<string>>>>;
