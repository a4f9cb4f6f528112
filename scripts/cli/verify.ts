// `redoubt verify`: is this attestation document true, of which enclave is it, and do the manifest
// and the keys that came with it belong to it? For auditors who trust neither the operator nor the
// parent: it must never take anything from the answer as a reason to check less.

import { randomBytes, X509Certificate } from "node:crypto";
import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";
import type { Check } from "../../shared/attestation/check.ts";
import type { AttestationDocument } from "../../shared/attestation/document.ts";
import { type EvidenceReport, reportEvidence } from "../../shared/attestation/evidence.ts";
import type { Statement } from "../../shared/attestation/statement.ts";
import { type AttestationReport, reportAttestation } from "../../shared/attestation/verify.ts";
import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  type AttestationSource,
  fetchSource,
  parseSource,
  readSourceFile,
  readTlsFiles,
} from "./attestation-source.ts";
import type { Command, ExitCode } from "./command.ts";
import { parseVerifyOptions, type VerifyOptions } from "./verify-options.ts";

const USAGE = `redoubt verify: check an attestation document, and what came with it

  redoubt verify (FILE | URL) [OPTION...]

FILE holds a document, or the JSON object that a signer answers to GET /attestation: then the
manifest and the public keys in it are compared with what the document commits to. A URL is asked
with a fresh nonce (GET /attestation?nonce=HEX where the URL has no path).

Options
  --pcr N=HEX        expected register, 48 bytes; may be repeated. PCR0 is the image, PCR16 the
                     manifest. Without it any enclave passes: compare the values yourself
  --nonce HEX        expected nonce; for a URL also the one to ask with (default: 32 random bytes)
  --at TIME          judge a FILE at this time, such as 2026-01-03T20:41:07Z (default: now).
                     Certificates live about 3 hours
  --max-age SECONDS  oldest document (default: 300 for a URL, none for a FILE)
  --root PEM         another root than AWS Nitro G1 (GovCloud, China, local runs)
  --allow-debug      accept debug mode, in which the parent can read the enclave
  --cert PEM --key PEM --ca PEM   client certificate, its key and the authority of an https URL
  --json             one JSON object on stdout

Exit codes: 0 every check holds, 1 one does not, 2 wrong use.

Example
  redoubt verify https://signer:9000 --cert client.crt --key client.key --ca ca.crt \\
    --pcr 0=$PCR0 --pcr 16=$PCR16
`;

export const command: Command = {
  name: "verify",
  summary: "check an attestation document, the manifest and the keys of a signer",
  usage: USAGE,
  run,
};

/** How far the document's clock, which is AWS's, may be ahead of the one here. */
const FUTURE_SKEW_MS_MAX = 60_000;
const NONCE_BYTES = 32;

type Verdict = {
  readonly isOk: boolean;
  readonly checks: readonly Check[];
  readonly document: AttestationDocument | null;
  readonly statement: Statement | null;
  readonly notes: readonly string[];
};

/** What the command prints and how it ends. */
export type Outcome = {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
};

async function run(args: readonly string[]): Promise<ExitCode> {
  const outcome = await runVerify(args);
  process.stdout.write(outcome.stdout);
  process.stderr.write(outcome.stderr);
  return outcome.exitCode;
}

export async function runVerify(args: readonly string[]): Promise<Outcome> {
  const options = parseVerifyOptions(args);
  if (!options.ok) return misuse(options.error);
  const root = await readRoot(options.value.rootPath);
  if (!root.ok) return misuse(root.error);
  const tls = await readTlsFiles(options.value.tls);
  if (!tls.ok) return misuse(tls.error);
  const { target, isJson } = options.value;
  const isUrl = target instanceof URL;
  const nonce = options.value.nonce ?? (isUrl ? new Uint8Array(randomBytes(NONCE_BYTES)) : null);
  const bytes =
    isUrl && nonce !== null
      ? await fetchSource(target, nonce, tls.value)
      : await readSourceFile(String(target));
  if (!bytes.ok) return isUrl ? failed(bytes.error, isJson) : misuse(bytes.error);
  const source = parseSource(bytes.value);
  if (!source.ok) return failed(source.error, isJson);
  const verdict = judge(source.value, { ...options.value, nonce }, root.value);
  const stdout = isJson ? `${jsonOf(verdict)}\n` : textOf(verdict);
  return { exitCode: verdict.isOk ? 0 : 1, stdout, stderr: "" };
}

function judge(source: AttestationSource, options: VerifyOptions, root: Uint8Array): Verdict {
  const report = reportAttestation(source.document, {
    rootDer: root,
    atMs: options.atMs ?? Date.now(),
    pcrs: options.pcrs.size === 0 ? "any" : options.pcrs,
    nonce: options.nonce,
    allowDebug: options.allowDebug,
    ageMsMax: options.ageMsMax,
    futureSkewMsMax: FUTURE_SKEW_MS_MAX,
  });
  const evidence = judgeEvidence(source, report.document);
  const checks = [...report.checks, ...evidence.checks];
  return {
    isOk: report.verified !== null && checks.every((check) => check.ok),
    checks,
    document: report.document,
    statement: evidence.statement,
    notes: notesOf(source, options, report, evidence),
  };
}

