// Every example of docs/deploy-nitro.md goes through the parser, or the evaluator, that it is for.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { parseManifest } from "../../../enclave/core/manifest.ts";
import { parseConfig } from "../../../parent/ops/config.ts";
import { evaluateKeyPolicy } from "../../../scripts/local/kms-policy.ts";
import { isSecretPrefix } from "../../../shared/bundle/chunks.ts";
import { type CommandName, checkCalls } from "./command-call.ts";
import { blocksOf, ROOT, rowsOf } from "./page.ts";

const PAGE = "deploy-nitro.md";
const [
  trust = "",
  role = "",
  closed = "",
  manifest = "",
  alarms = "",
  consensusManifest = "",
  privval = "",
  ...more
] = blocksOf(PAGE, "json");
const ACCOUNT = "111122223333";
const ADMIN = `arn:aws:iam::${ACCOUNT}:role/redoubt-kms-admin`;
const PARENT = `arn:aws:iam::${ACCOUNT}:role/redoubt-parent`;
const NONE: readonly string[] = [];

const iamSchema = z.strictObject({
  Version: z.literal("2012-10-17"),
  Statement: z.array(
    z.strictObject({
      Sid: z.string().optional(),
      Effect: z.literal("Allow"),
      Principal: z.strictObject({ Service: z.literal("ec2.amazonaws.com") }).optional(),
      Action: z.string(),
      Resource: z.string().optional(),
    }),
  ),
});

test("docs/deploy-nitro.md has no example that is not tested here", () => {
  assert.deepEqual(more, NONE);
});

test("the role of docs/deploy-nitro.md is assumed by EC2 only", () => {
  const { Statement } = iamSchema.parse(JSON.parse(trust));
  assert.deepEqual(
    Statement.map(({ Action, Principal }) => [Action, Principal?.Service]),
    [["sts:AssumeRole", "ec2.amazonaws.com"]],
  );
});

test("the role of docs/deploy-nitro.md may decrypt with one key and read secrets of one prefix", () => {
  const { Statement } = iamSchema.parse(JSON.parse(role));
  const parsed = parseManifest(new TextEncoder().encode(manifest));
  assert.ok(parsed.ok);
  const secrets = `arn:aws:secretsmanager:eu-central-1:${ACCOUNT}:secret:`;
  assert.deepEqual(
    Statement.map(({ Action, Resource }) => [Action, Resource]),
    [
      ["kms:Decrypt", parsed.value.kmsKeyArn],
      ["secretsmanager:GetSecretValue", `${secrets}redoubt/bundles/*`],
    ],
  );
  assert.ok(isSecretPrefix("redoubt/bundles"));
});

function ask(principalArn: string, action: string): string {
  return evaluateKeyPolicy(closed, { principalArn, action, context: new Map() });
}

test("the first policy of docs/deploy-nitro.md lets its administrator change it, and nobody decrypt", () => {
  assert.equal(ask(ADMIN, "kms:PutKeyPolicy"), "allowed");
  for (const principal of [ADMIN, PARENT]) {
    for (const action of ["kms:Decrypt", "kms:CreateGrant", "kms:GenerateDataKey"]) {
      assert.equal(ask(principal, action), "denied", `${principal} ${action}`);
    }
  }
});

test("the manifest of docs/deploy-nitro.md is one that the enclave takes", () => {
  const parsed = parseManifest(new TextEncoder().encode(manifest));
  assert.ok(parsed.ok, parsed.ok ? "" : String(parsed.error.detail));
  assert(parsed.value.family === "ethereum");
  assert.equal(parsed.value.ethereum.network.name, "mainnet");
});

test("the Tendermint manifest of docs/deploy-nitro.md is of the same KMS key, and one that the enclave takes", () => {
  const parsed = parseManifest(new TextEncoder().encode(consensusManifest));
  assert.ok(parsed.ok, parsed.ok ? "" : String(parsed.error.detail));
  assert(parsed.value.family === "tendermint");
  assert.deepEqual(
    parsed.value.chains.map(({ chainId, keys }) => [chainId, keys.length]),
    [["cosmoshub-4", 1]],
  );
  const ofEthereum = parseManifest(new TextEncoder().encode(manifest));
  assert.equal(ofEthereum.ok && ofEthereum.value.kmsKeyArn, parsed.value.kmsKeyArn);
});

test("the part privval of docs/deploy-nitro.md goes into the parent's example, for the manifest's chain", () => {
  const example: unknown = JSON.parse(
    readFileSync(join(ROOT, "deploy/systemd/parent.json"), "utf8"),
  );
  const text = JSON.stringify({ ...Object(example), ...Object(JSON.parse(privval)) });
  const config = parseConfig(new TextEncoder().encode(text), "/etc/redoubt");
  assert.ok(config.ok, config.ok ? "" : config.error.problems.join("; "));
  assert.deepEqual(
    config.value.privval?.nodes.map(({ chainId }) => chainId),
    ["cosmoshub-4", "cosmoshub-4"],
  );
});

test("the rule of docs/deploy-nitro.md rings for what takes keys away or lets somebody in", () => {
  const schema = z.strictObject({
    source: z.tuple([z.literal("aws.kms")]),
    "detail-type": z.tuple([z.literal("AWS API Call via CloudTrail")]),
    detail: z.strictObject({
      eventSource: z.tuple([z.literal("kms.amazonaws.com")]),
      eventName: z.array(z.string()),
    }),
  });
  const { eventName } = schema.parse(JSON.parse(alarms)).detail;
  for (const name of ["PutKeyPolicy", "CreateGrant", "ScheduleKeyDeletion"]) {
    assert.ok(eventName.includes(name), name);
  }
});

test("docs/deploy-nitro.md says what to look at for each code that finding the enclave has", () => {
  const codes = rowsOf(PAGE).flatMap(([codes = ""]) => codes.match(/[A-Z]+(?:_[A-Z]+)+/g) ?? []);
  for (const code of ["VSOCK_UNAVAILABLE", "ENCLAVE_ABSENT", "NITRO_CLI_FAILED", "KMS_DENIED"]) {
    assert.ok(codes.includes(code), code);
  }
});

const CALL_COUNTS: readonly (readonly [name: CommandName, count: number])[] = [
  ["policy", 2],
  ["seal", 2],
  ["state", 4],
  ["verify", 1],
];

for (const [name, count] of CALL_COUNTS) {
  test(`docs/deploy-nitro.md calls redoubt ${name} as it wants to be called`, () =>
    checkCalls(PAGE, name, count));
}
