// The programs of a local run, started in order and kept running: KMS, then for each boot of the
// enclave a simulated NSM and the enclave, then the parent. An enclave that ends is booted again,
// as systemd does on EC2; the parent is what the user talks to, and its end is the end.

import { join } from "node:path";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Layout } from "./layout.ts";
import { LOCAL_IMAGE, sampleMeasurements } from "./nsm-simulator.ts";
import { argumentsOf, Program, readyAt } from "./program.ts";

const REBOOT_PAUSE_MS = 200;

export type EnclaveSockets = { readonly listen: string; readonly nsm: string };

/** One boot: a fresh NSM, and the enclave on it. */
export class EnclaveBoot {
  readonly nsm: Program;
  readonly enclave: Program;

  private constructor(nsm: Program, enclave: Program) {
    this.nsm = nsm;
    this.enclave = enclave;
  }

  static async start(
    layout: Layout,
    name: string,
    sockets: EnclaveSockets,
    image = LOCAL_IMAGE,
  ): Promise<EnclaveBoot> {
    const pcrs = [...sampleMeasurements(image)].map(
      ([index, value]) => [`pcr${index}`, encodeHex(value)] as const,
    );
    const nsm = new Program({
      name: `${name}-nsm`,
      file: "scripts/local/nsm-program.ts",
      args: argumentsOf({
        socket: sockets.nsm,
        pki: layout.nsmPki,
        ...Object.fromEntries(pcrs),
      }),
      logFolder: layout.logFolder,
      readReady: readyAt("listening"),
    });
    await nsm.ready;
    const enclave = new Program({
      name,
      file: "scripts/local/enclave.ts",
      args: argumentsOf({
        listen: `unix://${sockets.listen}`,
        store: `unix://${layout.storeSocket}`,
        relay: `unix://${layout.relaySocket}`,
        nsm: sockets.nsm,
        ca: layout.caCertificate,
        "nsm-root": layout.nsmRoot,
      }),
      logFolder: layout.logFolder,
      readReady: readyAt("listening"),
    });
    try {
      await enclave.ready;
    } catch (error) {
      await nsm.stop();
      throw error;
    }
    return new EnclaveBoot(nsm, enclave);
  }

  async stop(): Promise<void> {
    await this.enclave.stop();
    await this.nsm.stop();
  }
}

export async function startKms(layout: Layout): Promise<{ program: Program; port: number }> {
  const program = new Program({
    name: "kms",
    file: "scripts/local/kms-program.ts",
    args: argumentsOf({
      dir: layout.kmsFolder,
      "nsm-root": layout.nsmRoot,
      "ca-dir": layout.caFolder,
      credentials: layout.callers,
    }),
    logFolder: layout.logFolder,
    readReady: portOf,
  });
  return { program, port: Number(await program.ready) };
}

export async function startDynamo(layout: Layout): Promise<{ program: Program; port: number }> {
  const program = new Program({
    name: "dynamodb",
    file: "scripts/local/dynamo-program.ts",
    args: argumentsOf({
      dir: layout.dynamoTables,
      "ca-dir": layout.caFolder,
      credentials: layout.storeCredentials,
    }),
    logFolder: layout.logFolder,
    readReady: portOf,
  });
  return { program, port: Number(await program.ready) };
}

/** The program prints `{"port": N, …}` when it listens. */
function portOf(line: string): string | null {
  return /"port":(\d+)/.exec(line.replaceAll(" ", ""))?.[1] ?? null;
}

/** The enclave, rebooted whenever it ends by itself, also while it boots. */
export class Enclave {
  readonly #layout: Layout;
  readonly #onReboot: () => void;
  readonly #name: string;
  readonly #image: string;
  #boot: EnclaveBoot | null = null;
  #rebooting: Promise<void> = Promise.resolve();
  #isStopping = false;

  /** `name` is that of its log. */
  constructor(layout: Layout, onReboot: () => void, name = "enclave", image = LOCAL_IMAGE) {
    this.#layout = layout;
    this.#onReboot = onReboot;
    this.#name = name;
    this.#image = image;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.#boot?.enclave.pid ?? 0;
  }

  async start(): Promise<void> {
    const sockets = { listen: this.#layout.enclaveSocket, nsm: this.#layout.nsmSocket };
    const boot = await EnclaveBoot.start(this.#layout, this.#name, sockets, this.#image);
    this.#boot = boot;
    // Without its NSM an enclave is no enclave: on hardware the two can't be parted.
    void boot.nsm.exited.then(() => boot.enclave.kill());
    void boot.enclave.exited.then(() => {
      this.#boot = null;
      this.#rebooting = this.#reboot(boot);
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#rebooting;
    await this.#boot?.stop();
  }

  async #reboot(ended: EnclaveBoot): Promise<void> {
    await ended.nsm.stop();
    for (;;) {
      await new Promise((resolve) => {
        setTimeout(resolve, REBOOT_PAUSE_MS);
      });
      // Ctrl-C ends the enclave as well as us: then it is not booted again.
      if (this.#isStopping) return;
      this.#onReboot();
      // It may end before it is up; its log says why.
      const isUp = await this.start().then(
        () => true,
        () => false,
      );
      if (isUp) return;
    }
  }
}

export function startParent(layout: Layout): Program {
  return new Program({
    name: "parent",
    file: "parent/main.ts",
    args: [layout.parentConfig],
    logFolder: layout.logFolder,
    readReady: readyAt("listening"),
  });
}

export function logFileOf(layout: Layout, name: string): string {
  return join(layout.logFolder, `${name}.log`);
}
