// Who may ask for which chain over gRPC. A convenience of the parent: what may be signed at all is
// the enclave's to decide. It must never match by anything but the whole fingerprint, the whole
// SPIFFE ID or, where no clients are listed, the authority that verified the certificate.

import type { Identity } from "../api/identity.ts";
import type { PrivvalChain, PrivvalGrpcConfig } from "../ops/privval-grpc-config.ts";
import type { PrivvalSigner } from "../privval/ports.ts";

/** Signs for this key of a chain; null: for the only one that the chain has. */
export type SignerOf = (key: Uint8Array | null) => PrivvalSigner;

export type Caller = {
  /** Null where no clients are listed. */
  readonly name: string | null;
  readonly signers: ReadonlyMap<string, PrivvalSigner>;
};

export class CallerTable {
  readonly #byFingerprint = new Map<string, Caller>();
  readonly #bySpiffe = new Map<string, Caller>();
  readonly #anybody: Caller | null;

  constructor({ chains, clients = [] }: PrivvalGrpcConfig, signerOf: SignerOf) {
    const callerOf = (name: string | null, list: readonly PrivvalChain[]): Caller => ({
      name,
      signers: new Map(list.map(({ chainId, key }) => [chainId, signerOf(key)])),
    });
    this.#anybody = chains === undefined ? null : callerOf(null, chains);
    for (const client of clients) {
      const caller = callerOf(client.name, client.chains);
      if (client.fingerprint !== undefined) this.#byFingerprint.set(client.fingerprint, caller);
      if (client.spiffe !== undefined) this.#bySpiffe.set(client.spiffe, caller);
    }
  }

  /** Of a certificate that an authority of the configuration has verified. */
  find({ fingerprint, spiffe }: Identity): Caller | null {
    const pinned = this.#byFingerprint.get(fingerprint);
    if (pinned !== undefined) return pinned;
    return (spiffe === null ? undefined : this.#bySpiffe.get(spiffe)) ?? this.#anybody;
  }
}
