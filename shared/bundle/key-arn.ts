// The full ARN of a KMS key. Aliases, bare ids and other services' ARNs are refused: a name that
// somebody else can point at another key is no name (nitro-kms.md §4 "Attack classes").

import { type Result, err, ok } from "../result.ts";

export const KEY_ARN_LENGTH_MAX = 256;

const KEY_ARN =
  /^arn:(?<partition>aws[a-z-]*):kms:(?<region>[a-z0-9-]+):(?<account>[0-9]{12}):key\/(?<keyId>[A-Za-z0-9-]+)$/;

export type KeyArn = {
  readonly text: string;
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  readonly keyId: string;
};

export function parseKeyArn(text: string): Result<KeyArn, "KEY_ARN"> {
  if (text.length > KEY_ARN_LENGTH_MAX) return err("KEY_ARN");
  const groups = KEY_ARN.exec(text)?.groups;
  if (groups === undefined) return err("KEY_ARN");
  const { partition, region, account, keyId } = groups;
  if (partition === undefined || region === undefined) return err("KEY_ARN");
  if (account === undefined || keyId === undefined) return err("KEY_ARN");
  return ok({ text, partition, region, account, keyId });
}
