// A session with a node in memory and a signer that does as it is told, on a clock that only the
// tests move.

import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { PrivvalSession, type SessionOptions } from "../../parent/privval/privval-session.ts";
import { encodeDelimited, protoMessage } from "../../shared/bytes/protobuf.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ManualTimers, settled } from "./manual-timers.ts";
import { ScriptedPrivval } from "./scripted-privval.ts";

export class SessionBench {
  readonly timers = new ManualTimers();
  readonly signer = new ScriptedPrivval();
  readonly peer: Duplex;
  readonly session: PrivvalSession;
  readonly answered: (Refusal | null)[] = [];
  resetCount = 0;
  end: string | null | undefined;
  #received = Buffer.alloc(0);

  constructor(options: Partial<SessionOptions> = {}) {
    const [stream, peer] = duplexPair();
    this.peer = peer;
    peer.on("error", () => {});
    peer.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    this.session = new PrivvalSession({
      chainId: "test-chain",
      stream,
      signer: this.signer,
      timers: this.timers,
      reset: () => {
        this.resetCount += 1;
        (options.stream ?? stream).destroy();
      },
      events: { answered: (refused) => this.answered.push(refused) },
      ...options,
    });
    void this.session.run().then((end) => {
      this.end = end;
    });
  }

  async send(...messages: readonly Uint8Array[]): Promise<void> {
    for (const message of messages) this.peer.write(encodeDelimited(message));
    await settled();
  }

  /** What has come since, as hex. */
  async take(): Promise<string> {
    await settled();
    const hex = this.#received.toString("hex");
    this.#received = Buffer.alloc(0);
    return hex;
  }

  /** Over, with nothing left behind: how, and whether with a reset. */
  async ended(): Promise<readonly [string | null | undefined, number]> {
    await settled();
    assert.equal(this.timers.count, 0);
    return [this.end, this.resetCount];
  }
}

/** A message in this arm, with a body that nobody looks into. */
export function requestOf(arm: number, body: Uint8Array = Uint8Array.of(0x0a, 1, 65)): Uint8Array {
  return protoMessage(arm, body);
}
