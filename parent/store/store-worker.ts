// The store's thread: it listens on the store's own socket and answers the enclave there, so that
// neither SQL nor fsync ever blocks the parent's event loop. It must never answer from memory:
// what it says is what the database says. The main thread gets statistics and the end.

import type { Server, Socket } from "node:net";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { parseAddress } from "../../shared/address.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Answerer, admitLink, type Handlers } from "../../shared/wire/link.ts";
import { STORE_METHODS } from "../../shared/wire/methods.ts";
import { EnclavePeer } from "../link/enclave-peer.ts";
import { listenOn } from "../platform/socket.ts";
import { RecordDatabase } from "./database.ts";
import { CommitGroup } from "./group.ts";
import { isWorkerOrder, isWorkerTask, type WorkerMessage } from "./worker-message.ts";

const REPORT_INTERVAL_MS = 1000;

async function serve(port: MessagePort): Promise<void> {
  const task: unknown = workerData;
  invariant(isWorkerTask(task), "the store's thread is started by startStore");
  const post = (message: WorkerMessage) => port.postMessage(message);
  const database = new RecordDatabase(task.path);
  const opened = database.open();
  if (!opened.ok) {
    post({ kind: "refused", fault: opened.error });
    return port.close();
  }
  const group = new CommitGroup((commits) => database.commitAll(commits), setImmediate);
  const handlers = storeHandlers(database, group);
  const sockets = new Set<Socket>();
  const peer = new EnclavePeer(task.peerCells);
  const server = await listen(task.listen, peer, (socket) => accept(socket, sockets, handlers));
  if (!server.ok) {
    database.close();
    const reason = `listen ${task.listen}: ${server.error}`;
    post({ kind: "refused", fault: { code: "STORE_UNAVAILABLE", reason } });
    return port.close();
  }
  const reports = setInterval(() => {
    database.probe();
    post(report(database));
  }, REPORT_INTERVAL_MS);
  // Commits that arrived are answered before the end.
  const close = (): void => {
    clearInterval(reports);
    server.value.close();
    group.flush();
    setImmediate(() => {
      for (const socket of sockets) socket.destroySoon();
      database.close();
      post(report(database));
      port.close();
    });
  };
  port.on("message", (order: unknown) => {
    if (!isWorkerOrder(order)) return;
    if (order.kind === "close") return close();
    group.flush();
    const { number, after } = order;
    post({ kind: "receipts", number, answer: database.receiptsAfter(after) });
  });
  post({ kind: "listening" });
}

function storeHandlers(
  database: RecordDatabase,
  group: CommitGroup,
): Handlers<typeof STORE_METHODS> {
  return {
    "store.read": ({ scope, keys }) => {
      group.flush();
      return database.read(scope, keys);
    },
    "store.commit": (commit) => (commit.writes.length === 0 ? ok([]) : group.add(commit)),
    "store.append": (append) => {
      group.flush();
      const appended = database.append(append);
      return appended.ok ? ok({}) : appended;
    },
  };
}

/** Answers of one group are there together: they leave at the end of the same turn. */
function atEndOfTurn(run: () => void): void {
  process.nextTick(run);
}

function accept(
  socket: Socket,
  sockets: Set<Socket>,
  handlers: Handlers<typeof STORE_METHODS>,
): void {
  admitLink(sockets, socket);
  const answerer = new Answerer(STORE_METHODS, handlers, socket, atEndOfTurn);
  socket.on("data", (chunk: Buffer) => {
    if (!answerer.receive(chunk).ok) socket.destroy();
  });
  socket.on("close", () => sockets.delete(socket));
}

/** The error is the name of an errno. */
async function listen(
  text: string,
  peer: EnclavePeer,
  onSocket: (socket: Socket) => void,
): Promise<Result<Server, string>> {
  const address = parseAddress(text);
  invariant(address.ok, "the configuration was parsed");
  const isPeerAllowed = (cid: number): boolean => peer.isAllowed(cid);
  try {
    return ok(await listenOn(address.value, onSocket, { isPeerAllowed }));
  } catch (error) {
    return err(error instanceof Error && "code" in error ? String(error.code) : "refused");
  }
}

function report(database: RecordDatabase): WorkerMessage {
  return { kind: "report", stats: database.stats, fault: database.fault };
}

invariant(parentPort !== null, "the store runs in a thread of its own");
await serve(parentPort);
