import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { CallerTable } from "../../../../parent/grpc/caller.ts";
import { PRIVVAL_METHODS } from "../../../../parent/grpc/privval-call.ts";
import { PrivvalService } from "../../../../parent/grpc/privval-service.ts";
import { PRIVVAL_ANSWER_BYTES_MAX, PRIVVAL_ANSWER_DEADLINE_MS } from "../../../../shared/limits.ts";
import { ok } from "../../../../shared/result.ts";
import { ManualTimers, settled } from "../../../fakes/manual-timers.ts";
import { voteWire, wire } from "../../../fakes/privval-node.ts";
import { answerTo, type PrivvalAnswer, ScriptedPrivval } from "../../../fakes/scripted-privval.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";
import { TestCa } from "../../../fakes/tls-pki.ts";

const { SignVote } = PRIVVAL_METHODS;
const VOTE = wire({ 1: voteWire(), 2: "sei-1" });
const CERTIFICATE = new X509Certificate(new TestCa("nodes").leaf("node-1").cert).toLegacyObject();
const TLS = { certFile: "a", keyFile: "b", clientCaFile: "c" };

/** A message of this length: a tag of one byte, a length of two. */
function bodyOf(length: number): Uint8Array {
  return wire({ 4: new Uint8Array(length - 3) });
}

class Rig {
  readonly signer = new ScriptedPrivval();
  readonly timers = new ManualTimers();
  readonly observed: string[] = [];
  readonly service: PrivvalService;

  constructor() {
    const config = {
      listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
      tls: TLS,
      chains: [{ chainId: "sei-1", key: null }],
    } as const;
    const callers = new CallerTable({ ...config, chains: [...config.chains] }, () => this.signer);
    this.service = new PrivvalService({
      callers: () => callers,
      log: new SilentLog(),
      observe: (_chainId, { code }) => this.observed.push(code),
      timers: this.timers,
    });
  }

  answer(auth: { sslPeerCertificate?: typeof CERTIFICATE } = { sslPeerCertificate: CERTIFICATE }) {
    return this.service.answer(SignVote, {
      request: Buffer.from(VOTE),
      getAuthContext: () => auth,
      getDeadline: () => Number.POSITIVE_INFINITY,
    });
  }
}

async function codeOf(answer: Promise<PrivvalAnswer>): Promise<string> {
  const settledAnswer = await answer;
  return settledAnswer.ok ? "ok" : settledAnswer.error.code;
}

test("a call whose connection shows no certificate is nobody's", async () => {
  const rig = new Rig();
  assert.equal(await codeOf(rig.answer({})), "ACL_CLIENT_UNKNOWN");
  assert.deepEqual(rig.observed, ["ACL_CLIENT_UNKNOWN"]);
  assert.equal(rig.signer.asks.length, 0);
});

test("an answer in time is given, one at the deadline is not, and no alarm stays", async () => {
  for (const [atMs, expected] of [
    [PRIVVAL_ANSWER_DEADLINE_MS - 1, "ok"],
    [PRIVVAL_ANSWER_DEADLINE_MS, "PRIVVAL_LATE"],
    [PRIVVAL_ANSWER_DEADLINE_MS + 1, "PRIVVAL_LATE"],
  ] as const) {
    const rig = new Rig();
    const release = rig.signer.holdNext();
    const code = codeOf(rig.answer());
    await settled();
    rig.timers.advance(atMs);
    release(answerTo(wire({ 3: VOTE })));
    assert.equal(await code, expected, String(atMs));
    assert.equal(rig.timers.count, 0);
  }
});

test("an answer in another arm, or larger than nodes read, is not given", async () => {
  const rows = [
    [wire({ 6: Uint8Array.of(1) }), "PRIVVAL_ANSWER"],
    [new Uint8Array(0), "PRIVVAL_ANSWER"],
    [bodyOf(PRIVVAL_ANSWER_BYTES_MAX - 1), "ok"],
    [bodyOf(PRIVVAL_ANSWER_BYTES_MAX), "ok"],
    [bodyOf(PRIVVAL_ANSWER_BYTES_MAX + 1), "PRIVVAL_ANSWER"],
  ] as const;
  for (const [message, expected] of rows) {
    const rig = new Rig();
    rig.signer.script.push(() => ok(message));
    assert.equal(await codeOf(rig.answer()), expected, String(message.length));
  }
});

test("a signer that throws is no answer", async () => {
  const rig = new Rig();
  rig.signer.script.push(() => {
    throw new Error("fault");
  });
  assert.equal(await codeOf(rig.answer()), "PRIVVAL_ANSWER");
});
