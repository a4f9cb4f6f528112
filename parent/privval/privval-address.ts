// Where a Tendermint node listens for its signer, and how its connection is secured: as tmkms
// writes it, `tcp://[peerid@]host:port` over SecretConnection and `unix:///path` in the clear, and
// as CometBFT v0.40 does, `noise://peerid@ip:port`. It must never take an identity where nothing
// would check it: a socket file is as safe as its folder, and proves nothing.

import { isIP } from "node:net";
import { type Address, encodeAddress, parseAddress } from "../../shared/address.ts";
import { encodeHex, parseHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parsePeerId } from "./peer-id.ts";

type UnixAddress = Extract<Address, { readonly kind: "unix" }>;
type TcpAddress = Extract<Address, { readonly kind: "tcp" }>;

/** `peerId` is the only node to talk to; null: whichever answers at the address. */
export type PrivvalAddress =
  | { readonly scheme: "unix"; readonly address: UnixAddress; readonly peerId: null }
  | { readonly scheme: "tcp"; readonly address: TcpAddress; readonly peerId: string | null }
  | { readonly scheme: "noise"; readonly address: TcpAddress; readonly peerId: string };

export type PrivvalScheme = PrivvalAddress["scheme"];

type Parsed = Result<PrivvalAddress, "ADDRESS">;

/** Of a SecretConnection: the head of a digest of its key. */
const PEER_ID_BYTES = 20;

export function parsePrivvalAddress(text: string): Parsed {
  const [, scheme, peerText, rest] = /^(tcp|noise):\/\/(?:([^@]*)@)?(.*)$/.exec(text) ?? [];
  const address = parseAddress(rest === undefined ? text : `tcp://${rest}`);
  if (!address.ok || address.value.kind === "vsock") return err("ADDRESS");
  if (address.value.kind === "unix") {
    return ok({ scheme: "unix", address: address.value, peerId: null });
  }
  if (address.value.port === 0) return err("ADDRESS");
  return scheme === "noise"
    ? parseNoise(peerText, address.value)
    : parseTcp(peerText, address.value);
}

/** Without the identity of the node. */
export function encodePrivvalAddress({ scheme, address }: PrivvalAddress): string {
  const text = encodeAddress(address);
  return scheme === "noise" ? text.replace("tcp://", "noise://") : text;
}

function parseTcp(peerText: string | undefined, address: TcpAddress): Parsed {
  if (peerText === undefined) return ok({ scheme: "tcp", address, peerId: null });
  const peerId = parseHex(peerText, PEER_ID_BYTES);
  if (!peerId.ok) return err("ADDRESS");
  return ok({ scheme: "tcp", address, peerId: encodeHex(peerId.value) });
}

/** As strict as CometBFT is with its own side of it. */
function parseNoise(peerText: string | undefined, address: TcpAddress): Parsed {
  const peerId = parsePeerId(peerText ?? "");
  if (!peerId.ok || isIP(address.host) === 0) return err("ADDRESS");
  return ok({ scheme: "noise", address, peerId: peerId.value });
}
