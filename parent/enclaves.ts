// Makes what the parent has for one enclave, out of the configuration: for the enclave of the
// start, and for its successor in an upgrade. Each of them gets the newest credentials. It must
// never ask anything of an enclave by itself.

import type { ErrorCode } from "../shared/errors.ts";
import { MANIFEST_BYTES_MAX } from "../shared/limits.ts";
import { err, ok, type Result } from "../shared/result.ts";
import type { ServedEnclave } from "./link/active-enclave.ts";
import { EnclaveLink } from "./link/enclave-link.ts";
import { createFixedLocator, NitroLocator } from "./link/enclave-locator.ts";
import type { EnclavePeer, PeerSeat } from "./link/enclave-peer.ts";
import { Provisioner, type Succession } from "./link/provision.ts";
import { createBundleReader } from "./ops/bundles.ts";
import type { Config } from "./ops/config.ts";
import type { EnclaveSource } from "./ops/enclave-config.ts";
import { readBoundedFile, TOO_LARGE } from "./platform/bounded-reader.ts";
import type { Credentials, EnclaveLocator, Log } from "./ports.ts";

/** Where the enclave is, what is measured into it, and its keys. */
type EnclaveConfig = Pick<Config, "enclave" | "manifest" | "bundles">;

export type ManifestFailure = {
  readonly code: ErrorCode;
  /** The path. */
  readonly reason: string;
};

export class Enclaves {
  readonly #peer: EnclavePeer;
  readonly #log: Log;
  /** Of each enclave that is served. */
  readonly #provisioners = new Set<Provisioner>();
  #credentials: Credentials | null = null;

  constructor(peer: EnclavePeer, log: Log) {
    this.#peer = peer;
    this.#log = log;
  }

  /** Nothing is asked of the enclave before its provisioner is started. */
  async serve(
    config: EnclaveConfig,
    succession?: Succession,
  ): Promise<Result<ServedEnclave, ManifestFailure>> {
    const manifest = await readManifest(config.manifest);
    if (!manifest.ok) return manifest;
    const log = this.#log;
    const seat = this.#peer.takeSeat();
    const link = new EnclaveLink(createLocator(config.enclave, seat, log));
    const readBundles = createBundleReader({
      sources: config.bundles,
      credentials: () => this.#credentials,
    });
    const options = { link, manifest: manifest.value, readBundles, log };
    const provisioner = new Provisioner(
      succession === undefined ? options : { ...options, succession },
    );
    if (this.#credentials !== null) provisioner.setCredentials(this.#credentials);
    this.#provisioners.add(provisioner);
    return ok({ source: config.enclave, link, provisioner, seat });
  }

  setCredentials(latest: Credentials): void {
    this.#credentials = latest;
    for (const provisioner of this.#provisioners) {
      if (provisioner.isHalted) this.#provisioners.delete(provisioner);
      else provisioner.setCredentials(latest);
    }
  }
}

function createLocator(source: EnclaveSource, seat: PeerSeat, log: Log): EnclaveLocator {
  if (source.kind === "address") return createFixedLocator(source.address, seat);
  return new NitroLocator({ name: source.name, cliPath: source.cliPath, seat, log });
}

async function readManifest(path: string): Promise<Result<Uint8Array, ManifestFailure>> {
  const bytes = await readBoundedFile(path, MANIFEST_BYTES_MAX);
  if (bytes.ok && bytes.value.length > 0) return bytes;
  const isRead = bytes.ok || bytes.error === TOO_LARGE;
  return err({ code: isRead ? "MANIFEST_MALFORMED" : "CONFIG_UNREADABLE", reason: path });
}
