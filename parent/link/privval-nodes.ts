// The Tendermint nodes of the configuration, those to dial and those that call, and the enclave
// behind them. It must never dial a node over tcp without the identity that the configuration
// names.

import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import { type PrivvalGrpc, startPrivvalGrpc } from "../grpc/privval-listener.ts";
import type { PrivvalConfig } from "../ops/privval-config.ts";
import type { Log } from "../ports.ts";
import type { PrivvalState } from "../privval/ports.ts";
import { type Privval, startPrivval } from "../privval/privval-dialer.ts";
import { readIdentity } from "../privval/privval-identity.ts";
import type { ActiveEnclave } from "./active-enclave.ts";
import { LinkPrivvalSigner, type PrivvalSignerParts } from "./privval-signer.ts";

export type PrivvalParts = {
  readonly config: PrivvalConfig;
  readonly active: ActiveEnclave;
  readonly log: Log;
  readonly observe: PrivvalSignerParts["observe"];
  readonly tlsRefused: (reason: string) => void;
};

export type PrivvalNodes = Privval & { readonly grpc: PrivvalGrpc | null };

/** Dials, and takes calls, until it is closed. */
export async function startPrivvalNodes({
  config,
  active,
  log,
  observe,
  tlsRefused,
}: PrivvalParts): Promise<Result<PrivvalNodes, Refusal>> {
  const { identityFile, nodes } = config;
  const identity = identityFile === undefined ? ok(null) : await readIdentity(identityFile);
  if (!identity.ok) return identity;
  const signerFor = (isPatient: boolean) => (key: Uint8Array | null) =>
    new LinkPrivvalSigner({ active, key, log, observe, isPatient });
  // Over gRPC an outage has a status of its own, at which the node asks again.
  const signerOf = signerFor(false);
  const grpc =
    config.grpc === undefined
      ? ok(null)
      : await startPrivvalGrpc({ config: config.grpc, signerOf, log, observe, tlsRefused });
  if (!grpc.ok) return grpc;
  const started = nodes.map(({ key, ...node }) =>
    startPrivval({ nodes: [node], identity: identity.value, signer: signerFor(true)(key), log }),
  );
  return ok({
    grpc: grpc.value,
    states: (): readonly PrivvalState[] => started.flatMap((each) => each.states()),
    close: async () => {
      await Promise.all([...started.map((each) => each.close()), grpc.value?.close()]);
    },
  });
}
