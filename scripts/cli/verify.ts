// `redoubt verify`: is this attestation document true, of which enclave is it, and do the manifest
// and the keys that came with it belong to it? For auditors who trust neither the operator nor the
// parent: it must never take anything from the answer as a reason to check less.

import { randomBytes, X509Certificate } from "node:crypto";
import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";
import type { AttestationDocument } from "../../shared/attestation/document.ts";
import { type EvidenceReport, reportEvidence } from "../../shared/attestation/evidence.ts";
import { MANIFEST_PCR_INDEX } from "../../shared/attestation/pcr.ts";
import { type AttestationReport, reportAttestation } from "../../shared/attestation/verify.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  type AttestationSource,
  fetchSource,
  parseSource,
  readSourceFile,
  readTlsFiles,
} from "./attestation-source.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";
import { jsonOf, type Omission, textOf, type Verdict } from "./verdict.ts";
import { type Expectation, expectationChecks, readExpectation } from "./verify-expectation.ts";
import { parseVerifyOptions, type VerifyOptions } from "./verify-options.ts";

const USAGE = `redoubt verify: check an attestation document, and what came with it

  redoubt verify (FILE | URL) [OPTION...]

FILE holds a document, or the JSON object that a signer answers to GET /attestation: then the
manifest and the public keys in it are compared with what the document commits to. A URL is asked
with a fresh nonce (GET /attestation?nonce=HEX where the URL has no path).

Options
  --release FILE     release.json: PCR0 to PCR2 and the version must be those of the release
  --manifest FILE    the manifest that must be measured there: pins PCR16 to it
  --keys FILE        a JSON list of public keys: exactly these must be loaded
  --pcr N=HEX        expected register, 48 bytes; may be repeated. PCR0 is the image, PCR16 the
                     manifest. Without --pcr and --release any enclave passes
  --nonce HEX        expected nonce; for a URL also the one to ask with (default: 32 random bytes)
  --at TIME          judge a FILE at this time, such as 2026-01-03T20:41:07Z (default: now).
                     Certificates live about 3 hours
  --max-age SECONDS  oldest document (default: 300 for a URL, none for a FILE)
  --root PEM         another root than AWS Nitro G1 (GovCloud, China, local runs)
  --allow-debug      accept debug mode, in which the parent can read the enclave
  --cert PEM --key PEM --ca PEM   client certificate, its key and the authority of an https URL
  --json             one JSON object on stdout: ok, checks, notChecked, notes, and what is stated

Exit codes: 0 every check that was made holds, 1 one does not, 2 wrong use. What was not checked is
listed: image, image-parts (PCR1, PCR2), manifest, keys, nonce, statement. What each check means,
and what none of them proves: docs/audit.md.

Example
  redoubt verify https://signer:9000 --cert client.crt --key client.key --ca ca.crt \\
    --release release.json --manifest manifest.json --keys keys.json
`;

export const command: Command = {
  name: "verify",
  summary: "check an attestation document, the manifest and the keys of a signer",
  usage: USAGE,
  run: async (args) => printOutcome(await runVerify(args)),
};

/** How far the document's clock, which is AWS's, may be ahead of the one here. */
const FUTURE_SKEW_MS_MAX = 60_000;
const NONCE_BYTES = 32;

export async function runVerify(args: readonly string[]): Promise<Outcome> {
  const options = parseVerifyOptions(args);
  if (!options.ok) return misuse(options.error);
  const root = await readRoot(options.value.rootPath);
  if (!root.ok) return misuse(root.error);
  const tls = await readTlsFiles(options.value.tls);
  if (!tls.ok) return misuse(tls.error);
  const expectation = await readExpectation(options.value.files, options.value.pcrs);
  if (!expectation.ok) return misuse(expectation.error);
  const { target, isJson } = options.value;
  const isUrl = target instanceof URL;
  // audit A20: a nonce that nobody could have known before.
  const nonce = options.value.nonce ?? (isUrl ? new Uint8Array(randomBytes(NONCE_BYTES)) : null);
  const bytes =
    isUrl && nonce !== null
      ? await fetchSource(target, nonce, tls.value)
      : await readSourceFile(String(target));
  if (!bytes.ok) return isUrl ? failed(bytes.error, isJson) : misuse(bytes.error);
  const source = parseSource(bytes.value);
  if (!source.ok) return failed(source.error, isJson);
  // audit A20: a signer that shows less than it should would be checked less.
  if (isUrl && source.value.manifest === null) {
    return failed("the answer is no JSON object of a document, a manifest and keys", isJson);
  }
  const request = { ...options.value, nonce, expectation: expectation.value };
  const verdict = judge(source.value, request, root.value);
  const stdout = isJson ? `${jsonOf(verdict)}\n` : textOf(verdict);
  return { exitCode: verdict.isOk ? 0 : 1, stdout, stderr: "" };
}

