// The operator's end of the parent's admin socket: the enclave's methods over a unix socket that
// only the operator's user may open. It must never retry by itself: whether a call that got no
// answer took effect is for the operator to look up.

import { createConnection, type Socket } from "node:net";
import { parseAddress } from "../../shared/address.ts";
import { describeDetail, ERRORS, type Refusal, refusal } from "../../shared/errors.ts";
import { ADMIN_DEADLINE_MS, CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Caller } from "../../shared/wire/link.ts";
import {
  type AnswerOf,
  ENCLAVE_METHODS,
  type EnclaveMethod,
  type LoggedLine,
  PARENT_METHODS,
  type ParamsOf,
  type UpgradeState,
} from "../../shared/wire/methods.ts";

/** Relative to the caller's folder, which may be deeper than a socket's path may be long. */
const DEFAULT_PATH = ".redoubt/local/admin.sock";
const EXPIRY_CHECK_MS = 250;

const METHODS = { ...ENCLAVE_METHODS, ...PARENT_METHODS };
type Calls = typeof ENCLAVE_METHODS;
type Lines = Result<readonly LoggedLine[], Refusal>;

export interface Admin {
  call<Name extends EnclaveMethod>(
    name: Name,
    params: ParamsOf<Calls[Name]>,
  ): Promise<Result<AnswerOf<Calls[Name]>, Refusal>>;
  close(): void;
}

/** The socket's path of `--admin`, or of its absence. */
export function parseAdminPath(option: string | undefined): Result<string, "ADDRESS"> {
  if (option === undefined) return ok(DEFAULT_PATH);
  const address = parseAddress(option);
  if (!address.ok || address.value.kind !== "unix") return err("ADDRESS");
  return ok(address.value.path);
}

/** The parent's own part of the socket, beside the enclave's. */
export interface ParentAdmin extends Admin {
  /** The next page of the log of receipts, from after the line with this id on. */
  readReceipts(after: number): Promise<Lines>;
  startUpgrade(): Promise<Result<{ readonly number: number }, Refusal>>;
  showUpgrade(): Promise<Result<UpgradeState, Refusal>>;
  /** The one with this number; null: whichever runs. */
  abortUpgrade(number: number | null): Promise<Result<unknown, Refusal>>;
}

export async function openAdmin(path: string): Promise<Result<ParentAdmin, Refusal<"LINK_DOWN">>> {
  const socket = await connect(path);
  if (socket === null) return err(refusal("LINK_DOWN"));
  const caller = new Caller(METHODS, socket, setImmediate);
  const expiry = setInterval(() => caller.expire(performance.now()), EXPIRY_CHECK_MS);
  const close = (): void => {
    clearInterval(expiry);
    caller.close();
    socket.destroy();
  };
  socket.on("data", (chunk: Uint8Array) => {
    if (!caller.receive(chunk).ok) close();
  });
  socket.on("close", close);
  return ok({
    call: (name, params) => caller.call(name, params, performance.now(), ADMIN_DEADLINE_MS),
    readReceipts: (after) =>
      caller.call("receipts.read", { after }, performance.now(), ADMIN_DEADLINE_MS),
    startUpgrade: () => caller.call("upgrade.start", {}, performance.now(), ADMIN_DEADLINE_MS),
    showUpgrade: () => caller.call("upgrade.show", {}, performance.now(), ADMIN_DEADLINE_MS),
    abortUpgrade: (number) =>
      caller.call("upgrade.abort", { number }, performance.now(), ADMIN_DEADLINE_MS),
    close,
  });
}

/** Null when nobody listens there. */
function connect(path: string): Promise<Socket | null> {
  return new Promise((settle) => {
    const socket = createConnection({ path });
    const fail = (): void => {
      socket.destroy();
      settle(null);
    };
    socket.setTimeout(CONNECT_DEADLINE_MS, fail);
    socket.on("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0);
      settle(socket);
    });
  });
}

/** One line for people: the code, its text, and the values that belong to it. */
export function describeRefusal(error: Refusal): string {
  const detail = describeDetail(error);
  const suffix = detail === "" ? "" : ` (${detail})`;
  return `${error.code}: ${ERRORS[error.code].text}${suffix}`;
}
