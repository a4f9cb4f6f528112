// The documents that verifiers are tried with: those of real hardware where the folder of vectors
// is there, and three of our own PKI in the same forms, so that the same tests run without it.

import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";
import { parseDocument } from "../../shared/attestation/document.ts";
import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { documentOf, FIELDS, NONCE, ROOT, readAttestationVectors } from "./attestation-fixture.ts";

export type DocumentSubject = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly timestampMs: number;
  readonly isDebug: boolean;
  readonly nonce: Uint8Array | null;
  readonly rootDer: Uint8Array;
};

function subjectOf(name: string, bytes: Uint8Array, rootDer: Uint8Array): DocumentSubject {
  const parsed = parseDocument(bytes);
  if (!parsed.ok) throw new Error(`${name} is no attestation document`);
  const { timestampMs, nonce, pcrs } = parsed.value;
  const isDebug = isZeroBytes(pcrs.get(0) ?? new Uint8Array(0));
  return { name, bytes, timestampMs, isDebug, nonce, rootDer };
}

const ZERO = new Uint8Array(48);
const DEBUG_PCRS = new Map([...FIELDS.pcrs].map(([index, pcr]) => [index, index < 3 ? ZERO : pcr]));

export const SUBJECTS: readonly DocumentSubject[] = [
  ...readAttestationVectors().map(({ name, bytes }) => subjectOf(name, bytes, AWS_NITRO_ROOT_G1)),
  subjectOf("our own document", documentOf({ nonce: NONCE }), ROOT.der),
  subjectOf("our own document of definite length", documentOf({}, "definite"), ROOT.der),
  subjectOf(
    "our own document of debug mode",
    documentOf({ nonce: null, pcrs: DEBUG_PCRS }),
    ROOT.der,
  ),
];
