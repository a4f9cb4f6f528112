// The parent's own admin socket before an enclave that runs in this process: what an operator's
// command says reaches the real acts, and what they answer the real command. The log of receipts is
// that of the rig's store, with one key in it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AdminParts, startAdmin } from "../../parent/link/admin.ts";
import { listenOn } from "../../parent/platform/socket.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import { Answerer } from "../../shared/wire/link.ts";
import { ENCLAVE_METHODS, type LoggedLine } from "../../shared/wire/methods.ts";
import { activeAt } from "./served-enclave.ts";
import type { ServiceRig } from "./service-rig.ts";
import { SilentLog } from "./silent-log.ts";
import { until } from "./until.ts";

/** Whose receipts the store has. */
export type LoggedKey = Pick<LoggedLine, "scope" | "key">;

const UPGRADES: AdminParts["upgrades"] = {
  start: () => Promise.resolve(err(refusal("UPGRADE_LATE"))),
  show: () => ({ number: 0, phase: "none", code: null, floor: null }),
  abort: () => err(refusal("UPGRADE_LATE")),
};

export class EnclaveAdmin {
  readonly folder = mkdtempSync(join(tmpdir(), "redoubt-acts-"));
  readonly log = new SilentLog();
  readonly #ends: (() => void)[] = [];

  static async start({ enclave, store }: ServiceRig, logged: LoggedKey): Promise<EnclaveAdmin> {
    const admin = new EnclaveAdmin();
    const path = join(admin.folder, "enclave.sock");
    const server = await listenOn({ kind: "unix", path }, (socket) => {
      const answerer = new Answerer(ENCLAVE_METHODS, enclave.handlers, socket, setImmediate);
      socket.on("data", (chunk: Buffer) => {
        if (!answerer.receive(chunk).ok) socket.destroy();
      });
    });
    const active = activeAt(path);
    const { link } = active.present;
    link.start(() => {});
    await until(() => link.status() !== null);
    const receiptsAfter: AdminParts["store"]["receiptsAfter"] = (after) => {
      const lines = store.receipts.map((receipt, index) => {
        return { id: index + 1, ...logged, seq: index + 1, receipt };
      });
      return Promise.resolve(ok(lines.slice(after)));
    };
    const address = { kind: "unix", path: admin.socket } as const;
    const parts = { active, store: { receiptsAfter }, upgrades: UPGRADES, log: admin.log };
    const socket = await startAdmin(address, parts);
    admin.#ends.push(
      () => socket.close(),
      () => link.close(),
      () => server.close(),
    );
    return admin;
  }

  get socket(): string {
    return join(this.folder, "admin.sock");
  }

  stop(): void {
    for (const end of this.#ends) end();
    rmSync(this.folder, { recursive: true });
  }
}
