// Tendermint's PrivValidatorAPI: each call is a request of the raw protocol, given to the same
// signer, and its answer goes back as it is. It must never answer a caller whose certificate was
// not verified for the very connection that the call came on.

import {
  Server,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { PRIVVAL_ANSWER_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { identityOf } from "../api/identity.ts";
import type { Log } from "../ports.ts";
import { MessageRoom } from "../privval/message-room.ts";
import type { PrivvalSigner } from "../privval/ports.ts";
import { askSigner } from "../privval/signer-ask.ts";
import { SYSTEM_TIMERS, type Timers } from "../privval/timers.ts";
import { CallIntake } from "./call-intake.ts";
import type { Caller, CallerTable } from "./caller.ts";
import {
  chainIdOf,
  PRIVVAL_METHODS,
  PRIVVAL_REQUEST_BYTES_MAX,
  PRIVVAL_SERVICE,
  type PrivvalMethod,
  wrapRequest,
} from "./privval-call.ts";
import { statusOf } from "./privval-status.ts";

type Call = Pick<ServerUnaryCall<Buffer, Buffer>, "request" | "getAuthContext" | "getDeadline">;
type NewCall = Call & Pick<ServerUnaryCall<Buffer, Buffer>, "metadata">;
type Answer = Result<Uint8Array, Refusal>;

export type ServiceParts = {
  readonly callers: () => CallerTable;
  readonly log: Log;
  /** Told of refusals that no signer has seen; the chain is empty, as it is nobody's. */
  readonly observe: (chainId: string, refused: Refusal, tookMs: number) => void;
  readonly timers?: Timers;
  readonly room?: MessageRoom;
};

/** A node sends one request at a time, and the next one's public key beside it at most. */
export const STREAM_COUNT_MAX = 4;
/** As nodes do it themselves (tendermint.md §3): who does not answer a ping is gone. */
const KEEP_ALIVE_MS = 10_000;
const KEEP_ALIVE_WAIT_MS = 2000;
/** Certificates are looked at when a connection begins; later than this, again. */
const CONNECTION_AGE_MS = 3_600_000;

export class PrivvalService {
  /** Takes connections only from whoever has checked their certificates. */
  readonly server: Server;
  readonly #parts: ServiceParts;
  readonly #timers: Timers;
  readonly #intake: CallIntake;
  readonly #idle: (() => void)[] = [];
  #callCount = 0;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
    this.#timers = parts.timers ?? SYSTEM_TIMERS;
    this.#intake = new CallIntake({
      room: parts.room ?? new MessageRoom(),
      timers: this.#timers,
      refused: (cause) => this.#refused(cause, 0),
    });
    this.server = new Server({
      interceptors: [this.#intake.interceptor],
      "grpc.max_receive_message_length": PRIVVAL_REQUEST_BYTES_MAX,
      "grpc.max_concurrent_streams": STREAM_COUNT_MAX,
      "grpc.keepalive_time_ms": KEEP_ALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEP_ALIVE_WAIT_MS,
      "grpc.max_connection_age_ms": CONNECTION_AGE_MS,
      "grpc.max_connection_age_grace_ms": PRIVVAL_ANSWER_DEADLINE_MS,
      "grpc.enable_channelz": 0,
    });
    this.server.addService(DEFINITION, {
      GetPubKey: this.#handle(PRIVVAL_METHODS.GetPubKey),
      SignVote: this.#handle(PRIVVAL_METHODS.SignVote),
      SignProposal: this.#handle(PRIVVAL_METHODS.SignProposal),
    });
  }

  /** When every call has its answer. */
  idle(): Promise<void> {
    if (this.#callCount === 0) return Promise.resolve();
    return new Promise((settle) => {
      this.#idle.push(settle);
    });
  }

  #handle(method: PrivvalMethod) {
    return (call: NewCall, callback: sendUnaryData<Buffer>): void => {
      void this.#serve(method, call, callback);
    };
  }

  async #serve(
    method: PrivvalMethod,
    call: NewCall,
    callback: sendUnaryData<Buffer>,
  ): Promise<void> {
    this.#callCount += 1;
    const release = this.#intake.hold(call.metadata);
    const answer = await this.answer(method, call);
    release();
    if (answer.ok) callback(null, Buffer.from(answer.value));
    else callback(statusOf(method, answer.error));
    this.#callCount -= 1;
    if (this.#callCount === 0) for (const settle of this.#idle.splice(0)) settle();
  }

  /** Never rejects. */
  async answer(method: PrivvalMethod, call: Call): Promise<Answer> {
    const startMs = this.#timers.nowMs();
    const signer = this.#signerFor(method, call);
    if (!signer.ok) {
      this.#refused(signer.error, this.#timers.nowMs() - startMs);
      return signer;
    }
    const deadlineMs = Math.min(PRIVVAL_ANSWER_DEADLINE_MS, leftMs(call));
    const message = wrapRequest(method, call.request);
    const { chainId, signer: found } = signer.value;
    const asking = askSigner(found, { chainId, arm: method.arm, message, deadlineMs });
    const answer = await this.#within(asking, deadlineMs);
    return answer.ok ? ok(answer.value.body) : answer;
  }

  /** What no signer has seen is no chain's. */
  #refused(cause: Refusal, tookMs: number): void {
    this.#parts.log.warn("privval.refused", { code: cause.code });
    this.#parts.observe("", cause, tookMs);
  }

  #signerFor(
    method: PrivvalMethod,
    call: Call,
  ): Result<{ readonly chainId: string; readonly signer: PrivvalSigner }, Refusal> {
    const caller = this.#callerOf(call);
    if (caller === null) return err(refusal("ACL_CLIENT_UNKNOWN"));
    const chainId = chainIdOf(method, call.request);
    if (chainId === null) return err(refusal("REQUEST_MALFORMED"));
    const signer = caller.signers.get(chainId);
    return signer === undefined ? err(refusal("REQUEST_CHAIN")) : ok({ chainId, signer });
  }

  /** Asked anew for each call: a reload may have removed the client. */
  #callerOf(call: Call): Caller | null {
    const { sslPeerCertificate: certificate } = call.getAuthContext();
    if (certificate === undefined) return null;
    const { fingerprint256, subjectaltname } = certificate;
    const identity = identityOf({ fingerprint256, subjectAltName: subjectaltname });
    return this.#parts.callers().find(identity);
  }

  #within<T>(work: Promise<Result<T, Refusal>>, deadlineMs: number): Promise<Result<T, Refusal>> {
    return new Promise((settle) => {
      const cancel = this.#timers.after(deadlineMs, () => settle(err(refusal("PRIVVAL_LATE"))));
      void work.then((answer) => {
        cancel();
        settle(answer);
      });
    });
  }
}

/** Of what the node itself gives its call. */
function leftMs(call: Call): number {
  const deadline = call.getDeadline();
  return Math.max(1, Number(deadline) - Date.now());
}

const asItIs = (bytes: Buffer): Buffer => bytes;

const DEFINITION: ServiceDefinition = Object.fromEntries(
  Object.keys(PRIVVAL_METHODS).map((name) => [
    name,
    {
      path: `/${PRIVVAL_SERVICE}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    },
  ]),
);
