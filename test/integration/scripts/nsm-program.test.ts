import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createNsm } from "../../../enclave/attestation/nsm.ts";
import { connectNsmDevice } from "../../../scripts/local/nsm-device.ts";
import { verifyAttestation } from "../../../shared/attestation/verify.ts";

const PROGRAM = join(import.meta.dirname, "../../../scripts/local/nsm-program.ts");
const DAY_MS = 86_400_000;
let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-nsm-"));
});

after(() => rmSync(folder, { recursive: true }));

async function start(socket: string, ...args: readonly string[]): Promise<ChildProcess> {
  const all = ["--no-warnings", PROGRAM, "--socket", socket, "--pki", join(folder, "pki"), ...args];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", () => reject(new Error("the program ended")));
  });
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  await ended;
}

describe("nsm-program", () => {
  test("serves documents of its own root, and a new boot keeps the root but no register", async () => {
    const socket = join(folder, "nsm.sock");
    const pcr0 = "ab".repeat(48);
    for (let bootCount = 0; bootCount < 2; bootCount++) {
      const child = await start(socket, "--pcr0", pcr0, `--time-offset-ms=${-10 * DAY_MS}`);
      try {
        const nsm = createNsm(connectNsmDevice(socket));
        const state = await nsm.describePcr(16);
        assert.ok(state.ok && !state.value.isLocked);
        assert.ok(state.value.digest.every((byte) => byte === 0));
        await nsm.extendPcr(16, Uint8Array.of(1));
        await nsm.lockPcr(16);
        const document = await nsm.attest({ userData: null, nonce: null, publicKey: null });
        assert.ok(document.ok);
        const pem = readFileSync(join(folder, "pki", "nsm-root.pem"));
        const verified = verifyAttestation(document.value, {
          rootDer: new Uint8Array(new X509Certificate(pem).raw),
          atMs: Date.now() - 10 * DAY_MS,
          pcrs: new Map([[0, new Uint8Array(48).fill(0xab)]]),
          nonce: null,
          allowDebug: false,
          ageMsMax: 3_600_000,
          futureSkewMsMax: 0,
        });
        assert.ok(verified.ok);
        assert.ok(verified.value.pcrs.has(16));
      } finally {
        await stop(child);
      }
    }
  });

  test("ends with 2 on options that it does not understand", () => {
    for (const args of [[], ["--socket", "x"], ["--pcr0", "ab"], ["--unknown"]]) {
      const run = spawnSync(process.execPath, ["--no-warnings", PROGRAM, ...args]);
      assert.equal(run.status, 2);
    }
  });
});
