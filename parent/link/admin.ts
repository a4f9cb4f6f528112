// The operator's socket: a few of the enclave's methods, passed through as they are, the log of
// receipts, and upgrades, for whoever may open the socket file. It must never pass on more than its
// list: nobody signs, drains or hands over keys here. What can't be taken back is logged.

import type { Server, Socket } from "node:net";
import type { Address } from "../../shared/address.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { ADMIN_DEADLINE_MS, LINK_COUNT_MAX } from "../../shared/limits.ts";
import { ok } from "../../shared/result.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import { Answerer, type Handlers } from "../../shared/wire/link.ts";
import { ENCLAVE_METHODS, type EthereumState, PARENT_METHODS } from "../../shared/wire/methods.ts";
import { listenOn } from "../platform/socket.ts";
import type { Log, LogFields } from "../ports.ts";
import type { Store } from "../store/store.ts";
import type { ActiveEnclave } from "./active-enclave.ts";
import type { EnclaveLink } from "./enclave-link.ts";
import type { Upgrades } from "./upgrade.ts";

const ADMIN_METHODS = {
  status: ENCLAVE_METHODS.status,
  "keys.list": ENCLAVE_METHODS["keys.list"],
  "state.show": ENCLAVE_METHODS["state.show"],
  "state.init": ENCLAVE_METHODS["state.init"],
  "state.import": ENCLAVE_METHODS["state.import"],
  "state.retire": ENCLAVE_METHODS["state.retire"],
  "state.override": ENCLAVE_METHODS["state.override"],
  "consensus.show": ENCLAVE_METHODS["consensus.show"],
  "consensus.import": ENCLAVE_METHODS["consensus.import"],
  "consensus.retire": ENCLAVE_METHODS["consensus.retire"],
  "consensus.override": ENCLAVE_METHODS["consensus.override"],
  ...PARENT_METHODS,
} as const;

export type Admin = { close(): void };

export type AdminParts = {
  readonly active: ActiveEnclave;
  readonly store: Pick<Store, "receiptsAfter">;
  readonly upgrades: Pick<Upgrades, "start" | "show" | "abort">;
  readonly log: Log;
};

/** Rejects when the address can't be listened on. */
export async function startAdmin(
  address: Address,
  { active, store, upgrades, log }: AdminParts,
): Promise<Admin> {
  const call: EnclaveLink["call"] = (name, params, deadlineMs) =>
    active.present.link.call(name, params, deadlineMs);
  const logRetired = (fields: LogFields) => log.info("state.retired", fields);
  // At error level: what was lowered is to wake somebody.
  const logOverridden = (fields: LogFields) => log.error("state.overridden", fields);
  const handlers: Handlers<typeof ADMIN_METHODS> = {
    status: (params) => call("status", params, ADMIN_DEADLINE_MS),
    "keys.list": (params) => call("keys.list", params, ADMIN_DEADLINE_MS),
    "state.show": (params) => call("state.show", params, ADMIN_DEADLINE_MS),
    "state.init": (params) => call("state.init", params, ADMIN_DEADLINE_MS),
    "state.import": (params) => call("state.import", params, ADMIN_DEADLINE_MS),
    "consensus.show": (params) => call("consensus.show", params, ADMIN_DEADLINE_MS),
    "consensus.import": (params) => call("consensus.import", params, ADMIN_DEADLINE_MS),
    "state.retire": async (params) => {
      const retired = await call("state.retire", params, ADMIN_DEADLINE_MS);
      if (retired.ok) for (const { state } of retired.value) logRetired(fieldsOf(state));
      return retired;
    },
    "consensus.retire": async (params) => {
      const retired = await call("consensus.retire", params, ADMIN_DEADLINE_MS);
      if (retired.ok) for (const { state } of retired.value) logRetired(placeFieldsOf(state));
      return retired;
    },
    "state.override": async (params) => {
      const overridden = await call("state.override", params, ADMIN_DEADLINE_MS);
      if (overridden.ok) logOverridden(fieldsOf(overridden.value));
      return overridden;
    },
    "consensus.override": async (params) => {
      const overridden = await call("consensus.override", params, ADMIN_DEADLINE_MS);
      if (overridden.ok) logOverridden(placeFieldsOf(overridden.value));
      return overridden;
    },
    "receipts.read": ({ after }) => store.receiptsAfter(after),
    "upgrade.start": async () => {
      const started = await upgrades.start();
      return started.ok ? ok({ number: started.value }) : started;
    },
    "upgrade.show": () => ok(upgrades.show()),
    "upgrade.abort": ({ number }) => {
      const aborted = upgrades.abort(number);
      return aborted.ok ? ok({}) : aborted;
    },
  };
  const sockets = new Set<Socket>();
  const server: Server = await listenOn(address, (socket) => {
    sockets.add(socket);
    const answerer = new Answerer(ADMIN_METHODS, handlers, socket, setImmediate);
    socket.on("data", (chunk: Buffer) => {
      if (!answerer.receive(chunk).ok) socket.destroy();
    });
    socket.on("close", () => sockets.delete(socket));
  });
  server.maxConnections = LINK_COUNT_MAX;
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function fieldsOf({ key, blockSlot, target }: EthereumState): LogFields {
  return {
    key: encodePrefixedHex(key),
    ...(blockSlot === null ? {} : { slot: blockSlot.toString() }),
    ...(target === null ? {} : { epoch: target.toString() }),
  };
}

function placeFieldsOf({ key, chainId, last }: ConsensusState): LogFields {
  const fields = { key: encodePrefixedHex(key), chain: chainId };
  return last === null
    ? fields
    : { ...fields, position: `${last.height}/${last.round}/${last.step}` };
}
