// `redoubt table`: makes the table of the shared state store, and compares one with a manifest. It
// must never change or take over a table that is there, and never make the enclave's credentials.

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { TableDescription } from "@aws-sdk/client-dynamodb";
import { parseManifest } from "../../enclave/core/manifest.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { isTableId, parseTableArn } from "../../shared/table-arn.ts";
import { parseOptions } from "./arguments.ts";
import { type AwsOptions, readCredentials } from "./aws-options.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";
import type { TableClient } from "./table-client.ts";

const USAGE = `redoubt table: the DynamoDB table of the shared state store

  redoubt table create --region R --name N [OPTION...]
  redoubt table check --manifest FILE [OPTION...]

create makes an empty table (hash key "k" of type B, on demand, encrypted, protected against
deletion, point-in-time recovery on) and prints what the manifest's "state" is then, and the policy
of the enclave's own IAM user, which may do nothing else. It never touches a table that is there.
check compares the table that a manifest names with the manifest and with what create makes.

Options
  --region R          region of the new table
  --name N            its name
  --manifest FILE     the manifest, with a state of kind "dynamodb"
  --without-recovery  point-in-time recovery may be off
  --endpoint URL      another endpoint of DynamoDB
  --ca PEM            the only trust anchors of that endpoint
  --credentials FILE  AWS credentials as JSON (default: AWS_* variables, profile, role)
  --json              one JSON document on stdout

create needs dynamodb:CreateTable, DescribeTable and UpdateContinuousBackups; check needs
DescribeTable and DescribeContinuousBackups.

Exit codes: 0 made, or all is as it should be; 1 refused or a failed check; 2 wrong use.

Example
  redoubt table create --region eu-central-1 --name redoubt-state
`;

export const command: Command = {
  name: "table",
  summary: "create or check the DynamoDB table of the shared state store",
  usage: USAGE,
  run: async (args) => printOutcome(await runTable(args)),
};

type Request = {
  readonly act: "create" | "check";
  readonly region: string;
  readonly name: string;
  /** Null for create. */
  readonly wanted: { readonly tableArn: string; readonly tableId: string } | null;
  readonly needsRecovery: boolean;
  readonly isJson: boolean;
  readonly aws: AwsOptions;
};

type Connect = (region: string, aws: AwsOptions) => Promise<TableClient>;

const OPTIONS = {
  region: { type: "string" },
  name: { type: "string" },
  manifest: { type: "string" },
  "without-recovery": { type: "boolean" },
  endpoint: { type: "string" },
  ca: { type: "string" },
  credentials: { type: "string" },
  json: { type: "boolean" },
} as const;

const ACTIVE_DEADLINE_MS = 120_000;
const POLL_MS = 500;

export async function runTable(
  args: readonly string[],
  connect: Connect = connectOverNetwork,
): Promise<Outcome> {
  const request = await parseRequest(args);
  if (!request.ok) {
    return { exitCode: 2, stdout: "", stderr: `redoubt table: ${request.error}; see --help\n` };
  }
  let client: TableClient;
  try {
    client = await connect(request.value.region, request.value.aws);
  } catch {
    return { exitCode: 2, stdout: "", stderr: "redoubt table: can't read the file of --ca\n" };
  }
  try {
    const act = request.value.act === "create" ? create : check;
    return await act(request.value, client);
  } finally {
    client.close();
  }
}

/** The AWS SDK is loaded here and not above: it takes longer than most commands do. */
async function connectOverNetwork(region: string, aws: AwsOptions): Promise<TableClient> {
  const { connectToTables } = await import("./table-client.ts");
  return connectToTables(region, aws);
}

async function parseRequest(args: readonly string[]): Promise<Result<Request, string>> {
  const [act, ...rest] = args;
  if (act !== "create" && act !== "check") return err("give create or check");
  const parsed = parseOptions(rest, OPTIONS);
  if (!parsed.ok) return parsed;
  const values = parsed.value;
  const endpoint = values.endpoint ?? null;
  if (endpoint !== null && !URL.canParse(endpoint)) return err("--endpoint must be a URL");
  const file = values.credentials;
  const credentials = file === undefined ? null : await readCredentials(file);
  if (credentials?.ok === false) return credentials;
  const common = {
    needsRecovery: values["without-recovery"] !== true,
    isJson: values.json === true,
    aws: { endpoint, caFile: values.ca ?? null, credentials: credentials?.value ?? null },
  };
  const { region, name, manifest } = values;
  if (act === "create") {
    if (manifest !== undefined) return err("--manifest is for check");
    if (region === undefined || !/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) {
      return err("--region must be an AWS region");
    }
    if (name === undefined || !/^[A-Za-z0-9_.-]{3,255}$/.test(name)) {
      return err("--name must be a table's: 3 to 255 letters, digits, _-.");
    }
    return ok({ ...common, act, region, name, wanted: null });
  }
  if (region !== undefined || name !== undefined) return err("--region and --name are for create");
  if (manifest === undefined) return err("--manifest is missing");
  const state = await readState(manifest);
  return state.ok ? ok({ ...common, act, ...state.value }) : state;
}

