// The parts of the pages that only repeat what the code says, made from the code.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KIND_RULES } from "../../../enclave/core/chains/ethereum/kind-rule.ts";
import { ALLOWED, NEXT, type Phase } from "../../../enclave/core/phase.ts";
import { HTTP_STATUS } from "../../../parent/api/status.ts";
import { EnclavePeer } from "../../../parent/link/enclave-peer.ts";
import { Metrics } from "../../../parent/ops/metrics.ts";
import { type WatchedParts, watchParts } from "../../../parent/ops/part-metrics.ts";
import { PrivvalMetrics, watchCallers } from "../../../parent/ops/privval-metrics.ts";
import { USAGE as START_USAGE } from "../../../scripts/local/options.ts";
import { FINDINGS } from "../../../scripts/policy/finding.ts";
import { buildKeyPolicy } from "../../../scripts/policy/key-policy.ts";
import { DETAIL_NAMES, ERRORS, isErrorCode, refusal } from "../../../shared/errors.ts";
import * as limits from "../../../shared/limits.ts";
import { IS_DEFAULT_OPERATION, OPERATION_KINDS } from "../../../shared/operation.ts";
import { ok } from "../../../shared/result.ts";
import { activeAt } from "../../fakes/served-enclave.ts";
import { FakeSigner } from "../../fakes/signer.ts";
import { ROOT } from "./page.ts";

type Row = readonly string[];

export type GeneratedPart = {
  readonly page: string;
  readonly name: string;
  readonly make: () => Promise<string>;
};

export const GENERATED_PARTS: readonly GeneratedPart[] = [
  { page: "api.md", name: "errors", make: () => Promise.resolve(errorTable()) },
  { page: "api.md", name: "kinds", make: () => Promise.resolve(kindTable()) },
  { page: "protocol.md", name: "phases", make: () => Promise.resolve(phaseTable()) },
  { page: "protocol.md", name: "limits", make: () => Promise.resolve(limitTable()) },
  { page: "operations.md", name: "metrics", make: metricTable },
  { page: "cli.md", name: "help", make: () => Promise.resolve(helpTexts()) },
  { page: "kms.md", name: "policy", make: () => Promise.resolve(keyPolicyText()) },
  { page: "kms.md", name: "findings", make: () => Promise.resolve(findingTable()) },
];

const PAGE_ROLE = "arn:aws:iam::111122223333:role/redoubt";

/** For an image and a manifest of made-up registers. */
function keyPolicyText(): string {
  const policy = buildKeyPolicy({
    roleArn: `${PAGE_ROLE}-parent`,
    sealerArns: [`${PAGE_ROLE}-sealing`],
    adminArns: [`${PAGE_ROLE}-kms-admin`],
    pcrs: new Map([
      [0, [new Uint8Array(48).fill(1, 47)]],
      [1, [new Uint8Array(48).fill(2, 47)]],
      [2, [new Uint8Array(48).fill(3, 47)]],
      [16, [new Uint8Array(48).fill(4, 47)]],
    ]),
  });
  return `\`\`\`json\n${JSON.stringify(policy, null, 2)}\n\`\`\`\n`;
}

function findingTable(): string {
  const rows = Object.entries(FINDINGS).map(([code, { severity, what }]) => [
    `\`${code}\``,
    severity,
    what,
  ]);
  return tableOf(["code", "severity", "what it means"], rows);
}

