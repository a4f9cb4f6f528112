// A real node that listens for its signer over Noise (v0.40): neither side may talk to another than
// the one that its address names, and the chain has to go on after a restart of either.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peerIdOfEd25519 } from "../../../parent/privval/peer-id.ts";
import type { PrivvalState } from "../../../parent/privval/ports.ts";
import { parsePrivvalAddress } from "../../../parent/privval/privval-address.ts";
import { startPrivval } from "../../../parent/privval/privval-dialer.ts";
import { identityOfSeed, type PrivvalIdentity } from "../../../parent/privval/privval-identity.ts";
import { LOCAL_CHAIN_ID } from "../../../scripts/local/consensus-setup.ts";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { ScriptedPrivval } from "../../fakes/scripted-privval.ts";
import { SilentLog } from "../../fakes/silent-log.ts";
import { until } from "../../fakes/until.ts";
import { CometNode } from "./comet-node.ts";
import { makeNodeHome, noiseIdOf } from "./node-home.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { verifyCommits } from "./signed-commits.ts";

const HEIGHTS_PER_STAGE = 8;
const REFUSAL_DEADLINE_MS = 20_000;
/** CometBFT's own words for a signer that its address does not name. */
const NOT_ADMITTED = "rejecting non-allowlisted signer peer";

export async function checkOverNoise(report: Report, program: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const home = makeNodeHome(program, join(folder, "home"), null);
  const [signerPort = 0, rpc = 0, peers = 0] = await freePorts(3);
  const nodeId = noiseIdOf(program, home);
  const place = `127.0.0.1:${signerPort}`;
  const node = new CometNode(program, home, { rpc, peers }, ["--proxy_app=kvstore"]);
  const named = identityOfSeed(randomBytes(32));
  const stranger = identityOfSeed(randomBytes(32));
  const listen = (signerId: string): string => `noise://${signerId}@${place}`;
  try {
    await report.check("over Noise another node than the pinned one is refused", async () => {
      node.launch(listen(idOf(named)));
      return expectRefused(`noise://${idOf(stranger)}@${place}`, named, "PRIVVAL_PEER_ID");
    });
    await node.kill();
    await report.check("over Noise the node admits no other signer", async () => {
      node.launch(listen(idOf(named)));
      const shown = await expectRefused(`noise://${nodeId}@${place}`, stranger, "PRIVVAL_CLOSED");
      if (node.logCount(NOT_ADMITTED) === 0) throw new Error("the node did not say so");
      return shown;
    });
    await node.kill();
    await checkChain(report, node, { keyFile: home.keyFile, nodeId, place, listen }, home);
  } finally {
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Place = {
  readonly keyFile: string;
  readonly nodeId: string;
  readonly place: string;
  readonly listen: (signerId: string) => string;
};

async function checkChain(
  report: Report,
  node: CometNode,
  { keyFile, nodeId, place, listen }: Place,
  { validatorAddress }: { readonly validatorAddress: string },
): Promise<void> {
  const signer = await RealSigner.start(keyFile, [`noise://${nodeId}@${place}`]);
  const address = listen(signer.noiseId);
  const stage = (name: string, act: () => Promise<unknown>): Promise<void> =>
    report.check(name, async () => {
      const startMs = performance.now();
      await act();
      const before = await node.height();
      await node.awaitHeight(before + HEIGHTS_PER_STAGE);
      const seconds = (performance.now() - startMs) / 1000;
      return `heights ${before} to ${before + HEIGHTS_PER_STAGE}, ${seconds.toFixed(1)} s`;
    });
  try {
    await stage("the chain starts over Noise", () => node.start(address));
    await stage("goes on over Noise after kill -9 of the parent", () => signer.restartParent());
    await stage("goes on over Noise after kill -9 of the node", async () => {
      await node.kill();
      await node.start(address);
    });
    await stage("goes on over Noise after kill -9 of the enclave", () => signer.killEnclave());
    await report.check("over Noise every commit is signed by our key alone", async () => {
      const last = (await node.height()) - 1;
      const found = await verifyCommits(node, last, signer.publicKey, validatorAddress);
      return `${found.count} heights, longest pause ${found.gapSeconds.toFixed(1)} s`;
    });
    const median = await signer.metric("redoubt_privval_latency_median_seconds");
    report.note(`over Noise: median ${(median * 1000).toFixed(1)} ms`);
  } finally {
    await node.stop();
    await signer.stop();
  }
}

/**
 * Dials until it was refused with this code, and was not asked for anything. A node that gets no
 * signer at its start ends after 3 s, so that there is not much time for more.
 */
async function expectRefused(
  text: string,
  identity: PrivvalIdentity,
  code: PrivvalState["code"],
): Promise<string> {
  const address = parsePrivvalAddress(text);
  if (!address.ok) throw new Error(`no address: ${text}`);
  const signer = new ScriptedPrivval();
  const privval = startPrivval({
    nodes: [{ chainId: LOCAL_CHAIN_ID, address: address.value }],
    identity,
    signer,
    log: new SilentLog(),
  });
  try {
    await until(() => privval.states()[0]?.code === code, REFUSAL_DEADLINE_MS);
  } finally {
    await privval.close();
  }
  const [state] = privval.states();
  if (signer.asks.length > 0 || state?.connectCount !== 0) throw new Error("it was asked");
  return `${code ?? "none"}, not asked for anything`;
}

function idOf({ publicKey }: PrivvalIdentity): string {
  return peerIdOfEd25519(publicKey);
}
