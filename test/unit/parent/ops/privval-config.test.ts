import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { privvalSchema } from "../../../../parent/ops/privval-config.ts";
import { CHAIN_COUNT_MAX, PRIVVAL_NODE_COUNT_MAX } from "../../../../shared/limits.ts";

const ID = "53ac1ab90ae04fe50c1ed6293c1fde802858bf87";
const SCHEMA = privvalSchema(z.string().transform((text) => `/etc/redoubt/${text}`));
const TCP = { chain: "cosmoshub-4", address: "tcp://10.0.0.1:26659" };
const PEER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
const NOISE = { chain: "cosmoshub-4", address: `noise://${PEER}@10.0.0.3:26659` };
const UNIX = { chain: "osmosis-1", address: "unix:///run/node.sock" };

/** Where the problems are, `ok` without any. */
function problemsOf(value: unknown): string | readonly string[] {
  const parsed = SCHEMA.safeParse(value);
  return parsed.success ? "ok" : parsed.error.issues.map(({ path }) => path.join("."));
}

const TLS = { certFile: "server.crt", keyFile: "server.key", clientCaFile: "ca.crt" };
const GRPC = { listen: "tcp://10.0.0.5:26659", tls: TLS, chains: [{ chain: "sei-1" }] };
const CLIENT = { name: "sei-a", fingerprint: "ab".repeat(32), chains: [{ chain: "sei-1" }] };

function chainsOf(count: number): readonly unknown[] {
  return Array.from({ length: count }, (_, index) => ({ chain: `sei-${index}` }));
}

function clientsOf(count: number): readonly unknown[] {
  return Array.from({ length: count }, (_, index) => ({
    ...CLIENT,
    name: `sei-${index}`,
    fingerprint: index.toString(16).padStart(64, "0"),
  }));
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
    nodes: [TCP, { ...TCP, address: `tcp://${ID}@10.0.0.2:26659` }, NOISE, UNIX],
  });
  assert.deepEqual(parsed, {
    identityFile: "/etc/redoubt/kms-identity.key",
    nodes: [
      {
        chainId: "cosmoshub-4",
        address: {
          scheme: "tcp",
          address: { kind: "tcp", host: "10.0.0.1", port: 26_659 },
          peerId: null,
        },
        key: null,
      },
      {
        chainId: "cosmoshub-4",
        address: {
          scheme: "tcp",
          address: { kind: "tcp", host: "10.0.0.2", port: 26_659 },
          peerId: ID,
        },
        key: null,
      },
      {
        chainId: "cosmoshub-4",
        address: {
          scheme: "noise",
          address: { kind: "tcp", host: "10.0.0.3", port: 26_659 },
          peerId: PEER,
        },
        key: null,
      },
      {
        chainId: "osmosis-1",
        address: {
          scheme: "unix",
          address: { kind: "unix", path: "/run/node.sock" },
          peerId: null,
        },
        key: null,
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
    [{ nodes: [UNIX, NOISE] }, ["identityFile"]],
    [{ identityFile, nodes: [NOISE] }, "ok"],
    [{ identityFile, nodes: [{ ...NOISE, address: "noise://10.0.0.3:1" }] }, ["nodes.0.address"]],
    // A node listens for one scheme only.
    [
      { identityFile, nodes: [NOISE, { ...TCP, address: "tcp://10.0.0.3:26659" }] },
      ["nodes.1.address"],
    ],
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

test("privval takes a listener for nodes that call, with or without nodes to dial", () => {
  const { grpc, nodes } = SCHEMA.parse({ grpc: GRPC });
  assert.deepEqual(nodes, []);
  assert.deepEqual(grpc, {
    listen: { kind: "tcp", host: "10.0.0.5", port: 26_659 },
    tls: {
      certFile: "/etc/redoubt/server.crt",
      keyFile: "/etc/redoubt/server.key",
      clientCaFile: "/etc/redoubt/ca.crt",
    },
    chains: [{ chainId: "sei-1", key: null }],
  });
  assert.equal(SCHEMA.parse({ nodes: [UNIX], grpc: GRPC }).nodes.length, 1);
});

test("privval.grpc names every field that is wrong, unknown or missing", () => {
  const { chains, ...base } = GRPC;
  const withClients = (...clients: readonly unknown[]) => ({ ...base, clients });
  const spiffe = "spiffe://example.org/sei/1";
  const rows: readonly (readonly [unknown, string | readonly string[]])[] = [
    [GRPC, "ok"],
    [withClients(CLIENT), "ok"],
    [withClients(CLIENT, { name: "sei-b", spiffe, chains }), "ok"],
    [base, ["grpc"]],
    [{ ...GRPC, clients: [CLIENT] }, ["grpc"]],
    [{ ...GRPC, listen: "unix:///run/privval.sock" }, ["grpc.listen"]],
    [{ ...GRPC, plain: true }, ["grpc"]],
    [{ ...GRPC, tls: { ...TLS, clientCaFile: undefined } }, ["grpc.tls.clientCaFile"]],
    [{ ...GRPC, tls: { ...TLS, verify: false } }, ["grpc.tls"]],
    [{ ...GRPC, tls: { ...TLS, crlFile: "ca.crl" } }, "ok"],
    [{ ...GRPC, chains: [] }, ["grpc.chains"]],
    [{ ...GRPC, chains: [...chains, ...chains] }, ["grpc.chains.1.chain"]],
    [{ ...GRPC, chains: [{ chain: "sei-1", key: "0xab" }] }, "ok"],
    [{ ...GRPC, chains: [{ chain: "sei-1", key: "ab" }] }, ["grpc.chains.0.key"]],
    [{ ...GRPC, chains: chainsOf(CHAIN_COUNT_MAX) }, "ok"],
    [{ ...GRPC, chains: chainsOf(CHAIN_COUNT_MAX + 1) }, ["grpc.chains"]],
    [withClients(), ["grpc.clients"]],
    [withClients({ ...CLIENT, spiffe }), ["grpc.clients.0"]],
    [withClients({ name: "sei-a", chains }), ["grpc.clients.0"]],
    [withClients({ ...CLIENT, chains: [] }), ["grpc.clients.0.chains"]],
    [withClients(CLIENT, { ...CLIENT, name: "sei-b" }), ["grpc.clients.1.fingerprint"]],
    [withClients(CLIENT, { name: "sei-a", spiffe, chains }), ["grpc.clients.1.name"]],
    [{ ...base, clients: clientsOf(PRIVVAL_NODE_COUNT_MAX) }, "ok"],
    [{ ...base, clients: clientsOf(PRIVVAL_NODE_COUNT_MAX + 1) }, ["grpc.clients"]],
  ];
  for (const [grpc, expected] of rows) {
    assert.deepEqual(problemsOf({ grpc }), expected, JSON.stringify(grpc));
  }
});
