// `redoubt audit`: the history of what was signed, out of a parent and replayed. It must never say
// that a log is whole when something could not be read or compared.

import type { Refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { describeRefusal, openAdmin, parseAdminPath } from "./admin.ts";
import { parseArguments } from "./arguments.ts";
import {
  type Exported,
  type LogSource,
  sourceOfDatabase,
  sourceOfParent,
  writeLog,
} from "./audit-export.ts";
import { FINDING_CODES } from "./audit-key.ts";
import { type AuditReport, BadLog, verifyLogs } from "./audit-verify.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";

const USAGE = `redoubt audit: the history of what was signed

  redoubt audit export --out FILE [--admin URL | --database FILE]
  redoubt audit verify FILE... [--partial]

export writes every receipt of the parent's log, and the heads of the records, one JSON object a
line. verify replays such files, all together: each receipt follows the one before, none is
missing up to the record, nothing is slashable, nothing comes after a tombstone. Enclaves that
share a table write to the logs of several parents: give all of their files at once.

Options
  --out FILE       the file to write; it must not be there
  --admin URL      the parent's admin socket (unix:///...); default .redoubt/local/admin.sock
  --database FILE  the store of a parent that is stopped, in place of a running one
  --partial        a key's receipts may begin after its first one
  --json           one JSON document on stdout

Exit codes: 0 written, or nothing found; 1 refused, or something found; 2 wrong use.

Example
  redoubt audit export --out 2026-11-28.jsonl && redoubt audit verify 2026-11-28.jsonl
`;

export const command: Command = {
  name: "audit",
  summary: "the history of what was signed: export it, replay it",
  usage: USAGE,
  run: async (args) => printOutcome(await runAudit(args)),
};

type Request =
  | {
      readonly act: "export";
      readonly out: string;
      readonly adminPath: string;
      readonly database: string | null;
      readonly isJson: boolean;
    }
  | {
      readonly act: "verify";
      readonly files: readonly string[];
      readonly isPartial: boolean;
      readonly isJson: boolean;
    };

const OPTIONS = {
  out: { type: "string" },
  admin: { type: "string" },
  database: { type: "string" },
  partial: { type: "boolean" },
  json: { type: "boolean" },
} as const;

export async function runAudit(args: readonly string[]): Promise<Outcome> {
  const request = parseRequest(args);
  if (!request.ok) return failed(2, `${request.error}; see --help`);
  const { value } = request;
  try {
    return value.act === "export" ? await exportLog(value) : await verify(value);
  } catch (error) {
    const isOurs = error instanceof BadLog || (error instanceof Error && "code" in error);
    if (!isOurs) throw error;
    return failed(1, error.message);
  }
}

function parseRequest(args: readonly string[]): Result<Request, string> {
  const [act, ...rest] = args;
  if (act !== "export" && act !== "verify") return err("give export or verify");
  const parsed = parseArguments(rest, OPTIONS);
  if (!parsed.ok) return parsed;
  const { values, positionals } = parsed.value;
  const { out, admin, database } = values;
  const isJson = values.json === true;
  if (act === "verify") {
    if (out !== undefined || admin !== undefined || database !== undefined) {
      return err("--out, --admin and --database are for export");
    }
    if (positionals.length === 0) return err("give one file or more");
    if (new Set(positionals).size !== positionals.length) return err("a file is given twice");
    return ok({ act, files: positionals, isPartial: values.partial === true, isJson });
  }
  if (positionals.length > 0 || values.partial === true) return err("export takes options only");
  if (out === undefined) return err("--out is missing");
  if (admin !== undefined && database !== undefined) return err("either --admin or --database");
  const adminPath = parseAdminPath(admin);
  if (!adminPath.ok) return err("--admin takes unix:///PATH");
  return ok({ act, out, adminPath: adminPath.value, database: database ?? null, isJson });
}

async function exportLog(request: Extract<Request, { act: "export" }>): Promise<Outcome> {
  if (request.database !== null) {
    const source = sourceOfDatabase(request.database);
    try {
      return exported(request, await write(source, request.out));
    } finally {
      source.close();
    }
  }
  const admin = await openAdmin(request.adminPath);
  if (!admin.ok) return failed(1, `${describeRefusal(admin.error)} at ${request.adminPath}`);
  try {
    return exported(request, await write(sourceOfParent(admin.value), request.out));
  } finally {
    admin.value.close();
  }
}

function write(source: LogSource, path: string): Promise<Result<Exported, Refusal>> {
  return writeLog(source, path, Date.now());
}

function exported(
  { out, isJson }: Extract<Request, { act: "export" }>,
  result: Result<Exported, Refusal>,
): Outcome {
  if (!result.ok) return failed(1, describeRefusal(result.error));
  const { headCount, receiptCount } = result.value;
  const stdout = isJson
    ? `${JSON.stringify({ receipts: receiptCount, heads: headCount, file: out })}\n`
    : `exported ${receiptCount} receipts and the heads of ${headCount} records to ${out}\n`;
  return { exitCode: 0, stdout, stderr: "" };
}

async function verify(request: Extract<Request, { act: "verify" }>): Promise<Outcome> {
  const report = await verifyLogs(request.files, request.isPartial);
  const exitCode = report.findingCount === 0 ? 0 : 1;
  return { exitCode, stdout: request.isJson ? jsonOf(report) : textOf(report), stderr: "" };
}

function jsonOf(report: AuditReport): string {
  const { byCode, findings, keyCount, headCount, receiptCount, unheadedCount } = report;
  const counts = { keys: keyCount, receipts: receiptCount, heads: headCount };
  const found = { findings: report.findingCount, byCode: Object.fromEntries(byCode) };
  const ok = report.findingCount === 0;
  return `${JSON.stringify({ ok, ...counts, unheaded: unheadedCount, ...found, first: findings })}\n`;
}

function textOf(report: AuditReport): string {
  const lines = report.findings.map(({ code, key, seq, detail }) => {
    const more = detail === "" ? "" : ` (${detail})`;
    return `${code} ${key} at ${seq}: ${FINDING_CODES[code]}${more}`;
  });
  const { findingCount, keyCount, receiptCount, headCount, unheadedCount } = report;
  if (findingCount > lines.length) lines.push(`... and ${findingCount - lines.length} more`);
  lines.push(`keys ${keyCount}, receipts ${receiptCount}, heads ${headCount}`);
  if (unheadedCount > 0) {
    lines.push(`note: ${unheadedCount} keys have no head here: their last receipts may be missing`);
  }
  lines.push(findingCount === 0 ? "nothing found" : `FOUND ${findingCount}`);
  return `${lines.join("\n")}\n`;
}

function failed(exitCode: 1 | 2, text: string): Outcome {
  return { exitCode, stdout: "", stderr: `redoubt audit: ${text}\n` };
}
