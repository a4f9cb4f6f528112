// The manifest and the parent's configuration that a plan becomes. They must never be files that a
// signer would take although something is missing: what the operator has to fill in is a text that
// no parser of ours accepts.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { KeyArn } from "../../shared/key-arn.ts";
import type { KeyedChain } from "./key-files.ts";
import type { MigrationPlan } from "./plan.ts";

export const MISSING_KEY_ARN = "REPLACE: full ARN of the KMS key";
export const MISSING_KMS_HOST = "REPLACE: kms.REGION.amazonaws.com:443";

export function manifestText(chains: readonly KeyedChain[], keyArn: KeyArn | null): string {
  return jsonText({
    redoubt: 1,
    kms: { keyArn: keyArn?.text ?? MISSING_KEY_ARN },
    state: { kind: "parent" },
    tendermint: {
      bootFloor: "off",
      chains: chains.map(({ chainId, publicKey, maxHeight }) => ({
        chainId,
        keys: [encodePrefixedHex(publicKey)],
        ...(maxHeight === null ? {} : { maxHeight: String(maxHeight) }),
      })),
    },
  });
}

export function parentText(plan: MigrationPlan, keyArn: KeyArn | null): string {
  const nodes = plan.nodes.map(({ chainId: chain, address }) => ({ chain, address }));
  const identity = plan.identityFile === null ? {} : { identityFile: plan.identityFile };
  return jsonText({
    enclave: { nitro: { name: "redoubt" } },
    manifest: "manifest.json",
    bundles: [{ kind: "directory", path: "bundles" }],
    credentials: { kind: "imds" },
    store: { path: "state.sqlite" },
    relay: { allow: [keyArn === null ? MISSING_KMS_HOST : `${keyArn.host}:443`] },
    api: {
      tls: {
        certFile: "tls/server.crt",
        keyFile: "tls/server.key",
        clientCaFile: "tls/client-ca.crt",
      },
      clients: [],
    },
    admin: { listen: "unix:///run/redoubt/admin.sock" },
    // A configuration without nodes has no such part: an empty list is refused.
    ...(nodes.length === 0 ? {} : { privval: { ...identity, nodes } }),
  });
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
