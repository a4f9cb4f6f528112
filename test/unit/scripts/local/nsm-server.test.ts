import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createNsm } from "../../../../enclave/attestation/nsm.ts";
import { connectNsmDevice } from "../../../../scripts/local/nsm-device.ts";
import {
  openRoot,
  ROOT_CERTIFICATE_FILE,
  ROOT_KEY_FILE,
} from "../../../../scripts/local/nsm-pki.ts";
import { serveNsm } from "../../../../scripts/local/nsm-server.ts";
import { NsmSimulator, sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { NSM_REQUEST_BYTES_MAX } from "../../../../shared/limits.ts";
import { NOW_MS, ROOT } from "../../../fakes/attestation-fixture.ts";

let folder = "";
let server: Server;
let path = "";

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-nsm-"));
  path = join(folder, "nsm.sock");
  const pcrs = sampleMeasurements("server");
  const options = { root: ROOT, nowMs: () => NOW_MS, pcrs, isDebug: false };
  server = await serveNsm(new NsmSimulator(options), path);
});

after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

async function codeOf(device: ReturnType<typeof connectNsmDevice>, bytes: Uint8Array) {
  const answer = await device.request(bytes);
  return answer.ok ? "OK" : answer.error.code;
}

describe("the NSM device of local runs", () => {
  test("carries requests to the server, many at once, whose registers stay", async () => {
    const nsm = createNsm(connectNsmDevice(path));
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => nsm.extendPcr(16, Uint8Array.of(1))),
    );
    assert.ok(answers.every((answer) => answer.ok));
    const texts = answers.map((answer) => (answer.ok ? answer.value.join() : ""));
    assert.equal(new Set(texts).size, 10);
    assert.ok((await nsm.lockPcr(16)).ok);
    const state = await createNsm(connectNsmDevice(path)).describePcr(16);
    assert.ok(state.ok && state.value.isLocked);
    const again = await nsm.lockPcr(16);
    assert.equal(again.ok ? "OK" : again.error.code, "NSM_REFUSED");
  });

  test("is unavailable without a server, and when the server hangs up", async () => {
    const nowhere = connectNsmDevice(join(folder, "nothing.sock"));
    assert.equal(await codeOf(nowhere, Uint8Array.of(0)), "NSM_UNAVAILABLE");
    const device = connectNsmDevice(path);
    const large = new Uint8Array(NSM_REQUEST_BYTES_MAX + 1);
    assert.equal(await codeOf(device, large), "NSM_UNAVAILABLE");
    assert.equal(await codeOf(device, large.subarray(1)), "OK");
  });

  test("is unavailable when the answer is larger than the device's buffer", async () => {
    const loud = join(folder, "loud.sock");
    const other = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(Uint8Array.of(0, 0, 0x30, 1));
    });
    await new Promise<void>((resolve) => other.listen(loud, resolve));
    assert.equal(await codeOf(connectNsmDevice(loud), Uint8Array.of(0)), "NSM_UNAVAILABLE");
    other.close();
  });
});

describe("openRoot", () => {
  test("makes a root once, readable by its owner only, and finds it again", () => {
    const pki = join(folder, "pki");
    const made = openRoot(pki);
    const found = openRoot(pki);
    assert.deepEqual(found.der, made.der);
    assert.ok(found.privateKey.equals(made.privateKey));
    assert.equal(statSync(join(pki, ROOT_KEY_FILE)).mode & 0o777, 0o600);
    assert.match(readFileSync(join(pki, ROOT_CERTIFICATE_FILE), "utf8"), /^-----BEGIN CERTIFICATE/);
  });
});
