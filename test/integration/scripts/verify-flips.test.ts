// One flipped bit at every byte of every document, of hardware's where they are there. The verifier
// itself runs, whole, each time; only its curve remembers what it has computed
// (`test/fakes/remembering-curves.ts`), or this would take minutes.

import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { describe, test } from "node:test";
import { AWS_NITRO_ROOT_G1 } from "../../../shared/attestation/aws-root.ts";
import { flipped } from "../../fakes/document-change.ts";
import { SUBJECTS } from "../../fakes/document-subject.ts";

const CURVES = "@noble/curves/nist.js";
const REMEMBERING = new URL("../../fakes/remembering-curves.ts", import.meta.url).href;

// The verifier is loaded after this, and by nothing above.
registerHooks({
  resolve(specifier, context, next) {
    const isVerifier = context.parentURL?.endsWith("/shared/attestation/chain.ts") === true;
    if (!isVerifier || specifier !== CURVES) return next(specifier, context);
    return { url: REMEMBERING, shortCircuit: true };
  },
});
const { verifyAttestation } = await import("../../../shared/attestation/verify.ts");

const REAL = SUBJECTS.filter(({ rootDer }) => rootDer === AWS_NITRO_ROOT_G1);

describe("one flipped bit", () => {
  for (const { name, bytes, timestampMs, rootDer } of REAL.length > 0 ? REAL : SUBJECTS) {
    test(`at any byte of ${name} is refused`, (context) => {
      const policy = {
        rootDer,
        atMs: timestampMs,
        pcrs: "any",
        nonce: null,
        allowDebug: true,
        ageMsMax: null,
        futureSkewMsMax: 60_000,
      } as const;
      assert.ok(verifyAttestation(bytes, policy).ok);
      const codes = new Map<string, number>();
      for (let index = 0; index < bytes.length; index++) {
        const verified = verifyAttestation(flipped(bytes, index, index % 8), policy);
        assert.ok(!verified.ok, `byte ${index}`);
        const { code } = verified.error;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      const counts = [...codes].map(([code, count]) => `${code} ${count}`).join(", ");
      context.diagnostic(`${name}: ${bytes.length} bits flipped, one at a time: ${counts}`);
    });
  }
});
