// `redoubt state proof`: whether documents prove that keys were retired, by anybody and offline.
// They are archived evidence, judged at their own time. It must never take the file's words for the
// document's, nor keep silent about an image that was not compared.

import { MANIFEST_PCR_INDEX } from "../../shared/attestation/pcr.ts";
import { verifyAttestation } from "../../shared/attestation/verify.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { readSourceFile } from "./attestation-source.ts";
import type { ExitCode } from "./command.ts";
import { isStated, parseProofs, type RetirementProof } from "./retirement-proof.ts";
import type { StateOptions } from "./state-options.ts";
import { note, print, printJson } from "./state-text.ts";
import { readRoot } from "./verify.ts";
import { readExpectation } from "./verify-expectation.ts";

/** About 8 KB a key. */
const PROOF_FILE_BYTES_MAX = 512 * 1024 * 1024;

type Verdict = {
  readonly proof: RetirementProof;
  /** Null when the proof holds. */
  readonly code: ErrorCode | null;
  readonly timestampMs: number | null;
};

type Pcrs = ReadonlyMap<number, Uint8Array>;

export async function checkProofs(options: StateOptions): Promise<ExitCode> {
  const root = await readRoot(options.root);
  if (!root.ok) return wrongUse(root.error);
  const { release, manifest, pcrs: given } = options;
  const expectation = await readExpectation({ release, manifest, keys: null }, given);
  if (!expectation.ok) return wrongUse(expectation.error);
  const bytes = await readSourceFile(options.file ?? "", PROOF_FILE_BYTES_MAX);
  if (!bytes.ok) return wrongUse(bytes.error);
  const proofs = parseProofs(bytes.value);
  if (proofs === null) {
    note(`${options.file ?? ""} is not a list of proofs`);
    return 1;
  }
  const { pcrs } = expectation.value;
  const verdicts = proofs.map((proof) => judge(proof, root.value, pcrs));
  const notChecked = omissionsOf(pcrs);
  const isOk = verdicts.every(({ code }) => code === null);
  if (options.isJson) printJson({ ok: isOk, notChecked, keys: verdicts.map(jsonOf) });
  else {
    for (const verdict of verdicts) print(textOf(verdict));
    for (const name of notChecked) print(`${name} not checked`);
    if (options.root !== null) print("judged with the root of --root, which must be AWS's");
    print(isOk ? `verified ${verdicts.length}` : "NOT VERIFIED");
  }
  return isOk ? 0 : 1;
}

function judge(proof: RetirementProof, rootDer: Uint8Array, pcrs: Pcrs): Verdict {
  const document = new Uint8Array(Buffer.from(proof.document, "base64"));
  const verified = verifyAttestation(document, {
    rootDer,
    atMs: "document-time",
    pcrs: pcrs.size === 0 ? "any" : pcrs,
    nonce: null,
    allowDebug: false,
    ageMsMax: null,
    futureSkewMsMax: 0,
  });
  if (!verified.ok) return { proof, code: verified.error.code, timestampMs: null };
  const { userData, timestampMs } = verified.value;
  const isSame = userData !== null && isStated(userData, proof);
  return { proof, code: isSame ? null : "ATTEST_USER_DATA", timestampMs };
}

function omissionsOf(pcrs: Pcrs): readonly string[] {
  const names: string[] = [];
  if (!pcrs.has(0)) names.push("image");
  if (!pcrs.has(MANIFEST_PCR_INDEX)) names.push("manifest");
  return names;
}

function textOf({ proof, code, timestampMs }: Verdict): string {
  if (code !== null || timestampMs === null) return `${proof.key} FAIL (${code ?? ""})`;
  return `${proof.key} ok: retired at ${encodeUtc(timestampMs)}, ${lastText(proof)}`;
}

function lastText(proof: RetirementProof): string {
  if ("chainId" in proof) {
    const { chainId, height, round, step } = proof;
    return `${chainId} ${height === null ? "nothing signed" : `${height}/${round}/${step}`}`;
  }
  const { blockSlot, source, target } = proof;
  return `slot ${blockSlot ?? "-"} source ${source ?? "-"} target ${target ?? "-"}`;
}

function jsonOf({ proof, code, timestampMs }: Verdict) {
  const { document: _, ...stated } = proof;
  const time = timestampMs === null ? null : encodeUtc(timestampMs);
  return { ...stated, ok: code === null, code, time };
}

function wrongUse(reason: string): ExitCode {
  note(`${reason}; see \`redoubt state --help\``);
  return 2;
}
