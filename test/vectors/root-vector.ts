// A root certificate as AWS publishes it, against the one that the verifier has pinned.

import { X509Certificate } from "node:crypto";
import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { failed, passed, type Verdict } from "./vector-result.ts";

export function runRootVector(pem: Uint8Array): Verdict {
  const { raw } = new X509Certificate(pem);
  if (!isEqualBytes(raw, AWS_NITRO_ROOT_G1)) return failed("not the pinned root");
  return passed("the pinned root");
}
