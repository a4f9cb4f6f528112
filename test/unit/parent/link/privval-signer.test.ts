import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LinkPrivvalSigner } from "../../../../parent/link/privval-signer.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { activeAt } from "../../../fakes/served-enclave.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";
import { until } from "../../../fakes/until.ts";

const MESSAGE = Uint8Array.of(1, 2, 3);
const HASH = new Uint8Array(32).fill(0xab);

async function rig() {
  const folder = mkdtempSync(join(tmpdir(), "privval-"));
  const path = join(folder, "enclave.sock");
  const enclave = new FakeEnclave(path);
  await enclave.listen();
  const active = activeAt(path);
  const { link } = active.present;
  link.start(() => {});
  await until(() => link.status() !== null);
  const log = new SilentLog();
  const observed: unknown[] = [];
  const signer = new LinkPrivvalSigner({
    active,
    key: null,
    log,
    isPatient: true,
    observe: (chainId, outcome) => observed.push([chainId, outcome]),
  });
  const stop = async () => {
    link.close();
    await enclave.stop();
    rmSync(folder, { recursive: true });
  };
  return { enclave, active, log, observed, signer, stop };
}

/** What is told after the answer has left has been told then. */
function turn(): Promise<void> {
  return new Promise((settle) => setImmediate(settle));
}

test("what the enclave signed is passed back, counted, and logged as operators know it", async () => {
  const { enclave, log, observed, signer, stop } = await rig();
  const signed = {
    position: { height: 7n, round: 0, step: 3 },
    blockHash: HASH,
    hasExtension: true,
  };
  enclave.privval = () => ok({ answer: MESSAGE, signed });
  const answer = await signer.answer("a-1", MESSAGE, 1000);
  assert.deepEqual(answer.ok ? [...answer.value] : answer.error, [...MESSAGE]);
  assert.deepEqual(observed, []);
  await turn();
  assert.deepEqual(observed, [["a-1", signed]]);
  const line = log.lines.find(({ event }) => event === "privval.signed");
  assert.equal(line?.fields.kind, "Precommit:ABABABABAB");
  assert.equal(line?.fields.position, "7/0/3");
  const nil = { ...signed, blockHash: new Uint8Array(0) };
  enclave.privval = () => ok({ answer: MESSAGE, signed: nil });
  await signer.answer("a-1", MESSAGE, 1000);
  await turn();
  assert.equal(log.lines.at(-1)?.fields.kind, "Precommit:nil");
  await stop();
});

test("the log names the key where the configuration does, and only there", async () => {
  const { enclave, active, log, stop } = await rig();
  const position = { height: 7n, round: 0, step: 3 };
  const signed = { position, blockHash: HASH, hasExtension: true };
  for (const [key, named] of [
    [Uint8Array.of(0xab, 1), "0xab01"],
    [null, undefined],
  ] as const) {
    const signer = new LinkPrivvalSigner({
      active,
      key,
      log,
      isPatient: false,
      observe: () => undefined,
    });
    enclave.privval = () => ok({ answer: MESSAGE, signed });
    assert((await signer.answer("a-1", MESSAGE, 1000)).ok);
    await turn();
    assert.equal(log.lines.at(-1)?.fields.key, named);
    enclave.privval = () => err(refusal("GUARD_STEP_DOUBLE", 7n, 0, "precommit"));
    await signer.answer("a-1", MESSAGE, 1000);
    assert.equal(log.lines.at(-1)?.fields.key, named);
  }
  await stop();
});

test("a refusal is passed back and counted; a public key is neither counted nor logged", async () => {
  const { enclave, log, observed, signer, stop } = await rig();
  enclave.privval = () => err(refusal("GUARD_STEP_DOUBLE", 7n, 0, "precommit"));
  const refused = await signer.answer("a-1", MESSAGE, 1000);
  assert.equal(refused.ok ? "ok" : refused.error.code, "GUARD_STEP_DOUBLE");
  assert.equal(log.lines.at(-1)?.fields.code, "GUARD_STEP_DOUBLE");
  const { length } = log.lines;
  enclave.privval = () => ok({ answer: MESSAGE, signed: null });
  assert((await signer.answer("a-1", MESSAGE, 1000)).ok);
  await turn();
  assert.equal(log.lines.length, length);
  assert.deepEqual(observed.at(-1), ["a-1", null]);
  // Of an answer that was not passed on.
  signer.refused("a-1", refusal("PRIVVAL_ANSWER"));
  assert.equal(log.lines.at(-1)?.fields.code, "PRIVVAL_ANSWER");
  assert.deepEqual(observed.at(-1), ["a-1", refusal("PRIVVAL_ANSWER")]);
  await stop();
});

test("while an enclave is replaced, a message waits for the one that comes after", async () => {
  const { enclave, active, signer, stop } = await rig();
  enclave.privval = () => ok({ answer: MESSAGE, signed: null });
  active.hold(5000, () => {});
  const answer = signer.answer("a-1", MESSAGE, 4000);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(enclave.calls.includes("privval"), false);
  active.replace(active.present);
  assert((await answer).ok);
  await stop();
});
