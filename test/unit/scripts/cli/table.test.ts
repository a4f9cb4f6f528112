import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TableDescription } from "@aws-sdk/client-dynamodb";
import { enclavePolicy, runTable } from "../../../../scripts/cli/table.ts";
import type { TableClient } from "../../../../scripts/cli/table-client.ts";
import { err, ok } from "../../../../shared/result.ts";
import { LocalDynamo, REGION } from "../../../fakes/local-dynamo.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const NAME = "redoubt-state";
const ARN = `arn:aws:dynamodb:${REGION}:111122223333:table/${NAME}`;
const ID = "12345678-1234-1234-1234-123456789abc";
const RIGHT: TableDescription = {
  TableArn: ARN,
  TableId: ID,
  TableStatus: "ACTIVE",
  KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
  DeletionProtectionEnabled: true,
};

function manifestWith(state: object): string {
  return JSON.stringify({
    redoubt: 1,
    kms: { keyArn: KEY_ARN },
    state,
    ethereum: { network: "hoodi" },
    groups: [{ name: "all", keys: "others", allow: ["ATTESTATION"] }],
  });
}

const STATE = { kind: "dynamodb", tableArn: ARN, tableId: ID, bootFloor: "off" };

type Made = { readonly state: { readonly tableArn: string }; readonly hasRecovery: boolean };

function optionsOf(local: LocalDynamo): readonly string[] {
  const { endpoint, ca, credentialsFile } = local;
  return ["--endpoint", endpoint, "--ca", ca.certificatePath, "--credentials", credentialsFile];
}

/** A table that is made at once. */
class FakeTables implements TableClient {
  table: TableDescription | null;
  recovery: ReturnType<TableClient["hasRecovery"]> = Promise.resolve(ok(true));
  readonly calls: string[] = [];

  constructor(table: TableDescription | null) {
    this.table = table;
  }

  describe() {
    return Promise.resolve(ok(this.table));
  }

  create(name: string) {
    this.calls.push(`create ${name}`);
    this.table = RIGHT;
    return Promise.resolve(ok(null));
  }

  enableRecovery(name: string) {
    this.calls.push(`recovery ${name}`);
    return Promise.resolve(ok(null));
  }

  hasRecovery() {
    return this.recovery;
  }

  close(): void {
    this.calls.push("close");
  }
}

test("table create makes a table that table check finds right, once", async (t) => {
  const local = await LocalDynamo.start(t);
  const create = ["create", "--region", REGION, "--name", NAME, ...optionsOf(local)];
  const made = await runTable([...create, "--without-recovery", "--json"]);
  assert.equal(made.exitCode, 0, made.stderr);
  const { state, hasRecovery } = JSON.parse(made.stdout) as Made; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own output
  assert.equal(hasRecovery, false);
  assert.notEqual(made.stderr, "");
  assert.equal(state.tableArn, `arn:aws:dynamodb:${REGION}:000000000000:table/${NAME}`);
  const again = await runTable([...create, "--without-recovery"]);
  assert.deepEqual([again.exitCode, again.stdout], [1, ""]);

  const manifest = join(local.folder, "manifest.json");
  await writeFile(manifest, manifestWith(state));
  const check = ["check", "--manifest", manifest, ...optionsOf(local)];
  const right = await runTable([...check, "--without-recovery"]);
  assert.equal(right.exitCode, 0, right.stdout);
  assert.equal(right.stdout.match(/^ok /gm)?.length, 6);
  const strict = await runTable(check);
  assert.equal(strict.exitCode, 1);
  assert.match(strict.stdout, /^FAIL point-in-time recovery/m);
});

test("table create fails when recovery can't be switched on, unless told to go on", async (t) => {
  const local = await LocalDynamo.start(t);
  const made = await runTable(["create", "--region", REGION, "--name", NAME, ...optionsOf(local)]);
  assert.deepEqual([made.exitCode, made.stdout], [1, ""]);
  assert.match(made.stderr, /point-in-time recovery could not be switched on/);
});

