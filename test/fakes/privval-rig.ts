// Nodes that behave as Go's does, and our dialers that serve them from a signer that a test writes
// the answers of. Signs as SIDE_A.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { PrivvalState } from "../../parent/privval/ports.ts";
import { parsePrivvalAddress } from "../../parent/privval/privval-address.ts";
import {
  type DialTiming,
  type Privval,
  startPrivval,
} from "../../parent/privval/privval-dialer.ts";
import { PrivvalNode, type PrivvalNodeTiming } from "../../scripts/local/privval-node.ts";
import {
  encodeSignProposalRequest,
  encodeSignVoteRequest,
} from "../../scripts/local/privval-request.ts";
import type { Address } from "../../shared/address.ts";
import { ScriptedPrivval } from "./scripted-privval.ts";
import { SIDE_A } from "./secret-vectors.ts";
import { SilentLog } from "./silent-log.ts";

export const CHAIN = "test-chain";
export const TCP: Address = { kind: "tcp", host: "127.0.0.1", port: 0 };
/** Patient where a test waits for nothing, so that a busy machine fails none. */
const NODE_TIMING: Partial<PrivvalNodeTiming> = {
  pingMs: 20,
  retryMs: 5,
  retryCount: 2000,
};
const PATIENT_MS = 10_000;
const REDIAL = { minMs: 2, maxMs: 20 };
const BLOCK = { hash: new Uint8Array(32).fill(5), total: 1 };
export const VOTE = encodeSignVoteRequest(CHAIN, {
  type: "prevote",
  height: 7n,
  round: 0,
  block: BLOCK,
  seconds: 1_700_000_000n,
});
export const PROPOSAL = encodeSignProposalRequest(CHAIN, {
  height: 7n,
  round: 1,
  polRound: -1,
  block: BLOCK,
  seconds: 1_700_000_000n,
});

type Rig = {
  readonly node: PrivvalNode;
  readonly address: string;
  readonly signer: ScriptedPrivval;
  readonly log: SilentLog;
  readonly states: PrivvalState[];
  readonly privval: Privval;
};

/** `admitted` makes it one that listens over Noise. */
export async function startNode(
  context: TestContext,
  listen: Address = TCP,
  timing: Partial<PrivvalNodeTiming> = {},
  admitted: string | null = null,
): Promise<{ readonly node: PrivvalNode; readonly address: string }> {
  const node = new PrivvalNode(listen, { ...NODE_TIMING, ...timing }, admitted);
  const address = await node.start();
  context.after(() => node.stop());
  return { node, address };
}

type Dial = Pick<Rig, "signer" | "log" | "states" | "privval">;

export function dial(
  context: TestContext,
  addresses: readonly string[],
  timing: Partial<DialTiming> = {},
  signer = new ScriptedPrivval(),
): Dial {
  const log = new SilentLog();
  const states: PrivvalState[] = [];
  const nodes = addresses.map((text) => {
    const address = parsePrivvalAddress(text);
    assert(address.ok);
    return { chainId: CHAIN, address: address.value };
  });
  const privval = startPrivval({
    nodes,
    identity: SIDE_A.identity,
    signer,
    log,
    observer: { changed: (state) => states.push(state) },
    timing: { redial: REDIAL, dialMs: PATIENT_MS, ...timing },
  });
  context.after(() => privval.close());
  return { signer, log, states, privval };
}

export async function startRig(
  context: TestContext,
  {
    listen = TCP,
    node: nodeTiming = {},
    dial: dialTiming = {},
    admitted = null,
  }: {
    readonly listen?: Address;
    readonly node?: Partial<PrivvalNodeTiming>;
    readonly dial?: Partial<DialTiming>;
    readonly admitted?: string | null;
  } = {},
): Promise<Rig> {
  const started = await startNode(context, listen, nodeTiming, admitted);
  return { ...started, ...dial(context, [started.address], dialTiming) };
}

export function unixAddress(context: TestContext): Address {
  const folder = mkdtempSync(join(tmpdir(), "privval-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return { kind: "unix", path: join(folder, "node.sock") };
}

export function codesOf(states: readonly PrivvalState[]): readonly (string | null)[] {
  return states.map(({ isConnected, code }) => (isConnected ? "connected" : code));
}
