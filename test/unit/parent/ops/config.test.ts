import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig, readConfig } from "../../../../parent/ops/config.ts";
import { encodeAddress } from "../../../../shared/address.ts";
import {
  hasOperation,
  IS_DEFAULT_OPERATION,
  OPERATION_KINDS,
} from "../../../../shared/operation.ts";

const FINGERPRINT = "ab".repeat(32);
const KEY = `0x${"aa".repeat(48)}`;

type Json = Record<string, unknown>;

function fullFile(): Json {
  return {
    enclave: { address: "unix:///run/redoubt/enclave.sock" },
    manifest: "manifest.json",
    bundles: [
      { kind: "directory", path: "bundles" },
      {
        kind: "secrets-manager",
        region: "eu-central-1",
        prefix: "redoubt/",
        endpoint: "https://127.0.0.1:9443",
        caFile: "ca.crt",
      },
    ],
    credentials: { kind: "imds", baseUrl: "http://169.254.169.254" },
    store: { listen: "unix:///run/redoubt/store.sock", path: "state.sqlite" },
    relay: {
      listen: "unix:///run/redoubt/relay.sock",
      allow: ["kms.eu-central-1.amazonaws.com:443"],
      hosts: { "kms.eu-central-1.amazonaws.com:443": "127.0.0.1:9443" },
    },
    api: {
      listen: "tcp://127.0.0.1:9000",
      tls: {
        certFile: "server.crt",
        keyFile: "/etc/redoubt/server.key",
        clientCaFile: "ca.crt",
        crlFile: "ca.crl",
      },
      clients: [
        {
          name: "lighthouse",
          fingerprint: FINGERPRINT.toUpperCase().replaceAll(/(..)(?=.)/g, "$1:"),
          keys: "all",
          operations: "default",
          ratePerSecond: 100,
          rateBurst: 200,
          sources: ["10.0.0.0/8"],
        },
        {
          name: "exits",
          spiffe: "spiffe://example.org/exits",
          keys: [KEY.toUpperCase().replace("0X", "0x")],
          operations: ["VOLUNTARY_EXIT"],
        },
      ],
      sources: ["10.0.0.0/8", "::1"],
      queueCount: 10,
      deadlineMs: 1000,
      keepAliveMs: 60_000,
      connectionAgeMs: 60_000,
    },
    ops: { listen: "tcp://127.0.0.1:9001" },
    admin: { listen: "unix:///run/redoubt/admin.sock" },
    log: { level: "warn" },
  };
}

function parse(file: unknown) {
  return parseConfig(new TextEncoder().encode(JSON.stringify(file)), "/etc/redoubt");
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null;
}

/** Sets, or with undefined removes, what `path` names. */
function withChange(path: string, value: unknown): Json {
  const file = fullFile();
  const parts = path.split(".");
  const last = parts.pop() ?? "";
  let at: Json = file;
  for (const part of parts) {
    const next = at[part];
    assert.ok(isJson(next), path);
    at = next;
  }
  if (value === undefined) delete at[last];
  else at[last] = value;
  return file;
}

test("parseConfig takes every field, and makes paths absolute", () => {
  const config = parse(fullFile());
  assert.ok(config.ok, JSON.stringify(config));
  const { api, store, manifest, bundles } = config.value;
  assert.equal(manifest, "/etc/redoubt/manifest.json");
  assert.equal(store.path, "/etc/redoubt/state.sqlite");
  assert.deepEqual(bundles[0], { kind: "directory", path: "/etc/redoubt/bundles" });
  assert.deepEqual(api.tls, {
    certFile: "/etc/redoubt/server.crt",
    keyFile: "/etc/redoubt/server.key",
    clientCaFile: "/etc/redoubt/ca.crt",
    crlFile: "/etc/redoubt/ca.crl",
  });
  assert.equal(api.clients[0]?.fingerprint, FINGERPRINT);
  assert.deepEqual(api.clients[1]?.keys, new Set([KEY]));
});