function tableOf(head: Row, rows: readonly Row[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

function errorTable(): string {
  const rows = Object.entries(ERRORS).flatMap(([code, { number, text }]) => {
    if (!isErrorCode(code)) return [];
    const details = (DETAIL_NAMES[code] ?? []).map((name) => `\`${name}\``).join(", ");
    return [[String(number), `\`${code}\``, String(HTTP_STATUS[code]), text, details]];
  });
  return tableOf(["number", "code", "HTTP", "text", "details"], rows);
}

function kindTable(): string {
  const rows = OPERATION_KINDS.map((kind) => {
    const types = Object.keys(KIND_RULES[kind].readers).map((type) => `\`${type}\``);
    return [`\`${kind}\``, types.join(", "), IS_DEFAULT_OPERATION[kind] ? "yes" : "no"];
  });
  return tableOf(["kind", "`type`", "default"], rows);
}

function isPhase(name: string): name is Phase {
  return Object.hasOwn(ALLOWED, name);
}

function phaseTable(): string {
  const rows = Object.keys(ALLOWED)
    .filter(isPhase)
    .map((phase) => {
      const methods = [...ALLOWED[phase]].map((method) => `\`${method}\``).join(", ");
      const next = [...NEXT[phase]].map((name) => `\`${name}\``).join(", ");
      return [`\`${phase}\``, methods, next === "" ? "nothing" : next];
    });
  return tableOf(["phase", "answers", "may become"], rows);
}

/** In the order of the file, which a module's namespace does not keep. */
function limitTable(): string {
  const values = new Map<string, unknown>(Object.entries(limits));
  const source = readFileSync(join(ROOT, "shared/limits.ts"), "utf8");
  const rows = [...source.matchAll(/^export const (\w+)/gm)].map(([, name = ""]) => [
    `\`${name}\``,
    limitText(name, values.get(name)),
  ]);
  return tableOf(["limit", "value"], rows);
}

const UNITS: readonly (readonly [part: RegExp, name: string, size: number])[] = [
  [/_BYTES/, "MiB", 1024 * 1024],
  [/_BYTES/, "KiB", 1024],
  [/_BYTES/, "bytes", 1],
  [/_MS/, "s", 1000],
  [/_MS/, "ms", 1],
];

function limitText(name: string, value: unknown): string {
  if (typeof value === "bigint") return value.toLocaleString("en");
  if (typeof value !== "number") throw new Error(`${name} is no limit`);
  const unit = UNITS.find(([part, , size]) => part.test(name) && value % size === 0);
  if (unit === undefined) return value.toLocaleString("en");
  return `${(value / unit[2]).toLocaleString("en")} ${unit[1]}`;
}

/** What the parts count does not matter, only what they are called. */
const SILENT_PARTS: WatchedParts = {
  store: {
    stats: () => null,
    receiptsAfter: () => Promise.resolve(ok([])),
    onFailure: () => {},
    close: () => Promise.resolve(),
  },
  active: activeAt("/nowhere"),
  peer: new EnclavePeer(),
  relay: {
    address: { kind: "tcp", host: "127.0.0.1", port: 0 },
    stats: () => ({
      openCount: 0,
      acceptedCount: 0,
      refusedCounts: {
        FRAME_OVERSIZE: 0,
        FRAME_MALFORMED: 0,
        LINK_BUSY: 0,
        LINK_TIMEOUT: 0,
        RELAY_HOST_DENIED: 0,
        RELAY_UNREACHABLE: 0,
      },
      sentBytes: 0,
      receivedBytes: 0,
    }),
    close: () => Promise.resolve(),
  },
};

async function metricTable(): Promise<string> {
  const metrics = new Metrics();
  metrics.watch(new FakeSigner());
  watchParts(metrics.registry, SILENT_PARTS);
  const privval = new PrivvalMetrics(
    metrics.registry,
    () => [],
    () => 0,
  );
  privval.observe("a", refusal("KEY_UNKNOWN"), 0);
  watchCallers(metrics.registry, () => 0);
  const text = await metrics.registry.metrics();
  const described = [...text.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)];
  const rows = described
    .filter(([, name = ""]) => !/^(nodejs|process)_/.test(name))
    .map(([, name = "", what = "", type = ""]) => [`\`${name}\``, type, what]);
  return tableOf(["metric", "type", "what"], rows);
}

function help(...args: readonly string[]): string {
  const program = join(ROOT, "scripts/cli/main.ts");
  return execFileSync(process.execPath, ["--no-warnings", program, ...args], { encoding: "utf8" });
}

function fenced(title: string, text: string): string {
  return `## ${title}\n\n\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;
}

function helpTexts(): string {
  const usage = help("--help");
  const list = usage.slice(usage.indexOf("\nCommands\n"), usage.indexOf("\nExit codes"));
  const names = [...list.matchAll(/^ {2}(\S+)/gm)].map(([, name = ""]) => name);
  const commands = names.map((name) => fenced(`redoubt ${name}`, help(name, "--help")));
  return [fenced("redoubt", usage), ...commands, fenced("npm start", START_USAGE)].join("\n");
}
