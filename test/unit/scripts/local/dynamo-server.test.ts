import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  UpdateTableCommand,
} from "@aws-sdk/client-dynamodb";
import {
  type DynamoFault,
  SERVER_FAILURE,
  THROTTLE,
} from "../../../../scripts/local/dynamo-server.ts";
import { isTableId, parseTableArn } from "../../../../shared/table-arn.ts";
import { LocalDynamo } from "../../../fakes/local-dynamo.ts";

const TABLE = "redoubt-test";
const KEY = Uint8Array.of(1, 2, 3);

async function createTable(client: DynamoDBClient, isProtected = false): Promise<void> {
  await client.send(
    new CreateTableCommand({
      ...(isProtected ? { DeletionProtectionEnabled: true } : {}),
      TableName: TABLE,
      AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
      KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
  for (;;) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: TABLE }));
    if (Table?.TableStatus === "ACTIVE") return;
  }
}

function put(client: DynamoDBClient, version: number) {
  return client.send(
    new PutItemCommand({
      TableName: TABLE,
      Item: { k: { B: KEY }, v: { N: String(version) } },
      ConditionExpression: version === 1 ? "attribute_not_exists(k)" : "v = :before",
      ...(version === 1
        ? {}
        : { ExpressionAttributeValues: { ":before": { N: String(version - 1) } } }),
    }),
  );
}

async function versionOf(client: DynamoDBClient): Promise<string | undefined> {
  const wish = { TableName: TABLE, Key: { k: { B: KEY } }, ConsistentRead: true };
  const { Item } = await client.send(new GetItemCommand(wish));
  return Item?.["v"]?.N;
}

test("the local DynamoDB writes under conditions, and keeps its tables over a restart", async (t) => {
  const local = await LocalDynamo.start(t);
  const client = local.client();
  await createTable(client);
  await put(client, 1);
  await put(client, 2);
  await assert.rejects(put(client, 1), { name: "ConditionalCheckFailedException" });
  await assert.rejects(put(client, 2), { name: "ConditionalCheckFailedException" });
  const before = await client.send(new DescribeTableCommand({ TableName: TABLE }));
  await local.stop();
  await local.start();
  const again = local.client();
  assert.equal(await versionOf(again), "2");
  const after = await again.send(new DescribeTableCommand({ TableName: TABLE }));
  assert.equal(after.Table?.TableId, before.Table?.TableId);
  assert.equal(after.Table?.TableArn, before.Table?.TableArn);
});

test("the local DynamoDB describes tables as a manifest names them", async (t) => {
  const local = await LocalDynamo.start(t);
  const client = local.client();
  await createTable(client);
  const { Table } = await client.send(new DescribeTableCommand({ TableName: TABLE }));
  const arn = parseTableArn(Table?.TableArn ?? "");
  assert.ok(arn.ok);
  assert.deepEqual([arn.value.region, arn.value.name], ["eu-central-1", TABLE]);
  assert.ok(isTableId(Table?.TableId ?? ""));
  assert.deepEqual(Table?.KeySchema, [{ AttributeName: "k", KeyType: "HASH" }]);
});

test("the local DynamoDB keeps the protection that was asked for, and a new id for each table", async (t) => {
  const local = await LocalDynamo.start(t);
  const client = local.client();
  const wish = { TableName: TABLE };
  const describe = async (by: DynamoDBClient) => {
    const { Table } = await by.send(new DescribeTableCommand(wish));
    return { id: Table?.TableId, isProtected: Table?.DeletionProtectionEnabled };
  };
  await createTable(client, true);
  const first = await describe(client);
  assert.equal(first.isProtected, true);
  await local.stop();
  await local.start();
  const again = local.client();
  assert.deepEqual(await describe(again), first);
  await assert.rejects(again.send(new DeleteTableCommand(wish)), { name: "ValidationException" });
  await again.send(new UpdateTableCommand({ ...wish, DeletionProtectionEnabled: false }));
  assert.deepEqual(await describe(again), { ...first, isProtected: false });
  await again.send(new DeleteTableCommand(wish));
  while ((await again.send(new ListTablesCommand({}))).TableNames?.length !== 0);
  await createTable(again);
  const second = await describe(again);
  assert.equal(second.isProtected, false);
  assert.notEqual(second.id, first.id);
});

test("the local DynamoDB refuses another signature and an unknown key, and does nothing", async (t) => {
  const local = await LocalDynamo.start(t);
  await createTable(local.client());
  const wrong = local.client({ secretAccessKey: "another/secret+access/key+of/forty+chars" });
  await assert.rejects(put(wrong, 1), { name: "InvalidSignatureException" });
  const stranger = local.client({ accessKeyId: "AKIASTRANGERSTRANGER" });
  await assert.rejects(put(stranger, 1), { name: "UnrecognizedClientException" });
  assert.equal(await versionOf(local.client()), undefined);
});

test("the local DynamoDB has the faults that a test asks for", async (t) => {
  const local = await LocalDynamo.start(t);
  const client = local.client();
  await createTable(client);
  const once = (fault: DynamoFault): void => {
    local.fault = (operation) => {
      assert.equal(operation, "PutItem");
      local.fault = () => undefined;
      return fault;
    };
  };
  once(THROTTLE);
  await assert.rejects(put(client, 1), { name: "ProvisionedThroughputExceededException" });
  once(SERVER_FAILURE);
  await assert.rejects(put(client, 1), { name: "InternalServerError" });
  once({ kind: "drop-request" });
  await assert.rejects(put(client, 1));
  assert.equal(await versionOf(client), undefined);
  once({ kind: "drop-answer" });
  await assert.rejects(put(client, 1));
  assert.equal(await versionOf(client), "1");
  once({ kind: "delay", delayMs: 1 });
  await put(client, 2);
  assert.equal(await versionOf(client), "2");
});