async function readState(
  file: string,
): Promise<Result<Pick<Request, "region" | "name" | "wanted">, string>> {
  const bytes = await readFile(file).catch(() => null);
  if (bytes === null) return err(`can't read ${file}`);
  const manifest = parseManifest(bytes);
  if (!manifest.ok) return err(`${file} is no manifest`);
  const { state } = manifest.value;
  if (state.kind !== "dynamodb") return err(`${file} keeps its state with the parent`);
  const { region, name, text: tableArn } = state.table;
  return ok({ region, name, wanted: { tableArn, tableId: state.tableId } });
}

async function create(request: Request, client: TableClient): Promise<Outcome> {
  const { name, needsRecovery, isJson } = request;
  const before = await client.describe(name);
  if (!before.ok) return refused(before.error);
  if (before.value !== null) return refused(`the table ${name} exists; nothing was changed`);
  const created = await client.create(name);
  if (!created.ok) return refused(created.error);
  const table = await awaitActive(name, client);
  if (!table.ok) return refused(table.error);
  const { TableArn: tableArn = "", TableId: tableId = "" } = table.value;
  if (!parseTableArn(tableArn).ok || !isTableId(tableId)) {
    return refused(`the table ${name} was made, with an ARN or id that no manifest can name`);
  }
  const recovery = await client.enableRecovery(name);
  const problem = recovery.ok
    ? null
    : `the table ${name} was made, but point-in-time recovery could not be switched on: ${recovery.error}`;
  if (problem !== null && needsRecovery) return refused(problem);
  const state = { kind: "dynamodb", tableArn, tableId, bootFloor: "off" };
  const policy = enclavePolicy(tableArn);
  const stdout = isJson
    ? `${JSON.stringify({ state, policy, hasRecovery: recovery.ok })}\n`
    : `"state" of the manifest:\n${JSON.stringify(state)}\n\nPolicy of the enclave's own IAM user:\n${JSON.stringify(policy, null, 2)}\n`;
  return { exitCode: 0, stdout, stderr: problem === null ? "" : `redoubt table: ${problem}\n` };
}

async function awaitActive(
  name: string,
  client: TableClient,
): Promise<Result<TableDescription, string>> {
  const deadlineMs = performance.now() + ACTIVE_DEADLINE_MS;
  while (performance.now() < deadlineMs) {
    const table = await client.describe(name);
    if (!table.ok) return table;
    // A table that was just made may not be seen yet.
    if (table.value?.TableStatus === "ACTIVE") return ok(table.value);
    await pause(POLL_MS);
  }
  return err(`the table ${name} was made, but is not active yet`);
}

function refused(text: string): Outcome {
  return { exitCode: 1, stdout: "", stderr: `redoubt table: ${text}\n` };
}

/** All that the enclave asks. There is no deletion among it, and no other table. */
export function enclavePolicy(tableArn: string) {
  const actions = ["DescribeTable", "GetItem", "BatchGetItem", "PutItem"];
  const Action = actions.map((action) => `dynamodb:${action}`);
  const Statement = [{ Sid: "RedoubtState", Effect: "Allow", Action, Resource: tableArn }];
  return { Version: "2012-10-17", Statement };
}

type Check = { readonly what: string; readonly isRight: boolean; readonly found: string };

async function check(request: Request, client: TableClient): Promise<Outcome> {
  const { name, needsRecovery, isJson } = request;
  const table = await client.describe(name);
  if (!table.ok) return refused(table.error);
  if (table.value === null) return refused(`there is no table ${name} in ${request.region}`);
  const checks = [...tableChecks(table.value, request.wanted)];
  if (needsRecovery) {
    const recovery = await client.hasRecovery(name);
    const found = recovery.ok ? (recovery.value ? "on" : "off") : recovery.error;
    checks.push({ what: "point-in-time recovery", isRight: found === "on", found });
  }
  const isRight = checks.every((each) => each.isRight);
  const lines = checks.map(
    ({ what, isRight: holds, found }) => `${holds ? "ok  " : "FAIL"} ${what}: ${found}\n`,
  );
  const stdout = isJson ? `${JSON.stringify({ isRight, checks })}\n` : lines.join("");
  return { exitCode: isRight ? 0 : 1, stdout, stderr: "" };
}

function tableChecks(table: TableDescription, wanted: Request["wanted"]): readonly Check[] {
  const schema = (table.KeySchema ?? []).map(({ AttributeName: name, KeyType: type }) => {
    const attribute = table.AttributeDefinitions?.find((each) => each.AttributeName === name);
    return `${name ?? ""} ${type ?? ""} ${attribute?.AttributeType ?? ""}`;
  });
  const replicas = (table.Replicas ?? []).map((replica) => replica.RegionName ?? "unknown");
  return [
    compare("ARN", table.TableArn ?? "none", wanted?.tableArn),
    compare("table id", table.TableId ?? "none", wanted?.tableId),
    compare("status", table.TableStatus ?? "none", "ACTIVE"),
    compare("key schema", schema.join(", "), "k HASH B"),
    compare("deletion protection", table.DeletionProtectionEnabled === true ? "on" : "off", "on"),
    // A replica takes writes that the others see later: two enclaves could then sign at once.
    compare("replicas", replicas.length === 0 ? "none" : replicas.join(", "), "none"),
  ];
}

function compare(what: string, found: string, expected: string | undefined): Check {
  return { what, isRight: found === expected, found };
}
