// ARNs of KMS keys, and the host that serves them. It must never take an alias or another service's
// ARN.

import { serviceHost } from "./aws-partition.ts";
import { err, ok, type Result } from "./result.ts";

export type KeyArn = {
  readonly text: string;
  readonly region: string;
  /** The endpoint of the ARN's region. TLS checks this name. */
  readonly host: string;
};

/** A UUID, or the id of a multi-region key. */
const KEY_ARN =
  /^arn:([a-z-]{3,16}):kms:([a-z0-9-]{6,24}):\d{12}:key\/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;

export function parseKeyArn(text: string): Result<KeyArn, "KEY_ARN"> {
  const [, partition = "", region = ""] = KEY_ARN.exec(text) ?? [];
  const host = serviceHost("kms", partition, region);
  return host === undefined ? err("KEY_ARN") : ok({ text, region, host });
}
