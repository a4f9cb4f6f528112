// Address blocks of the configuration, and the lists that sockets are checked against.
// It must never let an address through that it can't read.

import { BlockList, isIP } from "node:net";

export type Cidr = {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
};

/** `10.0.0.0/24`, `2001:db8::/32`, or a bare address; null for anything else. */
export function parseCidr(text: string): Cidr | null {
  const match = /^([0-9a-fA-F:.]{2,45})(?:\/(0|[1-9]\d{0,2}))?$/.exec(text);
  if (match?.[1] === undefined) return null;
  const address = match[1];
  const version = isIP(address);
  if (version === 0) return null;
  const prefixMax = version === 4 ? 32 : 128;
  const prefix = match[2] === undefined ? prefixMax : Number(match[2]);
  if (prefix > prefixMax) return null;
  return { address, prefix, family: version === 4 ? "ipv4" : "ipv6" };
}

/** Null when no list was configured: then every address may connect. */
export function sourceListOf(cidrs: readonly Cidr[] | undefined): BlockList | null {
  if (cidrs === undefined) return null;
  const list = new BlockList();
  for (const { address, prefix, family } of cidrs) list.addSubnet(address, prefix, family);
  return list;
}

/** IPv4-mapped IPv6 addresses match IPv4 blocks (BlockList does this itself). */
export function isAllowedSource(list: BlockList | null, address: string | undefined): boolean {
  if (list === null) return true;
  if (address === undefined) return false;
  const version = isIP(address);
  if (version === 0) return false;
  return list.check(address, version === 4 ? "ipv4" : "ipv6");
}
