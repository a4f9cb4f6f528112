import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { CallIntake } from "../../../../parent/grpc/call-intake.ts";
import { PRIVVAL_REQUEST_BYTES_MAX } from "../../../../parent/grpc/privval-call.ts";
import { MessageRoom } from "../../../../parent/privval/message-room.ts";
import { ManualTimers } from "../../../fakes/manual-timers.ts";

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

const DEFINITION = {
  path: "/a/b",
  requestStream: false,
  responseStream: false,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (bytes: Buffer): Buffer => bytes,
} as const;

/** A call that shows no stream: as if the library had renamed it. */
class HiddenCall {
  readonly metadata = new Metadata();
  readonly codes: (number | null | undefined)[] = [];
  listener: Listener | null = null;

  start(listener: Listener): void {
    this.listener = listener;
    listener.onReceiveMetadata(this.metadata);
  }

  sendStatus({ code }: { readonly code?: status | null }): void {
    this.codes.push(code);
  }
}

function begin(intake: CallIntake): HiddenCall {
  const call = new HiddenCall();
  // The rest of a call is nothing that the intake asks for.
  const whole: unknown = call;
  const isCall = (value: unknown): value is ServerInterceptingCallInterface => value === call;
  assert(isCall(whole));
  intake.interceptor(DEFINITION, whole).start({
    onReceiveMetadata: () => {},
    onReceiveMessage: () => {},
    onReceiveHalfClose: () => {},
    onCancel: () => {},
  });
  return call;
}

function rig() {
  const timers = new ManualTimers();
  const refused: string[] = [];
  const intake = new CallIntake({
    room: new MessageRoom(2 * PRIVVAL_REQUEST_BYTES_MAX),
    timers,
    refused: ({ code }) => refused.push(code),
  });
  return { intake, timers, refused };
}

test("of a call whose stream is not shown, the longest message is expected", () => {
  const { intake, timers, refused } = rig();
  const [first, second] = [begin(intake), begin(intake)];
  const third = begin(intake);
  assert.deepEqual([first.codes, second.codes], [[], []]);
  assert.deepEqual(third.codes, [status.RESOURCE_EXHAUSTED]);
  assert.deepEqual(refused, ["LINK_BUSY"]);
  const release = intake.hold(first.metadata);
  first.listener?.onCancel();
  // Its method has the message still.
  assert.deepEqual(begin(intake).codes, [status.RESOURCE_EXHAUSTED]);
  release();
  assert.deepEqual(begin(intake).codes, []);
  second.listener?.onCancel();
  assert.deepEqual(begin(intake).codes, []);
  assert.deepEqual(begin(intake).codes, [status.RESOURCE_EXHAUSTED]);
  assert.ok(timers.count > 0);
});

test("no alarm stays of a call that has ended, or whose message has come", () => {
  const { intake, timers } = rig();
  begin(intake).listener?.onCancel();
  assert.equal(timers.count, 0);
  begin(intake).listener?.onReceiveMessage(Buffer.alloc(0));
  assert.equal(timers.count, 0);
});
