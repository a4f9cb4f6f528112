// ARNs of KMS keys, and the host that serves them. The host follows from the ARN alone, so that
// nobody but the measured configuration says whom the enclave talks to. It must never take an
// alias, another service's ARN, or a partition whose hosts and roots we don't know.

import { err, ok, type Result } from "./result.ts";

export type KeyArn = {
  readonly text: string;
  readonly region: string;
  /** The endpoint of the ARN's region. TLS checks this name. */
  readonly host: string;
};

type Partition = { readonly region: RegExp; readonly domain: string };

/** Regions are named by partition: `cn-north-1` is in no other than `aws-cn`. */
const PARTITIONS: ReadonlyMap<string, Partition> = new Map([
  ["aws", { region: /^(?!cn-|us-gov-|us-iso)[a-z]{2}-[a-z]+-\d$/, domain: "amazonaws.com" }],
  ["aws-cn", { region: /^cn-[a-z]+-\d$/, domain: "amazonaws.com.cn" }],
  ["aws-us-gov", { region: /^us-gov-[a-z]+-\d$/, domain: "amazonaws.com" }],
]);

/** A UUID, or the id of a multi-region key. */
const KEY_ARN =
  /^arn:([a-z-]{3,16}):kms:([a-z0-9-]{6,24}):\d{12}:key\/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;

export function parseKeyArn(text: string): Result<KeyArn, "KEY_ARN"> {
  const [, partitionName = "", region = ""] = KEY_ARN.exec(text) ?? [];
  const partition = PARTITIONS.get(partitionName);
  if (partition === undefined || !partition.region.test(region)) return err("KEY_ARN");
  return ok({ text, region, host: `kms.${region}.${partition.domain}` });
}
