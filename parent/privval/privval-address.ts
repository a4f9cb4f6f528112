// Where a Tendermint node listens for its signer, as tmkms writes it: `tcp://[peerid@]host:port`
// over SecretConnection, `unix:///path` in the clear. It must never take an identity where nothing
// would check it: a socket file is as safe as its folder, and proves nothing.

import { type Address, parseAddress } from "../../shared/address.ts";
import { encodeHex, parseHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type PrivvalAddress = {
  readonly address: Extract<Address, { readonly kind: "tcp" | "unix" }>;
  /** The only node to talk to; null: whichever answers at the address. */
  readonly peerId: string | null;
};

const PEER_ID_BYTES = 20;

export function parsePrivvalAddress(text: string): Result<PrivvalAddress, "ADDRESS"> {
  const [, peerText, rest] = /^tcp:\/\/([^@]*)@(.*)$/.exec(text) ?? [];
  const address = parseAddress(rest === undefined ? text : `tcp://${rest}`);
  if (!address.ok || address.value.kind === "vsock") return err("ADDRESS");
  if (address.value.kind === "tcp" && address.value.port === 0) return err("ADDRESS");
  if (peerText === undefined) return ok({ address: address.value, peerId: null });
  const peerId = parseHex(peerText, PEER_ID_BYTES);
  if (!peerId.ok) return err("ADDRESS");
  return ok({ address: address.value, peerId: encodeHex(peerId.value) });
}
