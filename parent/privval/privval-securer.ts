// How the connection to a node is secured, for each scheme of its address. It must never secure one
// less than its scheme says: there is no way from one entry to another.

import type { Duplex } from "node:stream";
import type { Result } from "../../shared/result.ts";
import type { PrivvalAddress, PrivvalScheme } from "./privval-address.ts";
import { openSecretConnection } from "./secret-connection.ts";
import type { SecuredStream, SecureOptions, SecureRefusal } from "./secured-stream.ts";

export type Secure = (
  carrier: Duplex,
  options: SecureOptions,
) => Promise<Result<SecuredStream, SecureRefusal>>;

type AddressOf<Scheme extends PrivvalScheme> = Extract<PrivvalAddress, { readonly scheme: Scheme }>;

const SECURERS: {
  readonly [Scheme in PrivvalScheme]: (address: AddressOf<Scheme>) => Promise<Secure | null>;
} = {
  unix: () => Promise.resolve(null),
  tcp: ({ peerId }) =>
    Promise.resolve((carrier, options) => openSecretConnection(carrier, { ...options, peerId })),
  // 20 MB and a quarter of a second, for those alone who have such a node.
  noise: async ({ peerId }) => {
    const { openNoiseConnection } = await import("./noise-connection.ts");
    return (carrier, options) => openNoiseConnection(carrier, { ...options, peerId });
  },
};

/** Null: in the clear. */
export function securerOf<Scheme extends PrivvalScheme>(
  address: AddressOf<Scheme>,
): Promise<Secure | null> {
  const scheme: Scheme = address.scheme;
  return SECURERS[scheme](address);
}
