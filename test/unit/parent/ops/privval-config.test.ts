import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { privvalSchema } from "../../../../parent/ops/privval-config.ts";
import { PRIVVAL_NODE_COUNT_MAX } from "../../../../shared/limits.ts";

const ID = "53ac1ab90ae04fe50c1ed6293c1fde802858bf87";
const SCHEMA = privvalSchema(z.string().transform((text) => `/etc/redoubt/${text}`));
const TCP = { chain: "cosmoshub-4", address: "tcp://10.0.0.1:26659" };
const UNIX = { chain: "osmosis-1", address: "unix:///run/node.sock" };

/** Where the problems are, `ok` without any. */
function problemsOf(value: unknown): string | readonly string[] {
  const parsed = SCHEMA.safeParse(value);
  return parsed.success ? "ok" : parsed.error.issues.map(({ path }) => path.join("."));
}

function nodesOf(count: number): readonly unknown[] {
  return Array.from({ length: count }, (_, index) => ({
    chain: "a",
    address: `unix:///run/${index}.sock`,
  }));
}

test("privval takes nodes with their chains, and makes the identity's path absolute", () => {
  const parsed = SCHEMA.parse({
    identityFile: "kms-identity.key",
    nodes: [TCP, { ...TCP, address: `tcp://${ID}@10.0.0.2:26659` }, UNIX],
  });
  assert.deepEqual(parsed, {
    identityFile: "/etc/redoubt/kms-identity.key",
    nodes: [
      {
        chainId: "cosmoshub-4",
        address: { address: { kind: "tcp", host: "10.0.0.1", port: 26_659 }, peerId: null },
        key: null,
      },
      {
        chainId: "cosmoshub-4",
        address: { address: { kind: "tcp", host: "10.0.0.2", port: 26_659 }, peerId: ID },
        key: null,
      },
      {
        chainId: "osmosis-1",
        address: { address: { kind: "unix", path: "/run/node.sock" }, peerId: null },
      },
    ],
  });
});

test("privval names every field that is wrong, unknown or missing", () => {
  const identityFile = "kms-identity.key";
  const rows: readonly (readonly [unknown, string | readonly string[]])[] = [
    [{ nodes: [UNIX] }, "ok"],
    [{ nodes: [TCP] }, ["identityFile"]],
    [{ nodes: [UNIX, TCP] }, ["identityFile"]],
    [{ identityFile, nodes: [] }, ["nodes"]],
    [{ identityFile }, ["nodes"]],
    [{ identityFile, nodes: [TCP], node: 1 }, [""]],
    [{ identityFile, nodes: [{ ...TCP, peer: ID }] }, ["nodes.0"]],
    [{ identityFile, nodes: [{ chain: "a" }] }, ["nodes.0.address"]],
    [{ identityFile, nodes: [{ ...TCP, address: "vsock://3:1" }] }, ["nodes.0.address"]],
    [{ identityFile, nodes: [{ ...TCP, chain: "" }] }, ["nodes.0.chain"]],
    [{ identityFile, nodes: [{ ...TCP, chain: "a b" }] }, ["nodes.0.chain"]],
    [{ identityFile, nodes: [{ ...TCP, chain: "a".repeat(50) }] }, "ok"],
    [{ identityFile, nodes: [{ ...TCP, chain: "a".repeat(51) }] }, ["nodes.0.chain"]],
    [{ identityFile, nodes: [TCP, UNIX, { ...TCP, chain: "b" }] }, ["nodes.2.address"]],
    [
      { identityFile, nodes: [TCP, { ...TCP, address: `tcp://${ID}@10.0.0.1:26659` }] },
      ["nodes.1.address"],
    ],
    [{ nodes: nodesOf(PRIVVAL_NODE_COUNT_MAX) }, "ok"],
    [{ nodes: nodesOf(PRIVVAL_NODE_COUNT_MAX + 1) }, ["nodes"]],
  ];
  for (const [value, expected] of rows) {
    assert.deepEqual(problemsOf(value), expected, JSON.stringify(value));
  }
});
