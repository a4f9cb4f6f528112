// A TLS server at the other end of a relay: certificates with the times a test wants, a dialer that
// leads to it, and whatever the test has it say. For tests of what the enclave takes from an
// endpoint of AWS.

import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createSecureContext, type SecureContextOptions, TLSSocket } from "node:tls";
import { RelayAgent, type RelayAgentOptions } from "../../enclave/aws/relay-agent.ts";
import type { RelayDialer } from "../../enclave/aws/relay-dialer.ts";
import {
  authorityExtension,
  encodeCertificatePem,
  extension,
  issueCertificate,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
  publicKeyOf,
} from "../../scripts/local/certificate-issuer.ts";
import { encodeDer, sequence } from "../../scripts/local/der-writer.ts";
import { ok } from "../../shared/result.ts";

export const ENDPOINT_HOST = "kms.eu-central-1.amazonaws.com";
const DAY_MS = 86_400_000;

/** Days from now. */
export type Validity = { readonly fromDays: number; readonly toDays: number };

export type Issued = { readonly name: string; readonly key: KeyObject; readonly pem: string };

export type IssueWish = Partial<Validity> & {
  readonly name: string;
  /** Null: it issues itself. */
  readonly issuer: Pick<Issued, "name" | "key"> | null;
  /** For an authority that was certified before under this key. */
  readonly key?: KeyObject;
  readonly dnsName?: string;
};

/** Trusts `root` alone; destroyed when the test ends. */
export function agentOf(
  context: TestContext,
  { dialer }: Pick<RelayEnd, "dialer">,
  root: Issued,
  options: Partial<RelayAgentOptions> = {},
): RelayAgent {
  const agent = new RelayAgent({
    dialer,
    host: ENDPOINT_HOST,
    port: 443,
    trustAnchors: [root.pem],
    nowMs: () => Date.now(),
    ...options,
  });
  context.after(() => agent.destroy());
  return agent;
}

export function inDays(days: number): number {
  return Date.now() + days * DAY_MS;
}

/** An authority, or with a DNS name a server's certificate. */
export function issue(wish: IssueWish): Issued {
  const { name, dnsName, fromDays = -1000, toDays = 1000 } = wish;
  const key = wish.key ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const issuer = wish.issuer ?? { name, key };
  const extensions =
    dnsName === undefined
      ? [authorityExtension(null), keyUsageExtension(true, KEY_USAGE.keyCertSign)]
      : [
          leafExtension(),
          keyUsageExtension(true, KEY_USAGE.digitalSignature),
          extension("2.5.29.17", false, sequence(encodeDer(0x82, Buffer.from(dnsName)))),
        ];
  const der = issueCertificate({
    subject: [["CN", name]],
    issuer: [["CN", issuer.name]],
    publicKey: publicKeyOf(key),
    signingKey: issuer.key,
    notBeforeMs: inDays(fromDays),
    notAfterMs: inDays(toDays),
    extensions,
  });
  return { name, key, pem: encodeCertificatePem(der) };
}

export type RelayEnd = {
  readonly dialer: RelayDialer;
  /** The enclave's ends of the streams, in order. */
  readonly dialled: readonly Socket[];
};

export type Endpoint = RelayEnd & {
  /** The server's ends of TLS, in order. */
  readonly accepted: readonly TLSSocket[];
};

/** What the relay leads to; `serve` gets the bytes as they come, before any TLS. */
export async function startRelayEnd(
  context: TestContext,
  serve: (socket: Socket) => void,
): Promise<RelayEnd> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-endpoint-"));
  const path = join(folder, "endpoint.sock");
  const sockets: Socket[] = [];
  const dialled: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(path);
  await once(server, "listening");
  context.after(() => {
    for (const socket of [...sockets, ...dialled]) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const dialer: RelayDialer = {
    connect: async () => {
      const socket = connect({ path, allowHalfOpen: true });
      dialled.push(socket);
      await once(socket, "connect");
      // As the real dialer hands streams out.
      socket.on("error", () => undefined);
      return ok(socket);
    },
  };
  return { dialer, dialled };
}

/**
 * `chain` is what the server shows, its own certificate first. `serve` gets each connection before
 * its handshake.
 */
export async function startEndpoint(
  context: TestContext,
  chain: readonly Issued[],
  serve: (socket: TLSSocket) => void = () => undefined,
  options: SecureContextOptions = {},
): Promise<Endpoint> {
  const [own] = chain;
  const secureContext = createSecureContext({
    cert: chain.map(({ pem }) => pem).join(""),
    ...(own === undefined ? {} : { key: own.key.export({ type: "pkcs8", format: "pem" }) }),
    ...options,
  });
  const accepted: TLSSocket[] = [];
  const end = await startRelayEnd(context, (socket) => {
    const tls = new TLSSocket(socket, { isServer: true, secureContext });
    tls.on("error", () => undefined);
    accepted.push(tls);
    serve(tls);
  });
  return { ...end, accepted };
}