test("parseConfig fills in what may be left out", () => {
  const file = fullFile();
  delete file["ops"];
  delete file["log"];
  const { tls, clients } = isJson(file["api"]) ? file["api"] : {};
  file["api"] = { tls, clients };
  const config = parse(file);
  assert.ok(config.ok, JSON.stringify(config));
  assert.deepEqual(config.value.ops.listen, { kind: "tcp", host: "127.0.0.1", port: 9001 });
  assert.deepEqual(config.value.api.listen, { kind: "tcp", host: "127.0.0.1", port: 9000 });
  assert.equal(config.value.log.level, "info");
  assert.ok(config.value.api.keepAliveMs > 60_000);
});

const NITRO = { nitro: { name: "redoubt" } };

/** The least file of an EC2 instance: neither store nor relay say where they listen. */
function nitroFile(enclave: unknown): Json {
  const { store, relay, ...rest } = fullFile();
  assert.ok(isJson(store) && isJson(relay));
  delete store["listen"];
  delete relay["listen"];
  return { ...rest, enclave, store, relay };
}

for (const enclave of [NITRO, { address: "vsock://16:8000" }]) {
  test(`parseConfig fills in the image's ports for ${JSON.stringify(enclave)}`, () => {
    const config = parse(nitroFile(enclave));
    assert.ok(config.ok, JSON.stringify(config));
    const { store, relay } = config.value;
    assert.equal(encodeAddress(store.listen), "vsock://4294967295:8001");
    assert.equal(encodeAddress(relay.listen), "vsock://4294967295:8002");
  });
}

test("parseConfig takes the name of a Nitro enclave, and where nitro-cli is", () => {
  const config = parse(nitroFile(NITRO));
  assert.ok(config.ok);
  const expected = { kind: "nitro", name: "redoubt", cliPath: "/usr/bin/nitro-cli" };
  assert.deepEqual(config.value.enclave, expected);
  const other = parse(nitroFile({ nitro: { name: "a_B-9", cliPath: "/opt/nitro-cli" } }));
  assert.ok(other.ok);
  assert.deepEqual(other.value.enclave, {
    kind: "nitro",
    name: "a_B-9",
    cliPath: "/opt/nitro-cli",
  });
});

test("parseConfig keeps the listeners that the file states, over vsock too", () => {
  const config = parse({ ...fullFile(), enclave: NITRO });
  assert.ok(config.ok);
  assert.equal(encodeAddress(config.value.store.listen), "unix:///run/redoubt/store.sock");
});

test("parseConfig wants the listeners when the enclave does not come over vsock", () => {
  const config = parse(nitroFile({ address: "unix:///run/redoubt/enclave.sock" }));
  assert.ok(!config.ok);
  assert.deepEqual(
    config.error.problems.map((problem) => problem.split(":")[0]),
    ["store.listen", "relay.listen"],
  );
});

test("default operations are all but exits and deposits", () => {
  const config = parse(fullFile());
  assert.ok(config.ok);
  const [lighthouse, exits] = config.value.api.clients;
  for (const kind of OPERATION_KINDS) {
    const isDefault = kind !== "VOLUNTARY_EXIT" && kind !== "DEPOSIT";
    assert.equal(IS_DEFAULT_OPERATION[kind], isDefault, kind);
    assert.equal(hasOperation(lighthouse?.operations ?? 0, kind), isDefault, kind);
    assert.equal(hasOperation(exits?.operations ?? 0, kind), kind === "VOLUNTARY_EXIT", kind);
  }
});

