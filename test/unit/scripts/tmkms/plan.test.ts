import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTmkmsConfig } from "../../../../scripts/tmkms/config.ts";
import { type MigrationPlan, planMigration } from "../../../../scripts/tmkms/plan.ts";
import { TMKMS_EXAMPLE } from "../../../fakes/tmkms-config.ts";

const FOLDER = "/etc/tmkms";

function plan(text: string, ...only: readonly string[]) {
  const config = parseTmkmsConfig(new TextEncoder().encode(text));
  assert.ok(config.ok, config.ok ? "" : config.error.join());
  return planMigration(config.value, FOLDER, only.length === 0 ? null : new Set(only));
}

function planOf(text: string, ...only: readonly string[]): MigrationPlan {
  const planned = plan(text, ...only);
  assert.ok(planned.ok, planned.ok ? "" : planned.error.join());
  return planned.value;
}

function placesOf(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.slice(0, line.indexOf(": ")));
}

function problemsOf(from: string, to: string): readonly string[] {
  assert.ok(TMKMS_EXAMPLE.includes(from));
  const planned = plan(TMKMS_EXAMPLE.replace(from, to));
  return planned.ok ? [] : placesOf(planned.error);
}

describe("planMigration", () => {
  it("takes over chains with a softsign key, their heights and paths", () => {
    const { chains } = planOf(TMKMS_EXAMPLE);
    assert.deepEqual(
      chains.map(({ chainId, keyFile, stateFile, maxHeight }) => [
        chainId,
        keyFile.kind,
        keyFile.path,
        stateFile,
        maxHeight,
      ]),
      [
        [
          "cosmoshub-4",
          "tmkms",
          "/etc/tmkms/secrets/cosmoshub-4.key",
          "/etc/tmkms/state/cosmoshub-4.json",
          500_000n,
        ],
        [
          "osmosis-1",
          "json",
          "/etc/tmkms/secrets/priv_validator_key.json",
          "/etc/tmkms/osmosis-1_priv_validator_state.json",
          null,
        ],
      ],
    );
  });

  it("takes over nodes in the parent's form, with the peers that were pinned", () => {
    const { nodes, identityFile } = planOf(TMKMS_EXAMPLE);
    assert.deepEqual(nodes, [
      {
        chainId: "cosmoshub-4",
        address: "tcp://f88883b673fc69d7869cab098de3bafc2ff76eb8@10.0.1.10:26659",
      },
      { chainId: "cosmoshub-4", address: "tcp://10.0.2.10:26659" },
      { chainId: "osmosis-1", address: "unix:///etc/tmkms/run/osmosis.sock" },
    ]);
    assert.equal(identityFile, "/etc/tmkms/kms-identity.key");
  });

  it("names each key and chain that is lost, and each setting that has no counterpart", () => {
    const { leftOut, notes } = planOf(TMKMS_EXAMPLE);
    assert.deepEqual(placesOf(leftOut), [
      "chain[2] (irishub)",
      "validator[3] (irishub)",
      "providers.yubihsm[0].keys[0] (irishub)",
      "providers.ledgertm[0] (irishub)",
      "providers.fortanixdsm[0].signing_keys[0] (irishub)",
    ]);
    assert.deepEqual(placesOf(notes), [
      "chain[0].state_hook",
      "chain[0].sign_extensions",
      "validator[1].reconnect",
      "validator[1].timeout",
      "validator[1].protocol_version",
      "validator[2].protocol_version",
      "providers.softsign[2].key_type",
      "providers.yubihsm[0].keys[1].type",
      "providers.yubihsm[0].connector_server",
      "validator[1].secret_key",
      "validator[1].max_height",
    ]);
    assert.ok(![...leftOut, ...notes].join().includes("hunter2"));
  });

  it("takes the lowest of several heights of a chain", () => {
    const text = TMKMS_EXAMPLE.replace("timeout = 5", 'timeout = 5\nmax_height = "499999"');
    const { chains, notes } = planOf(text);
    assert.equal(chains[0]?.maxHeight, 499_999n);
    assert.ok(placesOf(notes).includes("validator[0].max_height"));
  });

  it("leaves out, without a word, only chains that were not asked for", () => {
    const { chains, nodes, leftOut, notes } = planOf(TMKMS_EXAMPLE, "osmosis-1");
    assert.deepEqual(
      chains.map(({ chainId }) => chainId),
      ["osmosis-1"],
    );
    assert.equal(nodes.length, 1);
    assert.deepEqual(leftOut, []);
    assert.deepEqual(placesOf(notes), [
      "validator[2].protocol_version",
      "providers.softsign[2].key_type",
      "providers.yubihsm[0].connector_server",
    ]);
  });

  it("notes a chain that no node asks for", () => {
    const text = TMKMS_EXAMPLE.replace(
      '"unix://run/osmosis.sock"\nchain_id = "osmosis-1"',
      '"unix://run/osmosis.sock"\nchain_id = "irishub"',
    );
    assert.ok(placesOf(planOf(text).notes).includes("osmosis-1"));
  });

  it("refuses what can't be one key, one chain, one dialer, and says where", () => {
    const rows: readonly (readonly [from: string, to: string, place: string])[] = [
      ['chain_ids = ["osmosis-1"]', 'chain_ids = ["other"]', "providers.softsign[1].chain_ids"],
      [
        'chain_ids = ["osmosis-1"]',
        'chain_ids = ["osmosis-1", "irishub"]',
        "providers.softsign[1].chain_ids",
      ],
      [
        'chain_ids = ["osmosis-1"]',
        'chain_ids = ["cosmoshub-4"]',
        "providers.softsign[1].chain_ids",
      ],
      ['id = "irishub"', 'id = "osmosis-1"', "chain[2].id"],
      ['secret_key = "kms-identity.key"', "", "validator[0].secret_key"],
      ["10.0.2.10", "10.0.1.10", "validator[1].addr"],
      ["tcp://f888", "http://f888", "validator[0].addr"],
      ["f88883b6", "f888", "validator[0].addr"],
      [
        '"unix:///run/iris.sock"\nchain_id = "irishub"',
        '"unix:///run/iris.sock"\nchain_id = "iris"',
        "validator[3].chain_id",
      ],
    ];
    for (const [from, to, place] of rows) {
      const problems = problemsOf(from, to);
      assert.ok(problems.includes(place), `${to}: ${problems.join()}`);
    }
  });

  it("refuses a file of which nothing would be left", () => {
    assert.equal(plan(TMKMS_EXAMPLE, "irishub").ok, false);
  });
});
