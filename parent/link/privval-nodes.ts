// The Tendermint nodes of the configuration, those to dial and those that call, and the enclave
// behind them. It must never dial a node over tcp without the identity that the configuration
// names.

import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import { startPrivvalGrpc } from "../grpc/privval-listener.ts";
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

export type PrivvalNodes = Privval & {
  /** Of nodes that call. */
  connectionCount(): number;
  /** Who may call, and for what. Nodes to dial need a restart. */
  reload(config: PrivvalConfig | undefined): Promise<void>;
};

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
  let listener = grpc.value;
  return ok({
    connectionCount: () => listener?.connectionCount() ?? 0,
    reload: async (next) => {
      if (next?.grpc !== undefined) return void (await listener?.reload(next.grpc));
      if (listener === null) return;
      // Whoever takes it out of the file revokes all that it allowed.
      await listener.close();
      listener = null;
      log.warn("privval.closed");
    },
    states: (): readonly PrivvalState[] => started.flatMap((each) => each.states()),
    close: async () => {
      await Promise.all([...started.map((each) => each.close()), listener?.close()]);
    },
  });
}
