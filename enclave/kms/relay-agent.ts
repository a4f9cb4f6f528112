// HTTPS whose TLS ends here while its bytes travel over the parent's relay. The relay is hostile:
// the name that the certificate must carry and the trust anchors come from the caller alone, and
// `ca` replaces whatever the environment or the system would trust.

import { Agent, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import type { Refusal } from "../../shared/errors.ts";
import type { RelayDialer } from "./relay-dialer.ts";

export type RelayAgentOptions = {
  readonly dialer: RelayDialer;
  readonly host: string;
  readonly port: number;
  /** PEM certificates. */
  readonly trustAnchors: readonly string[];
};

type OnCreated = (error: Error | null, stream: Duplex) => void;

/** One agent serves one host: what a request says about its host is not read. */
export class RelayAgent extends Agent {
  readonly #target: RelayAgentOptions;
  #isDestroyed = false;
  #refusal: Refusal | null = null;

  constructor(target: RelayAgentOptions) {
    super({ keepAlive: false });
    this.#target = target;
  }

  /** Why the last stream could not be had, when it was the relay that refused it. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }

  override createConnection(_options: RequestOptions, onCreated?: OnCreated): undefined {
    void this.#dial().then(
      (socket) => onCreated?.(null, socket),
      // Node passes no stream with an error; its type has no word for that.
      (error: Error) => onCreated?.(error, undefined as never), // oxlint-disable-line typescript/no-unsafe-type-assertion
    );
  }

  override destroy(): void {
    this.#isDestroyed = true;
    super.destroy();
  }

  async #dial(): Promise<TLSSocket> {
    const { dialer, host, port, trustAnchors } = this.#target;
    const stream = await dialer.connect(host, port);
    if (!stream.ok) {
      this.#refusal = stream.error;
      throw new Error(stream.error.code);
    }
    if (this.#isDestroyed) {
      stream.value.destroy();
      throw new Error("LINK_TIMEOUT");
    }
    return connect({
      socket: stream.value,
      servername: host,
      ca: [...trustAnchors],
      minVersion: "TLSv1.2",
      rejectUnauthorized: true,
      ALPNProtocols: ["http/1.1"],
    });
  }
}
