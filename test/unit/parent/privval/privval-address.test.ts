import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrivvalAddress } from "../../../../parent/privval/privval-address.ts";

const ID = "53ac1ab90ae04fe50c1ed6293c1fde802858bf87";

test("parsePrivvalAddress takes what tmkms takes", () => {
  for (const [text, address, peerId] of [
    ["tcp://10.0.0.1:26659", { kind: "tcp", host: "10.0.0.1", port: 26_659 }, null],
    ["tcp://[::1]:1", { kind: "tcp", host: "::1", port: 1 }, null],
    [`tcp://${ID}@node.example:65535`, { kind: "tcp", host: "node.example", port: 65_535 }, ID],
    [`tcp://${ID.toUpperCase()}@a:1`, { kind: "tcp", host: "a", port: 1 }, ID],
    ["unix:///run/node.sock", { kind: "unix", path: "/run/node.sock" }, null],
    ["unix:///run/a@b.sock", { kind: "unix", path: "/run/a@b.sock" }, null],
  ] as const) {
    assert.deepEqual(parsePrivvalAddress(text), { ok: true, value: { address, peerId } });
  }
});

test("parsePrivvalAddress refuses other kinds, half an identity, and no port", () => {
  for (const text of [
    "",
    "10.0.0.1:26659",
    "tcp://10.0.0.1",
    "tcp://10.0.0.1:0",
    "tcp://10.0.0.1:65536",
    "tcp://@10.0.0.1:1",
    `tcp://${ID.slice(1)}@10.0.0.1:1`,
    `tcp://${ID}0@10.0.0.1:1`,
    `tcp://${ID.replace("5", "g")}@10.0.0.1:1`,
    `tcp://${ID}@${ID}@10.0.0.1:1`,
    `unix://${ID}@/run/node.sock`,
    "unix://run/node.sock",
    "vsock://3:1",
    `noise://${ID}@10.0.0.1:1`,
  ]) {
    assert.deepEqual(parsePrivvalAddress(text), { ok: false, error: "ADDRESS" }, text);
  }
});
