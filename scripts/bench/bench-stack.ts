// The signer under the benchmark: the same programs as `npm start`, in a folder that is removed
// afterwards, with any number of keys, sealed directly instead of through keystores.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SecretKey } from "@chainsafe/blst";
import { type BundleKey, compareKeys } from "../../shared/bundle/keys.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { parseKeyArn } from "../../shared/key-arn.ts";
import { TIME_SKEW_MS_MAX } from "../../shared/limits.ts";
import { readCredentials } from "../cli/aws-options.ts";
import { sealBundle } from "../cli/bundle-sealer.ts";
import { createDataKeyGenerator } from "../cli/data-key.ts";
import { command as stateCommand } from "../cli/state.ts";
import { type Layout, layoutOf, makeFolders } from "../local/layout.ts";
import type { LocalNetwork } from "../local/network.ts";
import type { StartOptions } from "../local/options.ts";
import type { Program } from "../local/program.ts";
import { prepareIdentities, prepareManifest, writeParentConfig } from "../local/setup.ts";
import { Enclave, startKms, startParent } from "../local/stack.ts";
import { BENCH_SLOT_MARGIN, benchNetwork } from "./bench-network.ts";

const POLL_MS = 5;
const READY_DEADLINE_MS = 120_000;

export class BenchStack {
  readonly layout: Layout;
  readonly network: LocalNetwork;
  readonly port: number;
  readonly enclave: Enclave;
  readonly parent: Program;
  /** From the start of the enclave's process to Ready, with the parent running already. */
  readonly bootMs: number;
  readonly #kms: Program;

  private constructor(
    parts: Pick<BenchStack, "layout" | "network" | "port" | "enclave" | "parent" | "bootMs">,
    kms: Program,
  ) {
    this.layout = parts.layout;
    this.network = parts.network;
    this.port = parts.port;
    this.enclave = parts.enclave;
    this.parent = parts.parent;
    this.bootMs = parts.bootMs;
    this.#kms = kms;
  }

  static async start(keyCount: number, port: number): Promise<BenchStack> {
    const layout = layoutOf(mkdtempSync(join(tmpdir(), "redoubt-bench-")));
    makeFolders(layout);
    const network = benchNetwork(Date.now());
    const options: StartOptions = {
      isOnce: false,
      network,
      keystores: null,
      freshKeyCount: 0,
      state: "parent",
      port,
      folder: layout.folder,
    };
    prepareIdentities(layout);
    const manifest = prepareManifest(layout, options);
    const kms = await startKms(layout);
    await sealKeys(layout, manifest.kmsKeyArn, keyCount, kms.port);
    writeParentConfig(layout, options, kms.port);
    const parent = startParent(layout);
    const enclave = new Enclave(layout, () => {});
    await parent.ready;
    const startMs = performance.now();
    await enclave.start();
    await awaitReady(port + 1);
    const bootMs = performance.now() - startMs;
    await initState(layout);
    // Until the boot floor has passed, and the slots that votes are old on top of it.
    await new Promise((resolve) => {
      setTimeout(resolve, TIME_SKEW_MS_MAX + 2 * BENCH_SLOT_MARGIN * network.slotDurationMs);
    });
    return new BenchStack({ layout, network, port, enclave, parent, bootMs }, kms.program);
  }

  async stop(): Promise<void> {
    await this.parent.stop();
    await this.enclave.stop();
    await this.#kms.stop();
    rmSync(this.layout.folder, { recursive: true, force: true });
  }
}

async function sealKeys(
  layout: Layout,
  arnText: string,
  keyCount: number,
  kmsPort: number,
): Promise<void> {
  const arn = parseKeyArn(arnText);
  const credentials = await readCredentials(layout.sealingCredentials);
  if (!arn.ok || !credentials.ok) throw new Error("the local setup is not sound");
  const keys = Array.from({ length: keyCount }, freshKey).toSorted(compareKeys);
  const generate = await createDataKeyGenerator(arn.value, {
    endpoint: `https://127.0.0.1:${kmsPort}`,
    caFile: layout.caCertificate,
    credentials: credentials.value,
  });
  const sealed = await sealBundle(keys, arnText, Date.now(), generate);
  if (!sealed.ok) throw new Error(sealed.error);
  writeFileSync(join(layout.bundleFolder, "keys.bundle"), sealed.value.bytes);
  const texts = keys.map((key) => encodePrefixedHex(key.publicKey));
  writeFileSync(layout.publicKeys, JSON.stringify(texts));
}

function freshKey(): BundleKey {
  const secretKey = SecretKey.fromKeygen(randomBytes(32));
  const publicKey = secretKey.toPublicKey().toBytes();
  return { scheme: "bls12381-pop", publicKey, secret: secretKey.toBytes() };
}

async function awaitReady(opsPort: number): Promise<void> {
  const deadlineMs = Date.now() + READY_DEADLINE_MS;
  while (Date.now() < deadlineMs) {
    const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`).catch(() => null);
    if (answer?.ok === true) return;
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
  throw new Error("the signer under the benchmark is not ready");
}

async function initState(layout: Layout): Promise<void> {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = () => true;
  const exitCode = await stateCommand
    .run(["init", "--all", "--admin", `unix://${layout.adminSocket}`])
    .finally(() => {
      process.stdout.write = write;
    });
  if (exitCode !== 0) throw new Error("`redoubt state init` failed");
}