test("table create prints the state and the least policy, and touches no table that is there", async () => {
  const tables = new FakeTables(null);
  const args = ["create", "--region", REGION, "--name", NAME, "--json"];
  const made = await runTable(args, () => Promise.resolve(tables));
  assert.deepEqual(JSON.parse(made.stdout), {
    state: STATE,
    policy: enclavePolicy(ARN),
    hasRecovery: true,
  });
  assert.deepEqual(enclavePolicy(ARN).Statement, [
    {
      Sid: "RedoubtState",
      Effect: "Allow",
      Action: [
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:PutItem",
      ],
      Resource: ARN,
    },
  ]);
  assert.deepEqual(tables.calls, [`create ${NAME}`, `recovery ${NAME}`, "close"]);
  const there = new FakeTables(RIGHT);
  assert.equal((await runTable(args, () => Promise.resolve(there))).exitCode, 1);
  assert.deepEqual(there.calls, ["close"]);
});

test("table check fails on whatever differs, and names it", async (t) => {
  const { folder } = await LocalDynamo.start(t);
  const manifest = join(folder, "manifest.json");
  await writeFile(manifest, manifestWith(STATE));
  const rows: readonly (readonly [what: string, change: TableDescription])[] = [
    ["", {}],
    ["ARN", { TableArn: `${ARN}2` }],
    ["table id", { TableId: "12345678-1234-1234-1234-123456789abd" }],
    ["status", { TableStatus: "UPDATING" }],
    ["key schema", { AttributeDefinitions: [{ AttributeName: "k", AttributeType: "S" }] }],
    [
      "key schema",
      { KeySchema: [...(RIGHT.KeySchema ?? []), { AttributeName: "r", KeyType: "RANGE" }] },
    ],
    ["deletion protection", { DeletionProtectionEnabled: false }],
    ["replicas", { Replicas: [{ RegionName: "eu-west-1" }] }],
  ];
  const run = (tables: TableClient) =>
    runTable(["check", "--manifest", manifest], () => Promise.resolve(tables));
  for (const [what, change] of rows) {
    const { exitCode, stdout } = await run(new FakeTables({ ...RIGHT, ...change }));
    const failed = [...stdout.matchAll(/^FAIL ([^:]+):/gm)].map(([, name = ""]) => name);
    assert.deepEqual(failed, what === "" ? [] : [what]);
    assert.equal(exitCode, what === "" ? 0 : 1, what);
  }
  for (const recovery of [ok(false), err("UnknownOperationException")]) {
    const tables = new FakeTables(RIGHT);
    tables.recovery = Promise.resolve(recovery);
    assert.equal((await run(tables)).exitCode, 1);
  }
  assert.equal((await run(new FakeTables(null))).exitCode, 1);
});

test("table refuses wrong options as a wrong usage", async (t) => {
  const { folder } = await LocalDynamo.start(t);
  const parent = join(folder, "parent.json");
  await writeFile(parent, manifestWith({ kind: "parent" }));
  const create = ["create", "--region", REGION, "--name", NAME];
  const rows: readonly (readonly string[])[] = [
    [],
    ["drop"],
    ["create"],
    ["create", "--region", "here", "--name", NAME],
    ["create", "--region", REGION, "--name", "a"],
    [...create, "--manifest", parent],
    [...create, "--endpoint", "nowhere"],
    [...create, "--ca", join(folder, "nowhere")],
    [...create, "--credentials", join(folder, "nowhere")],
    [...create, "--unknown"],
    ["check"],
    ["check", "--manifest", join(folder, "nowhere")],
    ["check", "--manifest", parent],
    ["check", "--manifest", parent, "--name", NAME],
  ];
  for (const row of rows) assert.equal((await runTable(row)).exitCode, 2, row.join(" "));
});
