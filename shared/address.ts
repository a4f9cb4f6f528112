// Addresses of sockets as URLs: `unix:///run/x.sock`, `tcp://127.0.0.1:9001`, `vsock://3:8000`.
// It must never take a relative path or an unnamed port.

import { err, ok, type Result } from "./result.ts";

export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "vsock"; readonly cid: number; readonly port: number };

export type AddressKind = Address["kind"];

const UNIX_PATH_BYTES_MAX = 107;

export function parseAddress(text: string): Result<Address, "ADDRESS"> {
  const unix = /^unix:\/\/(\/[^\0]+)$/.exec(text)?.[1];
  if (unix !== undefined) {
    const isShort = new TextEncoder().encode(unix).length <= UNIX_PATH_BYTES_MAX;
    return isShort ? ok({ kind: "unix", path: unix }) : err("ADDRESS");
  }
  const tcp = /^tcp:\/\/([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(text);
  if (tcp?.[1] !== undefined) {
    const port = Number(tcp[2]);
    if (port > 65_535) return err("ADDRESS");
    return ok({ kind: "tcp", host: tcp[1].replace(/^\[|\]$/g, ""), port });
  }
  const vsock = /^vsock:\/\/(\d{1,10}):(\d{1,10})$/.exec(text);
  if (vsock === null) return err("ADDRESS");
  const cid = Number(vsock[1]);
  const port = Number(vsock[2]);
  if (cid > 0xffff_ffff || port > 0xffff_ffff) return err("ADDRESS");
  return ok({ kind: "vsock", cid, port });
}

export function encodeAddress(address: Address): string {
  switch (address.kind) {
    case "unix":
      return `unix://${address.path}`;
    case "tcp":
      return `tcp://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
    case "vsock":
      return `vsock://${address.cid}:${address.port}`;
  }
}
