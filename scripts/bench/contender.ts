// A signer under measurement with a node of its own, which asks it: ours as
// `npm start -- --chain tendermint` brings it up, or a rival. All of them lie in one folder, so on
// one disk. It must never share a key between two.

import { type KeyObject } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { quietly, type Stops } from "../local/bring-up.ts";
import { openValidatorKey } from "../local/canonical-message.ts";
import { bringUpConsensus, type ConsensusWish } from "../local/consensus-bring-up.ts";
import { prepareIdentityFile, prepareValidatorKey } from "../local/consensus-setup.ts";
import { prepareStoreCredentials } from "../local/dynamo-setup.ts";
import { freePortPair } from "../local/free-ports.ts";
import { type Layout, layoutOf, makeFolders } from "../local/layout.ts";
import { LoggedProcess } from "../local/logged-process.ts";
import { PrivvalNode } from "../local/privval-node.ts";
import { BENCH_TABLE, startTable } from "./bench-table.ts";
import { type Ask, heightSequence } from "./height-sequence.ts";
import { RIVALS, type RivalName } from "./rival.ts";

/** Our own: how its state is kept. */
export type OwnName = "redoubt" | "redoubt-table" | "redoubt-reserved";
export type ContenderName = OwnName | RivalName;

export type Contender = {
  readonly name: ContenderName;
  readonly version: string;
  readonly node: PrivvalNode;
  readonly key: KeyObject;
  readonly isExtensionAnswered: boolean;
  readonly asks: Generator<Ask, never>;
  /** The processes that take part in a signature. */
  readonly pids: () => readonly number[];
};

/** One region's table on a slow day, or two regions' on a good one. */
export const TABLE_DELAY_MS = 25;
const RESERVED_HEIGHTS = 100;

type OwnState = { readonly state: "parent" | "dynamodb"; readonly wish: ConsensusWish };

const OWN_STATES: Readonly<Record<OwnName, OwnState>> = {
  redoubt: { state: "parent", wish: {} },
  "redoubt-table": { state: "dynamodb", wish: { bringTable: bringSlowTable } },
  "redoubt-reserved": {
    state: "dynamodb",
    wish: {
      chain: { reservation: { heights: RESERVED_HEIGHTS } },
      bringTable: bringSlowTable,
    },
  },
};

const CONNECT_DEADLINE_MS = 20_000;
const POLL_MS = 20;

async function bringSlowTable(layout: Layout, stops: Stops) {
  prepareStoreCredentials(layout);
  const { program, port } = await startTable(layout, TABLE_DELAY_MS);
  stops.push(() => program.stop());
  return { port, state: BENCH_TABLE };
}

export async function startRedoubt(
  name: OwnName,
  folder: string,
  version: string,
  stops: Stops,
): Promise<Contender> {
  const { node, address } = await startNode(stops);
  const layout = layoutOf(join(folder, name));
  makeFolders(layout);
  const { state, wish } = OWN_STATES[name];
  const options = {
    isOnce: false,
    chain: "tendermint" as const,
    network: null,
    keystores: null,
    freshKeyCount: 0,
    state,
    port: await freePortPair(),
    folder: layout.folder,
  };
  const signer = await quietly(() => bringUpConsensus(layout, options, [address], stops, wish));
  await awaitConnected(node, () => null);
  const { enclave, parent, publicKey } = signer;
  return {
    name,
    isExtensionAnswered: true,
    version,
    node,
    key: openValidatorKey(publicKey),
    asks: heightSequence(publicKey),
    pids: () => [parent.pid, enclave.pid],
  };
}

/** `program` is its file. */
export async function startRival(
  name: RivalName,
  program: string,
  parentFolder: string,
  stops: Stops,
): Promise<Contender> {
  const { node, address } = await startNode(stops);
  const folder = join(parentFolder, name);
  mkdirSync(folder);
  const keyFile = join(folder, "priv_validator_key.json");
  const identityFile = join(folder, "kms-identity.key");
  const publicKey = prepareValidatorKey({ validatorKey: keyFile });
  await prepareIdentityFile({ identityFile });
  const { version, isExtensionAnswered, prepare } = RIVALS[name];
  const args = prepare({ folder, address, keyFile, identityFile });
  const process = new LoggedProcess(program, args, join(folder, "log"));
  stops.push(() => process.kill());
  await awaitConnected(node, () => (process.isOver ? process.logEnd() : null));
  return {
    name,
    version,
    isExtensionAnswered,
    node,
    key: openValidatorKey(publicKey),
    asks: heightSequence(publicKey),
    pids: () => [process.pid],
  };
}

async function startNode(stops: Stops) {
  const node = new PrivvalNode({ kind: "tcp", host: "127.0.0.1", port: 0 });
  const address = await node.start();
  stops.push(() => node.stop());
  return { node, address };
}

/** `endOf`: what a program said that has ended, null while it runs. */
async function awaitConnected(node: PrivvalNode, endOf: () => string | null): Promise<void> {
  const deadlineMs = performance.now() + CONNECT_DEADLINE_MS;
  while (!node.isConnected) {
    const end = endOf();
    if (end !== null) throw new Error(`the signer has ended:\n${end}`);
    if (performance.now() > deadlineMs) throw new Error("the signer did not dial its node");
    await new Promise((settle) => setTimeout(settle, POLL_MS));
  }
}
