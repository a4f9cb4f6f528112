import assert from "node:assert/strict";
import { test } from "node:test";
import { Transcript } from "../../../../parent/privval/merlin.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("a transcript has the challenge of Merlin's own test", () => {
  const transcript = new Transcript("test protocol");
  transcript.append("some label", ascii("some data"));
  assert.equal(
    hex(transcript.challenge("challenge", 32)),
    "d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615",
  );
});

test("a challenge depends on every label, message, length and challenge before it", () => {
  const challenges = [
    ["a", "b", "c", 32],
    ["x", "b", "c", 32],
    ["a", "x", "c", 32],
    ["a", "b", "x", 32],
    ["a", "b", "c", 33],
    ["a", "", "c", 32],
    // Longer than what one permutation takes, and than what it gives.
    ["a", "b".repeat(1000), "c", 32],
    ["a", "b", "c", 1000],
  ].map(([protocol, message, label, byteCount]) => {
    const transcript = new Transcript(String(protocol));
    transcript.append("label", ascii(String(message)));
    return hex(transcript.challenge(String(label), Number(byteCount)).subarray(0, 32));
  });
  const twice = new Transcript("a");
  twice.append("label", ascii("b"));
  twice.challenge("c", 32);
  challenges.push(hex(twice.challenge("c", 32)));
  assert.equal(new Set(challenges).size, 9);
});
