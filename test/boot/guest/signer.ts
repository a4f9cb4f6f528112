// The signer in the guest: the local KMS, the parent and the boot composition of the image's
// enclave, which talk over vsock. Everything but the enclave runs outside the image's root.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type EthereumManifest, parseManifest } from "../../../enclave/core/manifest.ts";
import { command as stateCommand } from "../../../scripts/cli/state.ts";
import { MAIN_PATH } from "../../../scripts/image/command.ts";
import { type Layout, layoutOf, makeFolders } from "../../../scripts/local/layout.ts";
import { parseStartOptions } from "../../../scripts/local/options.ts";
import type { Program } from "../../../scripts/local/program.ts";
import { writeParentConfig } from "../../../scripts/local/setup.ts";
import { SignClient } from "../../../scripts/local/sign-client.ts";
import { logFileOf, startKms, startParent } from "../../../scripts/local/stack.ts";
import { LINK_PORT } from "../../../shared/nitro-ports.ts";
import { IMAGE_ROOT, ImageProcess, imageCommandLine } from "./image-process.ts";
import { until } from "./report.ts";
import { SimulatedNsm } from "./stand-ins.ts";

const LOCAL_FOLDER = "/local";
const LOOPBACK_CID = 1;
/** Below /run of the image, which AWS's init mounts as an empty tmpfs. */
const COMPOSITION_FOLDER = "/run/boot";
const COMPOSITION = "enclave.boot.ts";
const START_DEADLINE_MS = 90_000;
const READY_DEADLINE_MS = 120_000;
const LOG_LINES_MAX = 12;

export const layout: Layout = layoutOf(LOCAL_FOLDER);

/** The enclave on a fresh NSM, as after a reboot of its virtual machine. */
export class BootedEnclave {
  readonly #nsm: SimulatedNsm;
  readonly process: ImageProcess;

  private constructor(nsm: SimulatedNsm, process: ImageProcess) {
    this.#nsm = nsm;
    this.process = process;
  }

  static async start(): Promise<BootedEnclave> {
    const nsm = await SimulatedNsm.start(layout.nsmPki);
    const process = new ImageProcess(compositionCommand());
    await process.waitFor("enclave: listening\n", START_DEADLINE_MS);
    return new BootedEnclave(nsm, process);
  }

  async stop(signal: NodeJS.Signals): Promise<string | null> {
    const { signal: endedBy } = await this.process.kill(signal);
    await this.#nsm.stop();
    return endedBy;
  }
}

/** The image's command, with the other composition and the right to read its folder. */
function compositionCommand(): readonly string[] {
  const folder = join(IMAGE_ROOT, COMPOSITION_FOLDER);
  mkdirSync(folder, { recursive: true });
  const source = readFileSync(join(import.meta.dirname, "..", COMPOSITION), "utf8");
  writeFileSync(join(folder, COMPOSITION), source.replaceAll('"../../', '"/app/'));
  copyFileSync(layout.caCertificate, join(folder, "ca.crt"));
  // What the composition tries to import, and must not be able to.
  writeFileSync(join(IMAGE_ROOT, "tmp/probe.mjs"), "export {};\n");
  const command = imageCommandLine();
  if (command.at(-1) !== MAIN_PATH) throw new Error("the image's command ends otherwise");
  return [
    ...command.slice(0, -1),
    `--allow-fs-read=${COMPOSITION_FOLDER}/*`,
    join(COMPOSITION_FOLDER, COMPOSITION),
  ];
}

export class GuestSigner {
  readonly manifest: EthereumManifest;
  readonly client: SignClient;
  readonly url: string;
  readonly #operationsUrl: string;
  readonly #kms: Program;
  readonly #parent: Program;

  private constructor(kms: Program, parent: Program, port: number) {
    const manifest = parseManifest(new Uint8Array(readFileSync(layout.manifest)));
    if (!manifest.ok) throw new Error(manifest.error.code);
    if (manifest.value.family !== "ethereum") throw new Error(manifest.value.family);
    this.manifest = manifest.value;
    this.url = `https://127.0.0.1:${port}`;
    this.client = new SignClient(this.url, {
      ca: layout.caCertificate,
      certificate: layout.clientCertificate,
      key: layout.clientKey,
    });
    this.#operationsUrl = `http://127.0.0.1:${port + 1}`;
    this.#kms = kms;
    this.#parent = parent;
  }

  static async start(): Promise<GuestSigner> {
    makeFolders(layout);
    const options = parseStartOptions(["--dir", LOCAL_FOLDER]);
    if (options === null) throw new Error("no options");
    const kms = await startKms(layout);
    writeParentConfig(layout, options, kms.port);
    reachOverVsock();
    const parent = startParent(layout);
    await parent.ready;
    return new GuestSigner(kms.program, parent, options.port);
  }

  get parentPid(): number {
    return this.#parent.pid;
  }

  async awaitReady(enclave: BootedEnclave): Promise<void> {
    let last = "";
    const ready = until("for readiness", READY_DEADLINE_MS, async () => {
      const answer = await fetch(`${this.#operationsUrl}/readyz`).catch(() => null);
      last = answer === null ? "no answer" : await answer.text();
      return answer?.ok === true ? true : null;
    });
    const parentEnd = this.#parent.exited.then(() => {
      throw new Error("the parent ended");
    });
    const enclaveEnd = enclave.process.ended.then(() => {
      throw new Error("the enclave ended");
    });
    await Promise.race([ready, parentEnd, enclaveEnd]).catch((error: unknown) => {
      const { output, errors } = enclave.process;
      const logs = `parent: ${tailOf("parent")}\nenclave: ${output}${errors}`;
      throw new Error(`${String(error)}: ${last}\n${logs}`);
    });
    // They may end later, when nobody listens to this any more.
    for (const end of [parentEnd, enclaveEnd]) end.catch(() => undefined);
  }

  async initState(): Promise<void> {
    const exitCode = await stateCommand.run([
      "init",
      "--all",
      "--admin",
      `unix://${layout.adminSocket}`,
    ]);
    if (exitCode !== 0) throw new Error("`redoubt state init` failed");
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.#parent.stop();
    await this.#kms.stop();
  }
}

const PARENT_CONFIG = z.looseObject({
  enclave: z.unknown(),
  store: z.looseObject({ listen: z.string().optional() }),
  relay: z.looseObject({ listen: z.string().optional() }),
});

/** Of a local run's configuration, with the address of a Nitro one; where it listens follows. */
function reachOverVsock(): void {
  const config = PARENT_CONFIG.parse(JSON.parse(readFileSync(layout.parentConfig, "utf8")));
  config.enclave = { address: `vsock://${LOOPBACK_CID}:${LINK_PORT}` };
  delete config.store.listen;
  delete config.relay.listen;
  writeFileSync(layout.parentConfig, JSON.stringify(config));
}

function tailOf(program: string): string {
  const lines = readFileSync(logFileOf(layout, program), "utf8").trimEnd().split("\n");
  return lines.slice(-LOG_LINES_MAX).join("\n");
}
