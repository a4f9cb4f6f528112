// What every request passes before a route sees it: that its connection still has a verified,
// known owner, that the owner keeps to its rate and place, and that the method is one we have.
// It must never trust that an earlier check holds: the socket is asked again each time.

import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { refusal } from "../../shared/errors.ts";
import { type ApiApp, allowedMethods, pathOf } from "./app.ts";
import type { Edge } from "./edge.ts";
import { refuseRaw } from "./refuse.ts";

/** Whether the request may go on to its route. When not, it has been answered. */
export function admit(
  edge: Edge,
  app: ApiApp,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): boolean {
  const { socket } = incoming;
  const peer = edge.peers.of(socket);
  if (peer === undefined || !(socket instanceof TLSSocket) || !socket.authorized) {
    socket.destroy();
    return false;
  }
  const { client } = peer;
  if (client === null) {
    outgoing.setHeader("Connection", "close");
    refuseRaw(edge, incoming, outgoing, refusal("ACL_CLIENT_UNKNOWN"));
    return false;
  }
  if (!client.mayComeFrom(socket)) {
    outgoing.setHeader("Connection", "close");
    refuseRaw(edge, incoming, outgoing, refusal("ACL_SOURCE_DENIED"));
    return false;
  }
  if (peer.leaveByMs !== null || edge.isDraining) outgoing.setHeader("Connection", "close");
  if (edge.isDraining) {
    refuseRaw(edge, incoming, outgoing, refusal("DRAINING"));
    return false;
  }
  if (!client.takeToken(performance.now())) {
    refuseRaw(edge, incoming, outgoing, refusal("RATE_LIMITED"));
    return false;
  }
  // Hono would answer HEAD with the route of GET.
  if (incoming.method !== "HEAD") return true;
  const allow = allowedMethods(app, pathOf(incoming.url));
  const cause = refusal(allow.length === 0 ? "HTTP_NOT_FOUND" : "HTTP_METHOD");
  if (allow.length > 0) outgoing.setHeader("Allow", allow.join(", "));
  refuseRaw(edge, incoming, outgoing, cause);
  return false;
}
