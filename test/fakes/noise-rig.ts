// Our side of Noise over a pair of streams in memory, and a node's side by hand: it shares no code
// with ours.

import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import {
  type NoiseConnection,
  type NoiseOptions,
  openNoiseConnection,
} from "../../parent/privval/noise-connection.ts";
import { peerIdOfEd25519 } from "../../parent/privval/peer-id.ts";
import {
  encodePayload,
  type NoiseCipher,
  NoiseResponder,
} from "../../scripts/local/noise-handshake.ts";
import { acceptNoise, frameOf, readFrame } from "../../scripts/local/noise-stream.ts";
import { ManualTimers, settled } from "./manual-timers.ts";
import { SIDE_A, SIDE_B } from "./secret-vectors.ts";

export const DEADLINE_MS = 2000;
export const PATIENT_MS = 60_000;
export const OUR_ID = peerIdOfEd25519(SIDE_A.identity.publicKey);
export const NODE_ID = peerIdOfEd25519(SIDE_B.identity.publicKey);

export function openOurs(carrier: Duplex, options: Partial<NoiseOptions> = {}) {
  return openNoiseConnection(carrier, {
    identity: SIDE_A.identity,
    peerId: NODE_ID,
    deadlineMs: DEADLINE_MS,
    timers: new ManualTimers(),
    ...options,
  });
}

export function codeOf(result: { ok: true } | { ok: false; error: { code: string } }): string {
  return result.ok ? "ok" : result.error.code;
}

export async function openPair(): Promise<{
  readonly ours: NoiseConnection;
  readonly theirs: Duplex;
}> {
  const [left, right] = duplexPair();
  const [ours, theirs] = await Promise.all([
    openOurs(left),
    acceptNoise(right, SIDE_B.identity, PATIENT_MS),
  ]);
  assert(ours.ok && theirs !== null);
  return { ours: ours.value, theirs: theirs.stream };
}

type ByHand = {
  readonly ours: NoiseConnection;
  readonly carrier: Duplex;
  readonly node: Duplex;
  readonly send: NoiseCipher;
  readonly receive: NoiseCipher;
};

/** With the node's side as the tests want it, frame by frame. */
export async function openByHand(): Promise<ByHand> {
  const [carrier, node] = duplexPair();
  node.on("error", () => {});
  const responder = new NoiseResponder();
  const opening = openOurs(carrier);
  responder.takeFirst(await readFrame(node));
  node.write(frameOf(responder.second(encodePayload(SIDE_B.identity, responder.staticKey))));
  responder.takeThird(await readFrame(node));
  const ours = await opening;
  assert(ours.ok);
  return { ours: ours.value, carrier, node, ...responder.split() };
}

/** Up to the node's only message of the handshake, which `answer` makes. */
export async function openAgainst(
  answer: (responder: NoiseResponder) => Uint8Array,
  options: Partial<NoiseOptions> = {},
): Promise<{ readonly code: string; readonly afterBytes: number }> {
  const [carrier, node] = duplexPair();
  node.on("error", () => {});
  const opening = openOurs(carrier, options);
  const responder = new NoiseResponder();
  responder.takeFirst(await readFrame(node));
  node.write(answer(responder));
  const opened = await opening;
  if (opened.ok) opened.value.destroy();
  else assert.equal(carrier.destroyed, true);
  await settled();
  let afterBytes = 0;
  node.on("data", (chunk: Buffer) => {
    afterBytes += chunk.length;
  });
  await settled();
  return { code: codeOf(opened), afterBytes };
}
