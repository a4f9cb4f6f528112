// ARNs of DynamoDB tables, and the host that serves them. It must never take an index, a stream or
// a backup for a table.

import { serviceHost } from "./aws-partition.ts";
import { err, ok, type Result } from "./result.ts";

export type TableArn = {
  readonly text: string;
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
  readonly name: string;
  /** The endpoint of the ARN's region. TLS checks this name. */
  readonly host: string;
};

/** Names as DynamoDB takes them: 3 to 255 letters, digits, `_`, `-`, `.`. */
const TABLE_ARN =
  /^arn:([a-z-]{3,16}):dynamodb:([a-z0-9-]{6,24}):(\d{12}):table\/([A-Za-z0-9_.-]{3,255})$/;
const TABLE_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function parseTableArn(text: string): Result<TableArn, "TABLE_ARN"> {
  const [, partition = "", region = "", account = "", name = ""] = TABLE_ARN.exec(text) ?? [];
  const host = serviceHost("dynamodb", partition, region);
  return host === undefined ? err("TABLE_ARN") : ok({ text, region, account, name, host });
}

/** The UUID that DynamoDB gives each table when it is created, restored or imported. */
export function isTableId(text: string): boolean {
  return TABLE_ID.test(text);
}
