import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeDelimited } from "../../../shared/bytes/protobuf.ts";
import {
  encodePingAnswer,
  encodePrivvalAnswer,
  encodeRefusal,
  openPrivvalMessage,
} from "../../../shared/privval.ts";

const TEXT = "double signing requested at height: 100";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The arm and the request in it, or why there is none. */
function opened(text: string): string {
  const message = openPrivvalMessage(Buffer.from(text, "hex"));
  return message.ok ? `${message.value.arm} ${hex(message.value.request)}` : message.error;
}

test("openPrivvalMessage takes a message's one arm", () => {
  assert.equal(
    opened("0a0f0a0d746573745f636861696e5f6964"),
    "pubKey 0a0d746573745f636861696e5f6964",
  );
  assert.equal(opened("1a0101"), "vote 01");
  assert.equal(opened("2a00"), "proposal ");
  assert.equal(opened("3a00"), "ping ");
  assert.equal(opened("4a00"), "bytes ");
  assert.equal(opened("5d010203041a00"), "vote ", "what nobody knows is skipped");
});

test("openPrivvalMessage knows no answers, no later arms, and no empty message", () => {
  for (const text of ["", "1200", "2200", "3200", "4200", "5200", "5a00", "5801", "5d01020304"]) {
    assert.equal(opened(text), "REQUEST_KIND_UNKNOWN", text);
  }
});

test("openPrivvalMessage refuses what is no message, or two", () => {
  for (const text of ["0a", "0a01", "0801", "00", "0a001a00", "0a000a00", "ff", "0b", "0a000b"]) {
    assert.equal(opened(text), "REQUEST_MALFORMED", text);
  }
});

test("a refusal is a RemoteSignerError in the arm that answers the request", () => {
  const error = `122b08021227${hex(new TextEncoder().encode(TEXT))}`;
  for (const [arm, answer] of [
    ["pubKey", "12"],
    ["vote", "22"],
    ["proposal", "32"],
    ["bytes", "52"],
  ] as const) {
    assert.equal(hex(encodeDelimited(encodeRefusal(arm, 2, TEXT))), `2f${answer}2d${error}`);
    assert.equal(hex(encodePrivvalAnswer(arm, new Uint8Array(0))), `${answer}00`);
  }
});

test("a request that nobody knows gets the single byte 00, a ping its answer", () => {
  assert.equal(hex(encodeDelimited(encodeRefusal(null, 2, TEXT))), "00");
  assert.equal(hex(encodeDelimited(encodeRefusal("ping", 2, TEXT))), "024200");
  assert.equal(hex(encodeDelimited(encodePingAnswer())), "024200");
});

test("a refusal's text has at most 512 characters", () => {
  for (const length of [511, 512, 513]) {
    const refused = encodeRefusal("vote", 1, "x".repeat(length));
    assert.equal(refused.length, Math.min(length, 512) + 11);
  }
});
