// What a benchmark asks for: ATTESTATIONs over mTLS, each with a later target than the last one of
// its key, so that each signature needs a durable record.

import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import type { LocalNetwork } from "../local/network.ts";
import { attestationRequest } from "../local/requests.ts";
import { BENCH_SLOT_MARGIN, SLOTS_PER_EPOCH } from "./bench-network.ts";

export type Vote = { readonly path: string; readonly body: string };
export type VoteAnswer = { readonly status: number; readonly body: string };

export class VoteSource {
  readonly #publicKeys: readonly string[];
  readonly #network: LocalNetwork;
  readonly #lastEpochs = new Map<string, number>();
  #nextKey = 0;

  constructor(publicKeys: readonly string[], network: LocalNetwork) {
    this.#publicKeys = publicKeys;
    this.#network = network;
  }

  /** The next key that may vote for a later target than it did; null: none of them. */
  next(): Vote | null {
    const { genesisTime, slotDurationMs } = this.#network;
    const slot = Math.floor((Date.now() - genesisTime * 1000) / slotDurationMs) - BENCH_SLOT_MARGIN;
    const epoch = Math.floor(slot / SLOTS_PER_EPOCH);
    for (let tries = 0; tries < this.#publicKeys.length; tries++) {
      const key = this.#publicKeys[this.#nextKey] ?? "";
      this.#nextKey = (this.#nextKey + 1) % this.#publicKeys.length;
      if ((this.#lastEpochs.get(key) ?? -1) >= epoch) continue;
      this.#lastEpochs.set(key, epoch);
      const body = JSON.stringify(
        attestationRequest(this.#requestNetwork(), epoch * SLOTS_PER_EPOCH),
      );
      return { path: `/api/v1/eth2/sign/${key}`, body };
    }
    return null;
  }

  #requestNetwork() {
    const { forks, genesisValidatorsRoot } = this.#network;
    const fork = forks.at(-1);
    if (fork === undefined) throw new Error("a network has forks");
    return {
      slotsPerEpoch: SLOTS_PER_EPOCH,
      genesisValidatorsRoot,
      genesisVersion: forks[0]?.version ?? "",
      fork: { name: fork.name.toUpperCase(), version: fork.version, epoch: fork.epoch },
      syncBitsBytes: 1,
      committeeBitsBytes: 1,
    };
  }
}

export type VoteClientOptions = {
  readonly port: number;
  /** Paths of PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly connectionCountMax: number;
};

/** Keep-alive connections to one signer. */
export class VoteClient {
  readonly #port: number;
  readonly #agent: Agent;

  constructor({ port, ca, cert, key, connectionCountMax }: VoteClientOptions) {
    this.#port = port;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: connectionCountMax,
      // All of them stay open between two bursts.
      maxFreeSockets: connectionCountMax,
      ca: readFileSync(ca),
      cert: readFileSync(cert),
      key: readFileSync(key),
      minVersion: "TLSv1.3",
    });
  }

  sign({ path, body }: Vote): Promise<VoteAnswer> {
    return new Promise((settle, fail) => {
      const sent = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          path,
          method: "POST",
          agent: this.#agent,
          headers: {
            "content-type": "application/json",
            accept: "application/json",
            "content-length": Buffer.byteLength(body),
          },
        },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8");
          answer.on("data", (chunk: string) => (text += chunk));
          answer.on("error", fail);
          answer.on("end", () => settle({ status: answer.statusCode ?? 0, body: text }));
        },
      );
      sent.on("error", fail);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
