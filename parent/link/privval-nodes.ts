// The Tendermint nodes of the configuration, each with its sessions, and the enclave behind them.
// It must never dial a node over tcp without the identity that the configuration names.

import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
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
};

/** Dials until it is closed. */
export async function startPrivvalNodes({
  config,
  active,
  log,
  observe,
}: PrivvalParts): Promise<Result<Privval, Refusal>> {
  const { identityFile, nodes } = config;
  const identity = identityFile === undefined ? ok(null) : await readIdentity(identityFile);
  if (!identity.ok) return identity;
  const started = nodes.map(({ key, ...node }) => {
    const signer = new LinkPrivvalSigner({ active, key, log, observe });
    return startPrivval({ nodes: [node], identity: identity.value, signer, log });
  });
  return ok({
    states: (): readonly PrivvalState[] => started.flatMap((each) => each.states()),
    close: async () => {
      await Promise.all(started.map((each) => each.close()));
    },
  });
}
