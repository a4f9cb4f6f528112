// The enclave as the API sees it, whichever it is at the moment. It must never look into a body,
// and never hold more bodies than the link takes: beyond that a request is refused at once rather
// than the link cut.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { IN_FLIGHT_BYTES_MAX, REQUEST_DEADLINE_MS } from "../../shared/limits.ts";
import { OPERATION_KINDS } from "../../shared/operation.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { DIALECTS } from "../../shared/wire/methods.ts";
import type { EnclaveStatus, ReloadState, SignAsk, Signed, Signer } from "../ports.ts";
import type { ActiveEnclave } from "./active-enclave.ts";

/** Half of what the link takes: frames that wait to be written are held twice. */
const BODY_BYTES_IN_FLIGHT_MAX = IN_FLIGHT_BYTES_MAX / 2;

export class LinkSigner implements Signer {
  readonly #active: ActiveEnclave;
  readonly #storeRefusal: () => Refusal | null;
  #inFlightCount = 0;
  #inFlightBytes = 0;

  /** `storeRefusal`: why our own store fails now, null when it works. */
  constructor(active: ActiveEnclave, storeRefusal: () => Refusal | null = () => null) {
    this.#active = active;
    this.#storeRefusal = storeRefusal;
  }

  async sign(ask: SignAsk): Promise<Result<Signed, Refusal>> {
    const bodyBytes = ask.body.length;
    if (this.#inFlightBytes + bodyBytes > BODY_BYTES_IN_FLIGHT_MAX)
      return err(refusal("LINK_BUSY"));
    this.#inFlightCount += 1;
    this.#inFlightBytes += bodyBytes;
    const { key, kinds, body } = ask;
    const params = { dialect: DIALECTS[ask.dialect], key, kinds, body };
    const deadlineMs = REQUEST_DEADLINE_MS - (await this.#waitWhileHeld());
    const answer = await this.#active.present.link.call("sign", params, deadlineMs);
    this.#inFlightCount -= 1;
    this.#inFlightBytes -= bodyBytes;
    if (!answer.ok) return answer;
    const kind = OPERATION_KINDS[answer.value.kind];
    if (kind === undefined) return err(refusal("FRAME_MALFORMED"));
    return ok({ kind, signature: answer.value.signature });
  }

  /** How many ms it took: less than the deadline of a request. */
  async #waitWhileHeld(): Promise<number> {
    const { held } = this.#active;
    if (held === null) return 0;
    const startMs = performance.now();
    await held;
    return performance.now() - startMs;
  }

  async attest(nonce: Uint8Array | null): Promise<Result<Uint8Array, Refusal>> {
    const answer = await this.#active.present.link.call("attest", { nonce }, REQUEST_DEADLINE_MS);
    return answer.ok ? ok(answer.value.document) : answer;
  }

  keys(): readonly string[] {
    return this.#active.present.provisioner.keys();
  }

  manifest(): Uint8Array {
    return this.#active.present.provisioner.manifest();
  }

  status(): EnclaveStatus | null {
    return this.#active.present.link.status();
  }

  /** While requests are held back for a successor, they are still taken. */
  notReady(): Refusal | null {
    if (this.#active.held !== null) return this.#storeRefusal();
    return this.#active.present.provisioner.notReady() ?? this.#storeRefusal();
  }

  inFlightCount(): number {
    return this.#inFlightCount;
  }

  reloadState(): ReloadState {
    return this.#active.present.provisioner.reloadState();
  }

  startReload(): Result<null, Refusal<"RELOAD_RUNNING">> {
    return this.#active.present.provisioner.startReload();
  }
}
