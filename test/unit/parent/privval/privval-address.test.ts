import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodePrivvalAddress,
  parsePrivvalAddress,
} from "../../../../parent/privval/privval-address.ts";

const ID = "53ac1ab90ae04fe50c1ed6293c1fde802858bf87";

const PEER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

test("parsePrivvalAddress takes what tmkms takes", () => {
  for (const [text, address, peerId] of [
    ["tcp://10.0.0.1:26659", { kind: "tcp", host: "10.0.0.1", port: 26_659 }, null],
    ["tcp://[::1]:1", { kind: "tcp", host: "::1", port: 1 }, null],
    [`tcp://${ID}@node.example:65535`, { kind: "tcp", host: "node.example", port: 65_535 }, ID],
    [`tcp://${ID.toUpperCase()}@a:1`, { kind: "tcp", host: "a", port: 1 }, ID],
    ["unix:///run/node.sock", { kind: "unix", path: "/run/node.sock" }, null],
    ["unix:///run/a@b.sock", { kind: "unix", path: "/run/a@b.sock" }, null],
  ] as const) {
    const scheme = address.kind;
    assert.deepEqual(parsePrivvalAddress(text), { ok: true, value: { scheme, address, peerId } });
  }
});

test("parsePrivvalAddress takes Noise with the name of the node and its IP address", () => {
  for (const [place, host, port] of [
    ["10.0.0.1:26659", "10.0.0.1", 26_659],
    ["[::1]:1", "::1", 1],
    ["[2001:db8::7]:65535", "2001:db8::7", 65_535],
  ] as const) {
    const parsed = parsePrivvalAddress(`noise://${PEER}@${place}`);
    const value = { scheme: "noise", address: { kind: "tcp", host, port }, peerId: PEER };
    assert.deepEqual(parsed, { ok: true, value });
  }
});

test("encodePrivvalAddress leaves the identity out, and tells the schemes apart", () => {
  for (const [text, shown] of [
    [`tcp://${ID}@10.0.0.1:1`, "tcp://10.0.0.1:1"],
    [`noise://${PEER}@[::1]:1`, "noise://[::1]:1"],
    ["unix:///run/node.sock", "unix:///run/node.sock"],
  ] as const) {
    const parsed = parsePrivvalAddress(text);
    assert(parsed.ok);
    assert.equal(encodePrivvalAddress(parsed.value), shown);
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
    `tcp://${PEER}@10.0.0.1:1`,
    `unix://${PEER}@/run/node.sock`,
    "noise://10.0.0.1:1",
    "noise://@10.0.0.1:1",
    `noise://${PEER}@10.0.0.1`,
    `noise://${PEER}@10.0.0.1:0`,
    `noise://${PEER}@10.0.0.1:65536`,
    `noise://${PEER}@node.example:1`,
    `noise://${PEER}@10.0.0:1`,
    `noise://${PEER}@::1:1`,
    `noise://${PEER}@[fe80::1%eth0]:1`,
    `noise://${PEER}@${PEER}@10.0.0.1:1`,
    `noise://${PEER.toLowerCase()}@10.0.0.1:1`,
    `noise://${PEER}@/run/node.sock`,
    `NOISE://${PEER}@10.0.0.1:1`,
  ]) {
    assert.deepEqual(parsePrivvalAddress(text), { ok: false, error: "ADDRESS" }, text);
  }
});
