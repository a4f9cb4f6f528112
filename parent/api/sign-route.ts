// The signing routes, of Web3Signer and of EIP-3030. The hot path of the parent: the body is passed
// on as it came. It must never parse the body, and never decide whether it may be signed; it asks
// only whether this client may use this key, which the enclave's policy can still narrow.

import type { Hono } from "hono";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { BODY_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Dialect } from "../../shared/wire/methods.ts";
import type { SignAsk, Signed } from "../ports.ts";
import { acceptsJson, JSON_HEADERS, TEXT_HEADERS } from "./accept.ts";
import { announcedLength, readBody } from "./body.ts";
import type { Client } from "./client.ts";
import type { ApiBindings, ApiContext, Edge } from "./edge.ts";
import { Flight } from "./flight.ts";
import { refuse } from "./refuse.ts";

const PUBLIC_KEY_BYTES = 48;

/** A public key, and the same as `0x` and lower-case digits. */
type NamedKey = { readonly bytes: Uint8Array; readonly text: string };

export function addSignRoutes(app: Hono<ApiBindings>, edge: Edge): void {
  app.post("/api/v1/eth2/sign/:identifier", (c) =>
    sign(edge, "web3signer", c, c.req.param("identifier")),
  );
  app.post("/sign/:identifier", (c) => sign(edge, "eip3030", c, c.req.param("identifier")));
}

/** Of either case, with or without `0x`, as Web3Signer takes it; exactly 48 bytes. */
export function parseIdentifier(
  identifier: string,
): Result<NamedKey, Refusal<"REQUEST_MALFORMED">> {
  const lower = identifier.toLowerCase();
  const text = lower.startsWith("0x") ? lower : `0x${lower}`;
  const bytes = parsePrefixedHex(text, PUBLIC_KEY_BYTES);
  return bytes.ok ? ok({ bytes: bytes.value, text }) : err(refusal("REQUEST_MALFORMED", "key"));
}

function sign(
  edge: Edge,
  dialect: Dialect,
  c: ApiContext,
  identifier: string,
): Response | Promise<Response> {
  const { incoming } = c.env;
  const peer = edge.peers.of(incoming.socket);
  const client = peer?.client ?? null;
  if (peer === undefined || client === null) return refuse(edge, c, refusal("ACL_CLIENT_UNKNOWN"));
  if (edge.flights.count >= edge.queueCount) return refuse(edge, c, refusal("QUEUE_FULL"));
  const key = parseIdentifier(identifier);
  if (!key.ok) return refuse(edge, c, key.error);
  const keyText = key.value.text;
  if (!client.mayUse(keyText)) {
    return refuse(edge, c, refusal("ACL_KEY_DENIED"), keyText);
  }
  if ((announcedLength(incoming) ?? 0) > BODY_BYTES_MAX) {
    return refuse(edge, c, refusal("BODY_OVERSIZE"), keyText);
  }
  const flight = new Flight(edge, c, peer, keyText);
  const isJson = dialect === "eip3030" || acceptsJson(incoming.headers.accept);
  const bounds = { bytesMax: BODY_BYTES_MAX, book: (count: number) => flight.book(count) };
  readBody(incoming, bounds, (body) => {
    if (flight.isSettled) return;
    if (body === "oversize") flight.refuse(refusal("BODY_OVERSIZE"));
    else if (body === "overbooked") flight.refuse(refusal("QUEUE_FULL"));
    else if (body === "aborted") flight.abandon();
    else pass(edge, flight, askOf(dialect, key.value, client, body), isJson);
  });
  return flight.response;
}

function askOf(dialect: Dialect, key: NamedKey, client: Client, body: Uint8Array): SignAsk {
  return { dialect, key: key.bytes, kinds: client.kinds, body };
}

/** A rejection would be a bug of the signer; unhandled, it ends the process. */
function pass(edge: Edge, flight: Flight, ask: SignAsk, isJson: boolean): void {
  void edge.signer.sign(ask).then((outcome) => {
    if (outcome.ok) release(edge, flight, outcome.value, isJson);
    else flight.refuse(outcome.error);
  });
}

function release(edge: Edge, flight: Flight, { kind, signature }: Signed, isJson: boolean): void {
  if (flight.isSettled) return;
  edge.metrics.signed(kind, performance.now() - flight.startedAtMs);
  const { buffer, byteOffset, length } = signature;
  const hex = Buffer.from(buffer, byteOffset, length).toString("hex");
  if (isJson) flight.answer(`{"signature":"0x${hex}"}`, JSON_HEADERS);
  else flight.answer(`0x${hex}`, TEXT_HEADERS);
}
