// Where the enclave is. Either the configuration says so, or the enclave is looked up by its name
// each time the link is down: its CID is another one after each start. The CID found is also the
// only one that the store and the relay let in. It must never choose between two enclaves.

import { type Address, encodeAddress } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { LINK_PORT } from "../../shared/nitro-ports.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EnclaveLocator, LocateRefusal, Log } from "../ports.ts";
import { Backoff, type BackoffBounds } from "./backoff.ts";
import type { PeerSeat } from "./enclave-peer.ts";
import { type ListedEnclave, listEnclaves, type NitroCliRefusal } from "./nitro-cli.ts";

/** An address that does not change. */
export function createFixedLocator(address: Address, seat?: PeerSeat): EnclaveLocator {
  if (address.kind === "vsock") seat?.allow(address.cid);
  return { locate: () => Promise.resolve(ok(address)) };
}

export type NitroLocatorOptions = {
  /** What `nitro-cli run-enclave --enclave-name` said. */
  readonly name: string;
  /** Absolute path of nitro-cli. */
  readonly cliPath: string;
  readonly seat: PeerSeat;
  readonly log: Log;
  /** For tests: instead of running nitro-cli, and the time in ms. */
  readonly list?: () => Promise<Result<readonly ListedEnclave[], NitroCliRefusal>>;
  readonly nowMs?: () => number;
};

/** The link tries more often at first; nitro-cli is not started each time. */
const INTERVAL_MS_MIN = 1000;
/** A run that fails leaves a file of its own in /var/log/nitro_enclaves, which nobody removes. */
const FAILURE_INTERVAL: BackoffBounds = { minMs: 2000, maxMs: 30_000 };

export class NitroLocator implements EnclaveLocator {
  readonly #options: NitroLocatorOptions;
  readonly #list: () => Promise<Result<readonly ListedEnclave[], NitroCliRefusal>>;
  readonly #nowMs: () => number;
  #last: Result<Address, LocateRefusal> | null = null;
  #lastMs = 0;
  #intervalMs = 0;
  readonly #backoff = new Backoff(FAILURE_INTERVAL);
  /** The id of the enclave that was found; another start has another id, if not another CID. */
  #loggedId = "";
  #loggedCode = "";

  constructor(options: NitroLocatorOptions) {
    this.#options = options;
    this.#list = options.list ?? (() => listEnclaves(options.cliPath));
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  async locate(): Promise<Result<Address, LocateRefusal>> {
    if (this.#last !== null && this.#nowMs() - this.#lastMs < this.#intervalMs) return this.#last;
    const listed = await this.#list();
    this.#lastMs = this.#nowMs();
    if (listed.ok) this.#backoff.reset();
    this.#intervalMs = listed.ok ? INTERVAL_MS_MIN : this.#backoff.nextMs();
    this.#last = listed.ok ? this.#take(listed.value) : this.#fail(listed.error);
    return this.#last;
  }

  #take(enclaves: readonly ListedEnclave[]): Result<Address, LocateRefusal> {
    const { name, seat, log } = this.#options;
    const found = decideEnclave(enclaves, name);
    if (!found.ok) {
      // What had been found is not there any more, or can't be told from another.
      seat.allowNobody();
      return this.#fail(found.error);
    }
    const { id, cid, isConsoleOpen } = found.value;
    const address: Address = { kind: "vsock", cid, port: LINK_PORT };
    seat.allow(cid);
    if (id !== this.#loggedId) {
      const fields = { address: encodeAddress(address) };
      if (isConsoleOpen) log.warn("enclave.debug-mode", fields);
      log.info("enclave.located", fields);
    }
    this.#loggedId = id;
    this.#loggedCode = "";
    return ok(address);
  }

  /** The same failure is said once; the allowed peer stays, for the enclave may well run. */
  #fail(cause: LocateRefusal): Result<never, LocateRefusal> {
    if (cause.code !== this.#loggedCode) {
      const reason = typeof cause.detail?.[0] === "string" ? { reason: cause.detail[0] } : {};
      this.#options.log.warn("enclave.not-located", { code: cause.code, ...reason });
    }
    this.#loggedCode = cause.code;
    this.#loggedId = "";
    return err(cause);
  }
}

/** The only running enclave of this name. */
export function decideEnclave(
  enclaves: readonly ListedEnclave[],
  name: string,
): Result<ListedEnclave, Refusal<"ENCLAVE_ABSENT" | "ENCLAVE_AMBIGUOUS">> {
  const [first, second] = enclaves.filter((enclave) => enclave.isRunning && enclave.name === name);
  if (first === undefined) return err(refusal("ENCLAVE_ABSENT"));
  return second === undefined ? ok(first) : err(refusal("ENCLAVE_AMBIGUOUS"));
}
