// Another enclave beside the one that a running signer has, as an operator sets it up for an
// upgrade: its image runs, its manifest names the predecessor, KMS allows it, and the parent's
// configuration names it.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePolicy } from "../../scripts/local/kms-keys.ts";
import type { Layout } from "../../scripts/local/layout.ts";
import { LOCAL_IMAGE, sampleMeasurements } from "../../scripts/local/nsm-simulator.ts";
import { type AllowedEnclave, localKeyPolicy } from "../../scripts/local/setup.ts";
import { Enclave } from "../../scripts/local/stack.ts";
import { manifestPcr } from "../../shared/attestation/pcr.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";

/** A signer that runs, as far as its enclave is to be replaced. */
export type Replaceable = {
  readonly layout: Layout;
  readonly kmsKeyArn: string;
  readonly enclave: Enclave;
};

/** One enclave after the other, each the successor of the one before. */
export class Succession {
  /** The one that signs when no upgrade is under way, and the one that is to follow it. */
  present: Enclave;
  next: Enclave | null = null;
  readonly #signer: Replaceable;
  readonly #enclaves: AllowedEnclave[];

  constructor(signer: Replaceable) {
    this.#signer = signer;
    this.present = signer.enclave;
    const manifest = readFileSync(signer.layout.manifest);
    this.#enclaves = [{ image: LOCAL_IMAGE, manifest }];
  }

  /** What is there for the parent to upgrade to; KMS does not know it yet. */
  async prepare(): Promise<void> {
    const { layout } = this.#signer;
    const number = this.#enclaves.length;
    const name = `successor-${number}`;
    const manifest = this.#manifest();
    const manifestPath = join(layout.folder, `${name}.json`);
    writeFileSync(manifestPath, manifest);
    this.#enclaves.push({ image: name, manifest });
    const enclaveSocket = join(layout.folder, `${name}.sock`);
    const nsmSocket = join(layout.folder, `${name}-nsm.sock`);
    this.next = new Enclave({ ...layout, enclaveSocket, nsmSocket }, () => {}, name, name);
    await this.next.start();
    const config = readObject(layout.parentConfig);
    const enclave = { address: `unix://${enclaveSocket}` };
    writeFileSync(
      layout.parentConfig,
      JSON.stringify({ ...config, enclave, manifest: manifestPath }),
    );
  }

  /** From now on KMS releases keys to all of them. */
  allow(): void {
    const { layout, kmsKeyArn } = this.#signer;
    writePolicy(join(layout.kmsFolder, "keys"), kmsKeyArn, localKeyPolicy(this.#enclaves));
  }

  /** The successor has taken over. */
  async settle(): Promise<void> {
    if (this.next === null) return;
    await this.present.stop();
    this.present = this.next;
    this.next = null;
  }

  async stop(): Promise<void> {
    await Promise.all([this.present.stop(), this.next?.stop()]);
  }

  /** That of the signer, with the last enclave as predecessor where one hands over. */
  #manifest(): Uint8Array {
    const first = readObject(this.#signer.layout.manifest);
    if ("tendermint" in first) return readFileSync(this.#signer.layout.manifest);
    const last = this.#enclaves.at(-1);
    if (last === undefined) throw new Error("there is always a first one");
    const pcrs = sampleMeasurements(last.image);
    const digest = createHash("sha384").update(last.manifest).digest();
    const registers = [...pcrs, [16, manifestPcr(digest)] as const];
    const predecessor = Object.fromEntries(
      registers.map(([index, value]) => [`pcr${index}`, encodePrefixedHex(value)]),
    );
    return Buffer.from(JSON.stringify({ ...first, predecessors: [predecessor] }));
  }
}

function readObject(path: string): object {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null) throw new Error(`${path} is no object`);
  return value;
}
