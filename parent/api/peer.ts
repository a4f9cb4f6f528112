// The open connections of the signing listener, and whose they are. The identity behind a socket
// is worked out once, when its handshake is done. It must never keep a socket whose owner was
// removed from the configuration: a new CRL or client list does not touch open sockets by itself.

import type { BlockList, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { isAllowedSource } from "../ops/cidr.ts";
import type { Client, ClientTable } from "./client.ts";
import type { Identity } from "./identity.ts";

export class Peer {
  readonly socket: Socket;
  readonly identity: Identity;
  readonly openedAtMs: number;
  /** Null when no client of the configuration has this identity. */
  client: Client | null;
  /** Requests on this socket that have no answer yet. */
  inFlightCount = 0;
  /** When it is closed, at the latest; null while it may stay. Answers say so from then on. */
  leaveByMs: number | null = null;

  constructor(socket: Socket, identity: Identity, client: Client | null, nowMs: number) {
    this.socket = socket;
    this.identity = identity;
    this.client = client;
    this.openedAtMs = nowMs;
  }
}

/** How long an idle connection that is old enough may wait for its last request. */
const LEAVE_GRACE_MS = 15_000;

export class PeerTable {
  readonly #peers = new Map<Socket, Peer>();
  readonly #ageMsMax: number;

  constructor(ageMsMax: number) {
    this.#ageMsMax = ageMsMax;
  }

  add(peer: Peer): void {
    this.#peers.set(peer.socket, peer);
    peer.socket.once("close", () => this.#peers.delete(peer.socket));
  }

  of(socket: Socket): Peer | undefined {
    return this.#peers.get(socket);
  }

  get count(): number {
    return this.#peers.size;
  }

  countOf(client: Client): number {
    let count = 0;
    for (const peer of this.#peers.values()) if (peer.client === client) count += 1;
    return count;
  }

  /** Looks everybody up again; whoever is nobody now is cut off at once. */
  reassign(table: ClientTable, sources: BlockList | null): number {
    let removedCount = 0;
    for (const peer of this.#peers.values()) {
      const isPlaced = isAllowedSource(sources, peer.socket.remoteAddress);
      peer.client = isPlaced ? table.find(peer.identity) : null;
      if (peer.client !== null) continue;
      removedCount += 1;
      peer.socket.destroy();
    }
    return removedCount;
  }

  /** Closes what is idle at once, and the rest after the answer that it waits for. */
  leaveAll(leaveByMs: number): void {
    for (const peer of this.#peers.values()) {
      peer.leaveByMs = leaveByMs;
      if (peer.inFlightCount === 0 && !isAnswering(peer.socket)) peer.socket.destroy();
    }
  }

  sweep(nowMs: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.leaveByMs !== null) {
        if (nowMs >= peer.leaveByMs) peer.socket.destroy();
      } else if (nowMs - peer.openedAtMs >= this.#ageMsMax) {
        peer.leaveByMs = nowMs + LEAVE_GRACE_MS;
      }
    }
  }
}

/**
 * An answer is still being written to this socket. Node tells so by the field that it uses itself;
 * were it renamed, an answer could be cut short at a reload, and nothing worse.
 */
export function isAnswering(socket: Duplex): boolean {
  if (!("_httpMessage" in socket)) return false;
  return socket._httpMessage !== undefined && socket._httpMessage !== null;
}
