// A node's address as tmkms takes it, in the one form that the parent's configuration has. It must
// never change which node is meant: a peer id that was pinned stays pinned.

import { resolve } from "node:path";
import { type PrivvalAddress, parsePrivvalAddress } from "../../parent/privval/privval-address.ts";
import { encodeAddress } from "../../shared/address.ts";

const UNIX = "unix://";

export type NodeAddress =
  | { readonly ok: true; readonly value: string; readonly place: PrivvalAddress["address"] }
  | { readonly ok: false };

/** Without a scheme it is tcp; a socket's path begins at `folder` unless it is absolute. */
export function parseNodeAddress(text: string, folder: string): NodeAddress {
  const parsed = parsePrivvalAddress(fullAddress(text, folder));
  // tmkms has no Noise.
  if (!parsed.ok || parsed.value.scheme === "noise") return { ok: false };
  const { address: place, peerId } = parsed.value;
  const value = encodeAddress(place);
  if (peerId === null) return { ok: true, value, place };
  return { ok: true, value: value.replace("tcp://", `tcp://${peerId}@`), place };
}

function fullAddress(text: string, folder: string): string {
  if (text.startsWith(UNIX)) return UNIX + resolve(folder, text.slice(UNIX.length));
  return text.includes("://") ? text : `tcp://${text}`;
}
