// The `privval` part of the configuration: the Tendermint nodes that the parent dials, and the
// identity that it shows them. It must never take a node over tcp without an identity file: a key
// made up at each start could not be recognised by anybody.

import { z } from "zod";
import { encodeAddress } from "../../shared/address.ts";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { PRIVVAL_NODE_COUNT_MAX } from "../../shared/limits.ts";
import { type PrivvalAddress, parsePrivvalAddress } from "../privval/privval-address.ts";

/** Of every scheme at most; which one it is the enclave knows. */
const PUBLIC_KEY_BYTES_MAX = 200;

/** Printable ASCII, at most the 50 bytes that CometBFT takes (tendermint.md §4.1). */
const chainId = z.string().regex(/^[\x21-\x7e]{1,50}$/, "expected a chain id");

/** Of a key, where its chain has several: `0x` and hex. */
const publicKey = z.string().transform((text, context) => {
  const key = parsePrefixedHex(text);
  if (key.ok && key.value.length > 0 && key.value.length <= PUBLIC_KEY_BYTES_MAX) return key.value;
  context.addIssue("expected a public key");
  return z.NEVER;
});

const nodeAddress = z.string().transform((text, context): PrivvalAddress => {
  const address = parsePrivvalAddress(text);
  if (address.ok) return address.value;
  context.addIssue("expected tcp://[peerid@]host:port or unix:///path");
  return z.NEVER;
});

/** `path` makes paths absolute from the folder of the file. */
export function privvalSchema<Path extends z.ZodType<string>>(path: Path) {
  return z
    .strictObject({
      /** tmkms's `kms-identity.key`. Needed for nodes over tcp. */
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
        .min(1)
        .max(PRIVVAL_NODE_COUNT_MAX),
    })
    .superRefine(({ identityFile, nodes }, context) => {
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
      if (
        identityFile !== undefined ||
        nodes.every(({ address }) => address.address.kind === "unix")
      )
        return;
      const message = "required for a node over tcp";
      context.addIssue({ code: "custom", path: ["identityFile"], message });
    });
}

export type PrivvalConfig = z.infer<ReturnType<typeof privvalSchema<z.ZodType<string>>>>;