type Request = VerifyOptions & { readonly expectation: Expectation };

function judge(source: AttestationSource, options: Request, root: Uint8Array): Verdict {
  const { expectation } = options;
  const report = reportAttestation(source.document, {
    rootDer: root,
    atMs: options.atMs ?? Date.now(),
    pcrs: expectation.pcrs.size === 0 ? "any" : expectation.pcrs,
    nonce: options.nonce,
    allowDebug: options.allowDebug,
    ageMsMax: options.ageMsMax,
    futureSkewMsMax: FUTURE_SKEW_MS_MAX,
  });
  const evidence = judgeEvidence(source, expectation, report.document);
  const expected = expectationChecks(expectation, evidence.statement, source.keys);
  const checks = [...report.checks, ...evidence.checks, ...expected];
  return {
    isOk: report.verified !== null && checks.every((check) => check.ok),
    checks,
    document: report.document,
    notChecked: omissionsOf(options, evidence),
    statement: evidence.statement,
    notes: notesOf(source, options, report, evidence),
  };
}

/**
 * With a manifest or keys, shown or expected, there must be a statement, and with a release too; a
 * bare document may be of another program.
 */
function judgeEvidence(
  source: AttestationSource,
  expectation: Expectation,
  document: AttestationDocument | null,
): EvidenceReport {
  if (document === null) return { checks: [], statement: null };
  const evidence = reportEvidence(document, source);
  const isShown = source.manifest !== null || source.keys !== null;
  const { release, isManifestGiven, keys } = expectation;
  const isBare = !isShown && release === null && !isManifestGiven && keys === null;
  return isBare && evidence.statement === null ? { checks: [], statement: null } : evidence;
}

function notesOf(
  source: AttestationSource,
  options: Request,
  report: AttestationReport,
  evidence: EvidenceReport,
): readonly string[] {
  const notes: string[] = [];
  const isExpired = report.checks.some((check) => check.code === "ATTEST_CHAIN_EXPIRED");
  if (isExpired && options.atMs === null && report.document !== null) {
    const time = encodeUtc(report.document.timestampMs);
    notes.push(`judged now; to judge an archived document at its own time use --at ${time}`);
  }
  if (options.rootPath !== null) notes.push("judged with the root of --root, which must be AWS's");
  if (options.allowDebug) notes.push("debug mode was accepted: such an enclave keeps no secrets");
  if (source.manifest === null) {
    notes.push("a bare document: there was no manifest and no list of keys to compare");
  } else if (evidence.statement !== null && !options.expectation.isManifestGiven) {
    notes.push("the manifest is the measured one when its check holds; read what it says");
  }
  const { release } = options.expectation;
  if (release === null) return notes;
  const { version, commit, arch, tree } = release;
  notes.push(`release ${version} for ${arch}, commit ${commit}; rebuild it to check the record`);
  if (tree === "dirty") notes.push("the release was made from changes that no commit has");
  return notes;
}

/** What a verdict is silent about. A script must not have to know which checks could be made. */
function omissionsOf(options: Request, evidence: EvidenceReport): readonly Omission[] {
  const { pcrs, keys } = options.expectation;
  const omissions: Omission[] = [];
  const omit = (name: Omission["name"], why: string) => omissions.push({ name, why });
  if (evidence.checks.length === 0) omit("statement", "it may be an enclave of another program");
  if (!pcrs.has(0)) omit("image", "no --release: any image passes, whatever it calls itself");
  else if (!pcrs.has(1) || !pcrs.has(2)) {
    omit("image-parts", "no PCR1 and PCR2: PCR0 does not tell where a part of the image ends");
  }
  if (!pcrs.has(MANIFEST_PCR_INDEX)) omit("manifest", "no --manifest: any configuration passes");
  if (keys === null) omit("keys", "no --keys: keys may be missing, or more than there should be");
  if (options.nonce === null) omit("nonce", "no --nonce: the document may be a replay");
  return omissions;
}

export async function readRoot(path: string | null): Promise<Result<Uint8Array, string>> {
  if (path === null) return ok(AWS_NITRO_ROOT_G1);
  const pem = await readSourceFile(path);
  if (!pem.ok) return pem;
  try {
    return ok(new Uint8Array(new X509Certificate(pem.value).raw));
  } catch {
    return err(`${path} is not a certificate`);
  }
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
