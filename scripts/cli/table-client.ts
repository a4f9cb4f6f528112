// What `redoubt table` asks DynamoDB, over the AWS SDK. It must never change a table that is there,
// and never print what the SDK says of a request (it may hold credentials).

import {
  CreateTableCommand,
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DynamoDBClient,
  type TableDescription,
  UpdateContinuousBackupsCommand,
} from "@aws-sdk/client-dynamodb";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AwsOptions } from "./aws-options.ts";
import { awsClientConfig, reasonOf } from "./data-key.ts";

export type TableClient = {
  /** Null when there is no such table. */
  describe(name: string): Promise<Result<TableDescription | null, string>>;
  create(name: string): Promise<Result<null, string>>;
  enableRecovery(name: string): Promise<Result<null, string>>;
  hasRecovery(name: string): Promise<Result<boolean, string>>;
  close(): void;
};

export async function connectToTables(region: string, aws: AwsOptions): Promise<TableClient> {
  const client = new DynamoDBClient(await awsClientConfig(region, aws));
  return {
    describe: (TableName) =>
      attempt("DescribeTable", async () => {
        try {
          const answer = await client.send(new DescribeTableCommand({ TableName }));
          return answer.Table ?? null;
        } catch (error) {
          if (error instanceof Error && error.name === "ResourceNotFoundException") return null;
          throw error;
        }
      }),
    create: (TableName) =>
      attempt("CreateTable", async () => {
        await client.send(
          new CreateTableCommand({
            TableName,
            AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
            KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
            BillingMode: "PAY_PER_REQUEST",
            DeletionProtectionEnabled: true,
            SSESpecification: { Enabled: true },
          }),
        );
        return null;
      }),
    enableRecovery: (TableName) =>
      attempt("UpdateContinuousBackups", async () => {
        const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
        const wish = { TableName, PointInTimeRecoverySpecification };
        await client.send(new UpdateContinuousBackupsCommand(wish));
        return null;
      }),
    hasRecovery: (TableName) =>
      attempt("DescribeContinuousBackups", async () => {
        const answer = await client.send(new DescribeContinuousBackupsCommand({ TableName }));
        const recovery = answer.ContinuousBackupsDescription?.PointInTimeRecoveryDescription;
        return recovery?.PointInTimeRecoveryStatus === "ENABLED";
      }),
    close: () => client.destroy(),
  };
}

async function attempt<T>(name: string, act: () => Promise<T>): Promise<Result<T, string>> {
  try {
    return ok(await act());
  } catch (error) {
    return err(`DynamoDB ${name} failed: ${reasonOf(error)}`);
  }
}