/** With a manifest or keys there must be a statement; a bare document may be of another program. */
function judgeEvidence(
  source: AttestationSource,
  document: AttestationDocument | null,
): EvidenceReport {
  if (document === null) return { checks: [], statement: null };
  const evidence = reportEvidence(document, source);
  const isBare = source.manifest === null && source.keys === null;
  return isBare && evidence.statement === null ? { checks: [], statement: null } : evidence;
}

function notesOf(
  source: AttestationSource,
  options: VerifyOptions,
  report: AttestationReport,
  evidence: EvidenceReport,
): readonly string[] {
  const notes: string[] = [];
  const isExpired = report.checks.some((check) => check.code === "ATTEST_CHAIN_EXPIRED");
  if (isExpired && options.atMs === null && report.document !== null) {
    const time = encodeUtc(report.document.timestampMs);
    notes.push(`judged now; to judge an archived document at its own time use --at ${time}`);
  }
  if (options.pcrs.size === 0) {
    notes.push("no --pcr given: which image and which manifest run there was not compared");
  }
  if (options.allowDebug) notes.push("debug mode was accepted: such an enclave keeps no secrets");
  if (options.nonce === null) notes.push("no --nonce given: the document may be a replay");
  if (source.manifest === null) {
    notes.push("a bare document: there was no manifest and no list of keys to compare");
  } else if (evidence.statement !== null) {
    notes.push("the manifest is the measured one when its check holds; read what it says");
  }
  return notes;
}

async function readRoot(path: string | null): Promise<Result<Uint8Array, string>> {
  if (path === null) return ok(AWS_NITRO_ROOT_G1);
  const pem = await readSourceFile(path);
  if (!pem.ok) return pem;
  try {
    return ok(new Uint8Array(new X509Certificate(pem.value).raw));
  } catch {
    return err(`${path} is not a certificate`);
  }
}

function textOf(verdict: Verdict): string {
  const width = Math.max(...verdict.checks.map((check) => check.name.length));
  const lines = verdict.checks.map((check) => {
    const mark = check.code === null ? "ok  " : "FAIL";
    const code = check.code === null ? "" : ` (${check.code})`;
    const name = check.name.padEnd(width);
    return `${mark}  ${name}  expected: ${check.expected}; actual: ${check.actual}${code}`;
  });
  for (const [name, value] of factsOf(verdict)) lines.push(`      ${name}: ${value}`);
  lines.push(...verdict.notes.map((note) => `note: ${note}`));
  lines.push(verdict.isOk ? "verified" : "NOT VERIFIED");
  return `${lines.join("\n")}\n`;
}

function jsonOf(verdict: Verdict): string {
  const { isOk, checks, notes } = verdict;
  return JSON.stringify({ ok: isOk, checks, notes, ...summaryOf(verdict) });
}

/** What the document says. Without "verified" none of it may be believed. */
function factsOf(verdict: Verdict): readonly (readonly [string, string])[] {
  const { document, statement } = verdict;
  if (document === null) return [];
  const facts: [string, string][] = [
    ["module", document.moduleId],
    ["time", encodeUtc(document.timestampMs)],
  ];
  for (const [index, pcr] of document.pcrs) {
    if (!isZeroBytes(pcr)) facts.push([`PCR${index}`, encodeHex(pcr)]);
  }
  if (statement === null) return facts;
  return [
    ...facts,
    ["software", statement.software],
    ["boot id", encodeHex(statement.bootId)],
    ["manifest SHA-384", encodeHex(statement.manifest)],
    ["keys", `${statement.keyCount}, SHA-384 ${encodeHex(statement.keySet)}`],
  ];
}

/** The same for programs. */
function summaryOf(verdict: Verdict): Readonly<Record<string, unknown>> {
  const { document, statement } = verdict;
  if (document === null) return {};
  const shown = {
    moduleId: document.moduleId,
    timestamp: encodeUtc(document.timestampMs),
    nonce: optional(document.nonce),
    publicKey: optional(document.publicKey),
    userData: optional(document.userData),
    pcrs: Object.fromEntries([...document.pcrs].map(([index, pcr]) => [index, encodeHex(pcr)])),
  };
  if (statement === null) return { document: shown };
  return {
    document: shown,
    statement: {
      software: statement.software,
      bootId: encodeHex(statement.bootId),
      manifest: encodeHex(statement.manifest),
      keySet: encodeHex(statement.keySet),
      keyCount: statement.keyCount,
    },
  };
}

function optional(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : encodeHex(bytes);
}

/** Nothing could be judged: that is a check that does not hold, not wrong use. */
function failed(reason: string, isJson: boolean): Outcome {
  const stdout = `${JSON.stringify({ ok: false, checks: [], notes: [reason] })}\n`;
  if (isJson) return { exitCode: 1, stdout, stderr: "" };
  return { exitCode: 1, stdout: "", stderr: `redoubt verify: ${reason}\n` };
}

function misuse(reason: string): Outcome {
  const stderr = `redoubt verify: ${reason} (see \`redoubt verify --help\`)\n`;
  return { exitCode: 2, stdout: "", stderr };
}
