import assert from "node:assert/strict";
import { test } from "node:test";
import { type Config, parseConfig } from "../../../parent/ops/config.ts";
import { encodeAddress } from "../../../shared/address.ts";
import { blocksOf, leavesOf, rowsOf } from "./page.ts";

const PAGE = "configuration.md";
const [least = "", full = "", nitro = "", credentials = "", grpc = ""] = blocksOf(PAGE, "json");

function parsed(text: string): Config {
  const config = parseConfig(new TextEncoder().encode(text), "/etc/redoubt");
  assert.ok(config.ok, config.ok ? "" : config.error.problems.join("; "));
  return config.value;
}

test("docs/configuration.md has examples that parseConfig takes", () => {
  const config = parsed(least);
  assert.deepEqual(config.bundles, [{ kind: "directory", path: "/etc/redoubt/bundles" }]);
  assert.equal(parsed(full).api.clients.length, 2);
  const withFile = least.replace('{ "kind": "imds" }', credentials.trim());
  assert.equal(parsed(withFile).credentials.kind, "file");
  const withNitro = full.replace(/(?<="enclave": ).*(?=,\n)/, nitro.trim());
  assert.deepEqual(parsed(withNitro).enclave, config.enclave);
  assert.equal(parsed(full).enclave.kind, "address");
  const { privval } = parsed(full);
  assert.deepEqual([privval?.nodes.length, privval?.grpc?.clients?.length], [2, 2]);
  const withChains = least.replace('"admin"', `"privval": ${grpc.trim()},\n"admin"`);
  assert.equal(parsed(withChains).privval?.grpc?.chains?.length, 1);
});

test("docs/configuration.md describes every field of the examples, and no other", () => {
  const described = rowsOf(PAGE).map(([name = ""]) => name);
  const leaves = [
    ...leavesOf(JSON.parse(full)),
    ...leavesOf(JSON.parse(nitro), "enclave"),
    ...leavesOf(JSON.parse(grpc), "privval"),
  ].map((leaf) => leaf.replace(/^(relay\.hosts)\..*/, "$1"));
  assert.deepEqual([...new Set(described)].sort(), [...new Set(leaves)].sort());
});

test("docs/configuration.md states the defaults that parseConfig fills in", () => {
  const { api, ops, log, store, relay, enclave } = parsed(least);
  const stated = new Map(rowsOf(PAGE).map(([name = "", value = ""]) => [name, value]));
  assert.deepEqual(
    {
      listen: stated.get("api.listen"),
      queueCount: stated.get("api.queueCount"),
      deadlineMs: stated.get("api.deadlineMs"),
      keepAliveMs: stated.get("api.keepAliveMs"),
      connectionAgeMs: stated.get("api.connectionAgeMs"),
      ops: stated.get("ops.listen"),
      level: stated.get("log.level"),
      store: stated.get("store.listen"),
      relay: stated.get("relay.listen"),
      cliPath: stated.get("enclave.nitro.cliPath"),
    },
    {
      listen: encodeAddress(api.listen),
      queueCount: String(api.queueCount),
      deadlineMs: String(api.deadlineMs),
      keepAliveMs: String(api.keepAliveMs),
      connectionAgeMs: String(api.connectionAgeMs),
      ops: encodeAddress(ops.listen),
      level: log.level,
      store: `${encodeAddress(store.listen)} over vsock, else required`,
      relay: `${encodeAddress(relay.listen)} over vsock, else required`,
      cliPath: enclave.kind === "nitro" ? enclave.cliPath : "",
    },
  );
});
