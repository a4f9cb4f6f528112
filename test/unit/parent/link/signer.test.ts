// The signer's port over a link: what it passes on, and what it refuses to take.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { ActiveEnclave } from "../../../../parent/link/active-enclave.ts";
import type { Provisioner } from "../../../../parent/link/provision.ts";
import { LinkSigner } from "../../../../parent/link/signer.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { fakeBundle } from "../../../fakes/fake-bundle.ts";
import { FakeEnclave } from "../../../fakes/fake-enclave.ts";
import { activeAt } from "../../../fakes/served-enclave.ts";
import { until } from "../../../fakes/until.ts";

const BUNDLE = { name: "a", ...fakeBundle(1, [10]) };

let folder = "";
let enclave: FakeEnclave;
let started: Provisioner[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "link-"));
  enclave = new FakeEnclave(join(folder, "enclave.sock"));
  await enclave.listen();
  started = [];
});

afterEach(async () => {
  for (const provisioner of started) provisioner.close();
  await enclave.stop();
  rmSync(folder, { recursive: true });
});

function active(): ActiveEnclave {
  const served = activeAt(join(folder, "enclave.sock"), {
    provision: { readBundles: () => Promise.resolve({ bundles: [BUNDLE], failures: [] }) },
  });
  started.push(served.present.provisioner);
  return served;
}

test("the signer passes bodies on as they are, and answers with the kind's name", async () => {
  const enclaves = active();
  const { provisioner } = enclaves.present;
  let storeCode: ErrorCode | null = null;
  const storeRefusal = () => (storeCode === null ? null : { code: storeCode });
  const signer = new LinkSigner(enclaves, storeRefusal);
  const body = Uint8Array.of(7, 8, 9);
  const ask = { dialect: "web3signer", key: new Uint8Array(48), kinds: 0xffff, body } as const;
  const refused = await signer.sign(ask);
  assert.equal(refused.ok ? "signed" : refused.error.code, "LINK_DOWN");
  provisioner.start();
  await until(() => signer.notReady() === null);
  const signing = signer.sign(ask);
  assert.equal(signer.inFlightCount(), 1);
  const signed = await signing;
  assert.ok(signed.ok);
  assert.equal(signed.value.kind, "ATTESTATION");
  assert.deepEqual(Uint8Array.from(signed.value.signature), body);
  assert.equal(signer.inFlightCount(), 0);
  const document = await signer.attest(null);
  assert.ok(document.ok);
  assert.equal(signer.status()?.phase, "Ready");
  storeCode = "STORE_FULL";
  assert.equal(signer.notReady()?.code, "STORE_FULL");
});

test("bodies beyond what the link takes are LINK_BUSY at once", async () => {
  const enclaves = active();
  const { link, provisioner } = enclaves.present;
  const signer = new LinkSigner(enclaves);
  provisioner.start();
  await until(() => signer.notReady() === null);
  enclave.silent.add("sign");
  const body = new Uint8Array(8 * 1024 * 1024);
  const ask = { dialect: "eip3030", key: new Uint8Array(48), kinds: 1, body } as const;
  const waiting = Array.from({ length: 4 }, () => signer.sign(ask));
  const refused = await signer.sign({ ...ask, body: new Uint8Array(1) });
  assert.equal(refused.ok ? "signed" : refused.error.code, "LINK_BUSY");
  assert.equal(signer.inFlightCount(), 4);
  link.close();
  for (const answer of await Promise.all(waiting)) {
    assert.equal(answer.ok ? "signed" : answer.error.code, "LINK_DOWN");
  }
});
