// The enclave program, whatever it runs on: a composition root gives it the platform (device,
// sockets, trust anchors) and it serves the link. It must never choose its own platform, and it
// ends the process for whatever it can't answer for.

import type { Server, Socket } from "node:net";
import { BOOT_ID_BYTES } from "../shared/attestation/statement.ts";
import type { Refusal } from "../shared/errors.ts";
import { TIME_RENEWAL_MS } from "../shared/limits.ts";
import { err, ok, type Result } from "../shared/result.ts";
import { Answerer, admitLink } from "../shared/wire/link.ts";
import { ENCLAVE_METHODS } from "../shared/wire/methods.ts";
import { createNsm } from "./attestation/nsm.ts";
import { TrustedTime } from "./attestation/trusted-time.ts";
import { PushedCredentials } from "./aws/credentials.ts";
import { type ConnectRelay, createRelayDialer } from "./aws/relay-dialer.ts";
import type { Entropy, MonotonicClock, NsmDevice, SignPool, Ticker } from "./core/ports.ts";
import { verifySelfTest } from "./keys/self-test.ts";
import { StoreCredentialRing } from "./keys/store-credentials.ts";
import { createKeyReleaser } from "./kms/kms-client.ts";
import { createService } from "./service/service.ts";
import { createDynamoStore } from "./state/dynamo-store.ts";
import { ParentReceiptLog } from "./state/receipt-log.ts";
import { createParentStore, type Dial, StoreConnection } from "./state/store-client.ts";
import { SOFTWARE } from "./version.ts";

export type Platform = {
  readonly nsmDevice: NsmDevice;
  readonly clock: MonotonicClock;
  readonly entropy: Entropy;
  readonly ticker: Ticker;
  readonly pool: SignPool;
  /** PEM certificates that KMS must be certified by. */
  readonly trustAnchors: readonly string[];
  /** DER of the root that attestation documents of other enclaves must be certified by. */
  readonly nsmRoot: Uint8Array;
  /** Told trusted Unix time whenever it was renewed, for what can't ask for it (OpenSSL). */
  readonly alignClock: (unixMs: number) => void;
  readonly connectRelay: ConnectRelay;
  readonly dialStore: Dial;
  /** Listens for links of the parent. */
  readonly listen: (onSocket: (socket: Socket) => void) => Promise<Server>;
};

export type RunningEnclave = { close(): Promise<void> };

/** Refuses to start when the signature library is not sound, or there is no trusted time. */
export async function startEnclave(platform: Platform): Promise<Result<RunningEnclave, Refusal>> {
  const sound = verifySelfTest();
  if (!sound.ok) return sound;
  const { clock, ticker, pool } = platform;
  const nsm = createNsm(platform.nsmDevice);
  const time = new TrustedTime(nsm, clock);
  const anchored = await renewTime(time, platform);
  if (!anchored.ok) return err(anchored.error);
  // A renewal that fails leaves the last anchor, until it is too old and signing stops.
  ticker.every(TIME_RENEWAL_MS, () => void renewTime(time, platform));
  const credentials = new PushedCredentials();
  const { entropy, trustAnchors, nsmRoot } = platform;
  const bootId = entropy.randomBytes(BOOT_ID_BYTES);
  const nowMs = () => time.nowMs();
  const dialer = createRelayDialer(platform.connectRelay);
  const storeCredentials = new StoreCredentialRing();
  const connection = new StoreConnection(platform.dialStore, clock, ticker);
  const receiptLog = new ParentReceiptLog(
    (params) => connection.call("store.append", params),
    ticker,
  );
  const remote = { dialer, trustAnchors, nowMs, clock, ticker, bootId, receiptLog };
  const handlers = createService({
    nsm,
    time,
    credentials,
    releaser: createKeyReleaser({ nsm, dialer, credentials, trustAnchors, nowMs }),
    createStore: (state) =>
      state.kind === "parent"
        ? createParentStore(connection)
        : createDynamoStore({ ...remote, state, credentials: storeCredentials }),
    storeCredentials,
    receiptLog,
    pool,
    entropy,
    software: SOFTWARE,
    bootId,
    nsmRoot,
  });
  const sockets = new Set<Socket>();
  const server = await platform.listen((socket) => {
    admitLink(sockets, socket);
    socket.on("close", () => sockets.delete(socket));
    serveLink(socket, handlers);
  });
  return ok({ close: () => closeServer(server, sockets, pool) });
}

async function renewTime(time: TrustedTime, platform: Platform): Promise<Result<null, Refusal>> {
  const renewed = await time.renew();
  const nowMs = time.nowMs();
  if (renewed.ok && nowMs !== null) platform.alignClock(nowMs);
  return renewed;
}

function serveLink(socket: Socket, handlers: ReturnType<typeof createService>): void {
  const answerer = new Answerer(ENCLAVE_METHODS, handlers, socket, setImmediate);
  socket.on("data", (chunk: Buffer) => {
    if (!answerer.receive(chunk).ok) socket.destroy();
  });
  socket.on("error", () => socket.destroy());
}

async function closeServer(server: Server, sockets: Set<Socket>, pool: SignPool): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  await pool.close();
}
