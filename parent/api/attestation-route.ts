// A fresh attestation document for whoever may connect, with what is needed to check it: the
// manifest's exact bytes and the public keys. It must never answer from a cache: the nonce is the
// caller's proof of freshness.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Hono } from "hono";
import { parseHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { BINARY_HEADERS, JSON_HEADERS, prefers } from "./accept.ts";
import type { Client } from "./client.ts";
import type { ApiBindings, ApiContext, Edge } from "./edge.ts";
import { Flight } from "./flight.ts";
import { refuse } from "./refuse.ts";

const NONCE_PARAMETER_BYTES_MAX = 64;
/**
 * Answers of one client that are made or not read yet. One is as large as the list of all keys, and
 * takes the NSM's time: a client that asks again and again without reading would fill our memory.
 */
export const OPEN_COUNT_MAX = 4;

export function addAttestationRoute(app: Hono<ApiBindings>, edge: Edge): void {
  const open = new OpenAnswers();
  app.get("/attestation", (c) => attest(edge, c, open));
}

class OpenAnswers {
  readonly #counts = new WeakMap<Client, number>();

  /** False when the client has too many already. */
  begin(client: Client, { socket }: IncomingMessage, outgoing: ServerResponse): boolean {
    const count = this.#counts.get(client) ?? 0;
    if (count >= OPEN_COUNT_MAX) return false;
    this.#counts.set(client, count + 1);
    const end = (): void => {
      // An answer that waits behind another one is not told when its connection closes.
      outgoing.off("close", end);
      socket.off("close", end);
      this.#counts.set(client, (this.#counts.get(client) ?? 1) - 1);
    };
    outgoing.once("close", end);
    socket.once("close", end);
    return true;
  }
}

/** Hex with or without `0x`, 1 to 64 bytes, stated once. */
export function parseNonce(
  values: readonly string[],
): Result<Uint8Array, Refusal<"REQUEST_MALFORMED">> {
  const malformed = err(refusal("REQUEST_MALFORMED", "nonce"));
  const [text] = values;
  if (text === undefined || values.length !== 1) return malformed;
  const bytes = parseHex(text.startsWith("0x") ? text.slice(2) : text);
  if (!bytes.ok || bytes.value.length < 1) return malformed;
  return bytes.value.length > NONCE_PARAMETER_BYTES_MAX ? malformed : ok(bytes.value);
}

function attest(edge: Edge, c: ApiContext, open: OpenAnswers): Response | Promise<Response> {
  const { incoming, outgoing } = c.env;
  const peer = edge.peers.of(incoming.socket);
  const client = peer?.client ?? null;
  if (peer === undefined || client === null) return refuse(edge, c, refusal("ACL_CLIENT_UNKNOWN"));
  if (edge.flights.count >= edge.queueCount) return refuse(edge, c, refusal("QUEUE_FULL"));
  const nonce = parseNonce(c.req.queries("nonce") ?? []);
  if (!nonce.ok) return refuse(edge, c, nonce.error);
  if (!open.begin(client, incoming, outgoing)) return refuse(edge, c, refusal("QUEUE_FULL"));
  const isBinary = prefers(incoming.headers.accept, "application/octet-stream", [
    "application/json",
  ]);
  const flight = new Flight(edge, c, peer);
  void edge.signer.attest(nonce.value).then((document) => {
    if (!document.ok) flight.refuse(document.error);
    else if (isBinary) flight.answer(new Uint8Array(document.value), BINARY_HEADERS);
    else flight.answer(encodeEvidence(edge, document.value), JSON_HEADERS);
  });
  return flight.response;
}

/** All keys, not the client's alone: the document states a digest over all of them. */
function encodeEvidence(edge: Edge, document: Uint8Array): string {
  return JSON.stringify({
    document: Buffer.from(document).toString("base64"),
    manifest: Buffer.from(edge.signer.manifest()).toString("base64"),
    publicKeys: edge.signer.keys(),
  });
}
