// AWS partitions: which regions each has, and under which domain its services answer. A service's
// host follows from an ARN alone, so that nobody but the measured configuration says whom the
// enclave talks to. It must never take a partition whose hosts and roots we don't know.

type Partition = { readonly region: RegExp; readonly domain: string };

/** Regions are named by partition: `cn-north-1` is in no other than `aws-cn`. */
const PARTITIONS: ReadonlyMap<string, Partition> = new Map([
  ["aws", { region: /^(?!cn-|us-gov-|us-iso)[a-z]{2}-[a-z]+-\d$/, domain: "amazonaws.com" }],
  ["aws-cn", { region: /^cn-[a-z]+-\d$/, domain: "amazonaws.com.cn" }],
  ["aws-us-gov", { region: /^us-gov-[a-z]+-\d$/, domain: "amazonaws.com" }],
]);

/** The regional endpoint of a service; undefined when the partition has no such region. */
export function serviceHost(
  service: "kms" | "dynamodb",
  partitionName: string,
  region: string,
): string | undefined {
  const partition = PARTITIONS.get(partitionName);
  if (partition === undefined || !partition.region.test(region)) return undefined;
  return `${service}.${region}.${partition.domain}`;
}