/** What is changed, to what, and the path that the problem must name. */
const REFUSED: readonly (readonly [path: string, value: unknown, named?: string])[] = [
  ["surprise", 1, "the file"],
  ["api.tls.clientCAFile", "x", "api.tls"],
  ["api.clients.0.source", ["10.0.0.0/8"], "api.clients[0]"],
  ["enclave", undefined],
  ["manifest", ""],
  ["manifest", "a\0b"],
  ["enclave.address", "unix://relative.sock"],
  ["enclave.address", "https://localhost"],
  ["enclave.address", undefined, "enclave: "],
  ["enclave.nitro", { name: "redoubt" }, "enclave: "],
  ["enclave", { nitro: {} }, "enclave.nitro.name"],
  ["enclave", { nitro: { name: "" } }, "enclave.nitro.name"],
  ["enclave", { nitro: { name: "--all", x: 1 } }, "enclave.nitro"],
  ["enclave", { nitro: { name: "a b" } }, "enclave.nitro.name"],
  ["enclave", { nitro: { name: "a".repeat(65) } }, "enclave.nitro.name"],
  ["enclave", { nitro: { name: "a", cliPath: "nitro-cli" } }, "enclave.nitro.cliPath"],
  ["admin.listen", "tcp://127.0.0.1:9002"],
  ["ops.listen", "unix:///run/ops.sock"],
  ["api.listen", "unix:///run/api.sock"],
  ["bundles", []],
  ["bundles.0.kind", "ftp"],
  ["bundles.1.region", "Frankfurt"],
  ["bundles.1.endpoint", "file:///etc/passwd"],
  ["credentials.baseUrl", "not a url"],
  ["relay.allow", ["kms"]],
  ["relay.hosts", { "sts.eu-central-1.amazonaws.com:443": "127.0.0.1:1" }],
  ["log.level", "debug"],
  ["api.tls.keyFile", undefined],
  ["api.clients.0.name", "a b"],
  ["api.clients.0.name", "exits", "api.clients[1].name"],
  ["api.clients.0.fingerprint", "abcd"],
  ["api.clients.0.fingerprint", undefined, "api.clients[0]"],
  ["api.clients.0.spiffe", "spiffe://example.org/a", "api.clients[0]"],
  ["api.clients.1.spiffe", "spiffe://example.org"],
  ["api.clients.0.keys", "every"],
  ["api.clients.1.keys", ["0xaa"], "api.clients[1].keys"],
  ["api.clients.0.operations", ["SIGN_ANYTHING"], "api.clients[0].operations"],
  ["api.clients.0.operations", []],
  ["api.clients.0.ratePerSecond", 0],
  ["api.clients.0.ratePerSecond", undefined, "api.clients[0]"],
  ["api.clients.0.sources", ["10.0.0.0/33"], "api.clients[0].sources[0]"],
  ["api.clients.0.sources", []],
  ["api.queueCount", 0],
  ["api.queueCount", 1e9],
  ["api.deadlineMs", 1.5],
  ["api.keepAliveMs", "60s"],
];

for (const [path, value, named] of REFUSED) {
  test(`parseConfig refuses ${path} = ${JSON.stringify(value) ?? "nothing"}, and names it`, () => {
    const config = parse(withChange(path, value));
    assert.ok(!config.ok);
    assert.equal(config.error.code, "CONFIG_MALFORMED");
    const expected = named ?? path.replaceAll(/\.(\d+)/g, "[$1]");
    const problems = config.error.problems.join("\n");
    assert.ok(problems.startsWith(expected), problems);
  });
}

test("parseConfig refuses what is not JSON, or not UTF-8", () => {
  for (const bytes of [new TextEncoder().encode("{"), Uint8Array.of(0x22, 0xff, 0x22)]) {
    const config = parseConfig(bytes, "/");
    assert.ok(!config.ok);
    assert.equal(config.error.code, "CONFIG_MALFORMED");
  }
});

test("readConfig says which file it could not read", async () => {
  const config = await readConfig("/nonexistent/redoubt.json");
  assert.ok(!config.ok);
  assert.equal(config.error.code, "CONFIG_UNREADABLE");
  assert.deepEqual(config.error.problems, ["/nonexistent/redoubt.json: ENOENT"]);
});
