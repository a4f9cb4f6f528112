// An attestation document of real hardware through the verifier: it must verify to the pinned root
// at its own time, in debug mode only when that is allowed, and in no way that is wrong. Each of
// these is a result of its own.

import { createRoot } from "../../scripts/local/nsm-pki.ts";
import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";
import { type AttestationDocument, parseDocument } from "../../shared/attestation/document.ts";
import { type AttestationPolicy, verifyAttestation } from "../../shared/attestation/verify.ts";
import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { failed, passed, runCase, type VectorResult, type Verdict } from "./vector-result.ts";

/** Longer than a document's certificates are valid. */
const DAY_MS = 86_400_000;
/** Spread over the whole document; each flipped bit costs a verification. */
const FLIP_COUNT = 32;

let otherRoot: Uint8Array | undefined;

/** Whether the bytes are an attestation document by form, true or not. */
export function hasDocumentForm(bytes: Uint8Array): boolean {
  return parseDocument(bytes).ok;
}

export async function runAttestationVector(
  name: string,
  bytes: Uint8Array,
): Promise<readonly VectorResult[]> {
  const parsed = parseDocument(bytes);
  if (!parsed.ok) return [{ name, ...failed(`no attestation document (${parsed.error.code})`) }];
  const { timestampMs } = parsed.value;
  const isDebug = isOfDebugMode(parsed.value);
  const own: AttestationPolicy = {
    rootDer: AWS_NITRO_ROOT_G1,
    atMs: timestampMs,
    pcrs: "any",
    nonce: null,
    allowDebug: isDebug,
    ageMsMax: 0,
    futureSkewMsMax: 0,
  };
  const expect = (title: string, code: string, changes: Partial<AttestationPolicy>) =>
    runCase(`${name}: ${title}`, () => expectCode(bytes, { ...own, ...changes }, code));
  const verified = await expect(
    `verifies${isDebug ? " when debug mode is allowed" : ""}`,
    "OK",
    {},
  );
  // What is refused anyway shows nothing by being refused once more.
  if (verified.outcome === "failed") return [verified];
  otherRoot ??= createRoot().der;
  const results = [
    verified,
    await expect("is refused under another root", "ATTEST_ROOT", { rootDer: otherRoot }),
    await expect("is refused a day later", "ATTEST_CHAIN_EXPIRED", { atMs: timestampMs + DAY_MS }),
    await expect("is refused a day before", "ATTEST_CHAIN_EXPIRED", { atMs: timestampMs - DAY_MS }),
    await runCase(`${name}: is refused with a flipped bit`, () => expectFlipsRefused(bytes, own)),
  ];
  if (isDebug) {
    results.push(await expect("is refused by default", "ATTEST_DEBUG", { allowDebug: false }));
  }
  return results;
}

/** By our own reading, so that a verifier that overlooks debug mode is found out. */
function isOfDebugMode({ pcrs }: AttestationDocument): boolean {
  return [0, 1, 2].every((index) => isZeroBytes(pcrs.get(index) ?? new Uint8Array(0)));
}

function expectCode(bytes: Uint8Array, policy: AttestationPolicy, code: string): Verdict {
  const actual = codeOf(bytes, policy);
  if (actual !== code) return failed(`expected ${code}, got ${actual}`);
  return passed(code === "OK" ? "to the AWS root, at its own time" : code);
}

function expectFlipsRefused(bytes: Uint8Array, policy: AttestationPolicy): Verdict {
  const count = Math.min(FLIP_COUNT, bytes.length);
  for (let flip = 0; flip < count; flip++) {
    const index = Math.floor((flip * (bytes.length - 1)) / Math.max(1, count - 1));
    const changed = Uint8Array.from(bytes);
    changed[index] = (changed[index] ?? 0) ^ (1 << (flip % 8));
    // The document's own time may be what was flipped: it is judged at the true one either way.
    if (codeOf(changed, policy) === "OK") return failed(`verifies with byte ${index} changed`);
  }
  return passed(`${count} bits, one at a time`);
}

function codeOf(bytes: Uint8Array, policy: AttestationPolicy): string {
  const verified = verifyAttestation(bytes, policy);
  return verified.ok ? "OK" : verified.error.code;
}
