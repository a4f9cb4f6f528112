// An enclave at a socket, with all that the parent has for one, for tests of the parts above it.

import { ActiveEnclave, type ServedEnclave } from "../../parent/link/active-enclave.ts";
import { EnclaveLink, type LinkTiming } from "../../parent/link/enclave-link.ts";
import { createFixedLocator } from "../../parent/link/enclave-locator.ts";
import { EnclavePeer, type PeerSeat } from "../../parent/link/enclave-peer.ts";
import { Provisioner, type ProvisionOptions } from "../../parent/link/provision.ts";
import { SilentLog } from "./silent-log.ts";

export type ServedWish = {
  readonly timing?: Partial<LinkTiming>;
  readonly provision?: Partial<Omit<ProvisionOptions, "link">>;
  readonly seat?: PeerSeat;
};

const CREDENTIALS = { accessKeyId: "id", secretAccessKey: "secret", sessionToken: null };

/** Not started; it has credentials. */
export function servedAt(path: string, wish: ServedWish = {}): ServedEnclave {
  const source = { kind: "address", address: { kind: "unix", path } } as const;
  const link = new EnclaveLink(createFixedLocator(source.address), wish.timing);
  const provisioner = new Provisioner({
    link,
    manifest: Uint8Array.of(1),
    log: new SilentLog(),
    readBundles: () => Promise.resolve({ bundles: [], failures: [] }),
    ...wish.provision,
  });
  provisioner.setCredentials({ ...CREDENTIALS, expirationMs: 0 });
  return { source, link, provisioner, seat: wish.seat ?? new EnclavePeer().takeSeat() };
}

export function activeAt(path: string, wish: ServedWish = {}): ActiveEnclave {
  return new ActiveEnclave(servedAt(path, wish));
}
