// Several nodes of one chain on this machine, each of which knows all the others that were made
// before it. They run the application that is built into the node.

import { freePorts } from "../../../scripts/local/free-ports.ts";
import { CometNode } from "./comet-node.ts";
import { type NodeHome, nodeIdOf } from "./node-home.ts";

export async function makeMesh(
  program: string,
  homes: readonly NodeHome[],
): Promise<readonly CometNode[]> {
  const rpcPorts = await freePorts(homes.length);
  const peerPorts = await freePorts(homes.length);
  const addresses = homes.map(
    (home, index) => `${nodeIdOf(program, home)}@127.0.0.1:${peerPorts[index] ?? 0}`,
  );
  return homes.map((home, index) => {
    const ports = { rpc: rpcPorts[index] ?? 0, peers: peerPorts[index] ?? 0 };
    const peers = `--p2p.persistent_peers=${addresses.slice(0, index).join(",")}`;
    return new CometNode(program, home, ports, ["--proxy_app=kvstore", peers]);
  });
}

/** The nodes' own word for votes of one validator that contradict each other. */
const CONFLICT = "onflicting vote";

/** Throws when any of the nodes has seen such votes. */
export function checkNoConflict(nodes: readonly CometNode[]): void {
  const count = nodes.reduce((sum, node) => sum + node.logCount(CONFLICT), 0);
  if (count > 0) throw new Error(`${count} conflicting votes in the logs`);
}
