// A block of requests to one signer, one after the other as a node asks them: how long each took
// from the request's write to the end of its answer, and the signer's CPU time meanwhile. Every
// answer is checked as a node does, outside of the measured time: a figure must never count what is
// not a signature over the right bytes.

import { setTimeout as pause } from "node:timers/promises";
import { isSignedBy } from "../local/canonical-message.ts";
import { encodePing, readSigned } from "../local/privval-request.ts";
import type { Contender } from "./contender.ts";
import type { Ask } from "./height-sequence.ts";
import { cpuMsOf } from "./process-stat.ts";

export type Block = {
  readonly signMs: readonly number[];
  /** Of requests that nothing is signed for: the connection and the loop of the session alone. */
  readonly pingMs: readonly number[];
  readonly cpuMs: number;
};

const PING = encodePing();

export async function runBlock(
  contender: Contender,
  count: number,
  pauseMs: number,
): Promise<Block> {
  const { node, asks } = contender;
  const pingMs: number[] = [];
  const signMs: number[] = [];
  for (let index = 0; index < count / 10; index++) {
    if (pauseMs > 0) await pause(pauseMs);
    pingMs.push((await timed(() => node.askOnce(PING))).ms);
  }
  const cpuBeforeMs = cpuOf(contender);
  for (let index = 0; index < count; index++) {
    if (pauseMs > 0) await pause(pauseMs);
    const ask = asks.next().value;
    const { ms, answer } = await timed(() => node.askOnce(ask.message));
    signMs.push(ms);
    verifyAnswer(contender, ask, answer);
  }
  return { signMs, pingMs, cpuMs: cpuOf(contender) - cpuBeforeMs };
}

async function timed(run: () => Promise<Uint8Array>) {
  const startMs = performance.now();
  const answer = await run();
  return { ms: performance.now() - startMs, answer };
}

function verifyAnswer(contender: Contender, ask: Ask, answer: Uint8Array): void {
  const { name, key, isExtensionAnswered } = contender;
  const signed = readSigned(ask.arm, answer);
  const isExtended = (signed?.extensionSignature.length ?? 0) > 0;
  const isRight =
    signed !== null &&
    isExtended === (ask.hasExtension && isExtensionAnswered) &&
    isSignedBy(key, ask.signBytes, signed.signature);
  if (!isRight) throw new Error(`${name} did not sign what it was asked to`);
}

function cpuOf({ pids }: Contender): number {
  return pids().reduce((sum, pid) => sum + cpuMsOf(pid), 0);
}
