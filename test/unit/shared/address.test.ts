import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Address, encodeAddress, parseAddress } from "../../../shared/address.ts";
import { err, ok } from "../../../shared/result.ts";

const LONGEST_PATH = `/${"a".repeat(106)}`;

const ADDRESSES: readonly (readonly [string, Address])[] = [
  ["unix:///run/x.sock", { kind: "unix", path: "/run/x.sock" }],
  ["unix:///a b:c", { kind: "unix", path: "/a b:c" }],
  [`unix://${LONGEST_PATH}`, { kind: "unix", path: LONGEST_PATH }],
  ["tcp://127.0.0.1:9001", { kind: "tcp", host: "127.0.0.1", port: 9001 }],
  ["tcp://localhost:0", { kind: "tcp", host: "localhost", port: 0 }],
  ["tcp://kms.eu-west-1.amazonaws.com:443", tcp("kms.eu-west-1.amazonaws.com", 443)],
  ["tcp://[::1]:65535", { kind: "tcp", host: "::1", port: 65_535 }],
  ["tcp://[::ffff:10.0.0.1]:1", { kind: "tcp", host: "::ffff:10.0.0.1", port: 1 }],
  ["vsock://3:8000", { kind: "vsock", cid: 3, port: 8000 }],
  ["vsock://0:0", { kind: "vsock", cid: 0, port: 0 }],
  ["vsock://4294967295:4294967295", { kind: "vsock", cid: 0xffff_ffff, port: 0xffff_ffff }],
];

function tcp(host: string, port: number): Address {
  return { kind: "tcp", host, port };
}

const REFUSED: readonly string[] = [
  "",
  "unix://",
  "unix:///",
  "unix://run/x.sock",
  "unix://./x.sock",
  "unix:/run/x.sock",
  "UNIX:///run/x.sock",
  " unix:///run/x.sock",
  "unix:///run/\0x",
  `unix://${LONGEST_PATH}a`,
  // 54 characters, 107 bytes and one more.
  `unix:///${"\u00fc".repeat(53)}a`,
  "tcp://",
  "tcp://localhost",
  "tcp://localhost:",
  "tcp://:9001",
  "tcp://localhost:65536",
  "tcp://localhost:100000",
  "tcp://localhost:-1",
  "tcp://localhost:+1",
  "tcp://localhost:0x10",
  "tcp://localhost:1e3",
  "tcp://localhost: 1",
  "tcp://localhost:1 ",
  "tcp://localhost:1\n",
  "tcp://localhost:\u0661",
  "tcp://localhost:1/",
  "tcp://user@localhost:1",
  "tcp://a b:1",
  "tcp://::1:9001",
  "tcp://[]:1",
  "tcp://[::1:1",
  "tcp://[::1%eth0]:1",
  "tcp:///run/x.sock",
  "vsock://3",
  "vsock://3:",
  "vsock://:8000",
  "vsock://-1:8000",
  "vsock://4294967296:1",
  "vsock://1:4294967296",
  "vsock://3:8000:1",
  "http://localhost:1",
  "localhost:1",
  "/run/x.sock",
];

describe("parseAddress", () => {
  for (const [text, address] of ADDRESSES) {
    test(`reads ${text}, and encodeAddress writes it`, () => {
      assert.deepEqual(parseAddress(text), ok(address));
      assert.equal(encodeAddress(address), text);
    });
  }

  for (const text of REFUSED) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      assert.deepEqual(parseAddress(text), err("ADDRESS")));
  }

  test("counts a path's bytes, not its characters", () => {
    assert.ok(parseAddress(`unix:///${"\u00fc".repeat(53)}`).ok);
  });
});
