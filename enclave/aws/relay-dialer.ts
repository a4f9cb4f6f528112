// Streams to the outside: the enclave has no network, so the parent's relay connects for it. The
// relay is not trusted with anything but carrying bytes: what travels on the stream must be TLS
// that ends here, with a name and trust anchors that the relay does not choose.

import type { Duplex } from "node:stream";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, type Result } from "../../shared/result.ts";
import {
  encodeRelayTarget,
  parseRelayAnswer,
  takePreface,
} from "../../shared/wire/relay-preface.ts";

export interface RelayDialer {
  /** A stream to the host, paused, with nothing of the preface left on it. */
  connect(host: string, port: number): Promise<Result<Duplex, Refusal>>;
}

/** Opens a stream to the relay itself; the composition root knows where that is. */
export type ConnectRelay = () => Promise<Result<Duplex, Refusal>>;

/** `deadlineMs` bounds the relay's own connecting; `connectRelay` bounds itself. */
export function createRelayDialer(
  connectRelay: ConnectRelay,
  deadlineMs: number = CONNECT_DEADLINE_MS,
): RelayDialer {
  return {
    connect: async (host, port) => {
      const stream = await connectRelay();
      if (!stream.ok) return stream;
      const answer = await exchangePreface(stream.value, { host, port }, deadlineMs);
      if (answer.ok) return stream;
      stream.value.destroy();
      return answer;
    },
  };
}

function exchangePreface(
  stream: Duplex,
  target: { readonly host: string; readonly port: number },
  deadlineMs: number,
): Promise<Result<null, Refusal>> {
  const deadline = AbortSignal.timeout(deadlineMs);
  return new Promise((resolve) => {
    let received: Uint8Array = new Uint8Array(0);
    const settle = (result: Result<null, Refusal>): void => {
      stream.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onEnd);
      deadline.removeEventListener("abort", onEnd);
      stream.pause();
      // From here on the stream's owner listens; until then an error must not end the process.
      stream.on("error", ignore);
      resolve(result);
    };
    const onEnd = (): void => settle(err(refusal("RELAY_UNREACHABLE")));
    const onData = (chunk: Uint8Array): void => {
      received = concatBytes(received, chunk);
      const preface = takePreface(received);
      if (!preface.ok) return settle(preface);
      if (preface.value === null) return;
      settle(parseRelayAnswer(preface.value.body));
      if (preface.value.rest.length > 0) stream.unshift(preface.value.rest);
    };
    stream.on("data", onData).on("end", onEnd).on("close", onEnd).on("error", onEnd);
    deadline.addEventListener("abort", onEnd);
    stream.write(encodeRelayTarget(target));
  });
}

function ignore(): void {}
